"""Runs the blocks of a page in their order: one namespace, one folder, as a reader would."""

import os
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path

import yaml
from typer.testing import CliRunner

from tests.docs.blocks import ROOT, Block

HEADERS = ROOT / "src" / "shiftlif" / "runtime" / "c"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only")


def missing(need: str | None) -> str | None:
    """What a block needs and is not here."""
    from shiftlif import runtime
    from shiftlif.cli.app import COMMANDS
    from shiftlif.kernels import cpu

    if need is None:
        return None
    if need.startswith("shiftlif "):
        return None if need.split()[1] in COMMANDS else f"the command {need}"
    if need in ("arm-none-eabi-gcc", "qemu-system-arm"):
        return None if shutil.which(need) else f"no {need}"
    return {
        "kernels": cpu.unavailable,
        "engine": runtime.unavailable(),
        "data": None if os.environ.get("SHIFTLIF_DATA") else "SHIFTLIF_DATA is not set",
    }[need]


class Reader:
    """Somebody who does what a page says, in the folder that they are in, with the benchmarks of the repository."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {"__name__": "page"}
        Path("benchmarks").symlink_to(ROOT / "benchmarks")

    def follow(self, block: Block) -> None:
        getattr(self, f"_{block.language}")(block)

    def _python(self, block: Block) -> None:
        code = "\n" * (block.line - 1) + block.code  # a traceback then shows the line of the page
        exec(compile(code, str(block.page), "exec"), self.names)

    def _sh(self, block: Block) -> None:
        for line in block.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                command, words = words[:end], words[end + 1 :]
                _command(command, block.where)

    def _c(self, block: Block) -> None:
        source = Path("block.c")
        source.write_text(block.code)
        exported = [f"-I{header.parent}" for header in Path().glob("*/*_model.h")]
        done = subprocess.run(
            [_compiler(), *STRICT, f"-I{HEADERS}", *exported, source], capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block.where}: {done.stderr}"

    def _yaml(self, block: Block) -> None:
        """A file of the bench or of a training configuration, which has to be accepted."""
        from shiftlif.bench.recipe import load_recipe
        from shiftlif.training import load_config

        file = Path("block.yaml")
        file.write_text(block.code)
        (load_recipe if "neurons" in yaml.safe_load(block.code) else load_config)(file)


def _command(words: list[str], where: str) -> None:
    from shiftlif.cli.app import app

    if words[0] == "shiftlif":
        show = warnings.showwarning
        try:
            done = CliRunner().invoke(app, words[1:], env={"COLUMNS": "160"})
        finally:
            warnings.showwarning = show
        assert done.exit_code == 0, f"{where}: {shlex.join(words)}\n{done.output}{done.exception!r}"
    elif words[0] == "make" and words[1:2] == ["-C"]:
        _compiler()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        made = subprocess.run(words, capture_output=True, text=True, env=clean)
        assert made.returncode == 0, f"{where}: {shlex.join(words)}\n{made.stdout}{made.stderr}"
    else:
        raise AssertionError(f"{where}: {shlex.join(words)}: no test runs this; say <!-- not run: why -->")


def _compiler() -> str:
    import pytest

    found = shutil.which("cc")
    return found or pytest.skip("no C compiler")
