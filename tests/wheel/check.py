"""What an installed wheel has to do with numpy and safetensors alone: load a program, run the engine, write C.

``python check.py [FOLDER]``, which is to keep the program and golden vectors; wheels are tested with it where they are
built (cibuildwheel in pyproject.toml).
"""

import platform
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from shiftlif import InputQuantizer, IntegerProgram
from shiftlif.export import export_c
from shiftlif.program import Accumulate, Input, Linear, Neuron, record
from shiftlif.runtime import paths, unavailable


def program() -> IntegerProgram:
    random = np.random.default_rng(0)
    return IntegerProgram(
        (
            Input("x", (6,)),
            Linear("current", "x", random.integers(-99, 99, (8, 6)).astype(np.int8)),
            Neuron(
                "neuron",
                "current",
                leak_shift=1,
                current_shift=0,
                bias=np.zeros(8, np.int32),
                thresholds=np.full((8, 2), (2000, 4000), np.int32),
                resets=np.full((8, 3), (0, 2000, 4000), np.int32),
                letters=np.array([0, 1, 2], np.int32),
            ),
            Linear("scores", "neuron", random.integers(-99, 99, (3, 8)).astype(np.int8)),
            Accumulate("readout", "scores", current_shift=0, bias=np.zeros(3, np.int32)),
        ),
        InputQuantizer.identity(6),
        steps=4,
        max_steps=100,
        classes=("rest", "walk", "run"),
    )


def expected_path() -> str | None:
    """The fast path that every wheel for this processor has; None where it is not known what the processor can do."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "neon"
    flags = Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and flags.exists() and "avx2" in flags.read_text().split():
        return "avx2"
    return None


def main(kept: Path | None = None) -> None:
    why = unavailable()
    if why is not None:
        raise SystemExit(f"the wheel has no engine: {why}")
    with tempfile.TemporaryDirectory() as folder:
        file = (kept or Path(folder)) / "program.safetensors"
        program().save(file)
        loaded = IntegerProgram.load(file)
        exported = export_c(loaded, Path(folder) / "exported")
        lacking = [name for name in exported.files if not (exported.folder / name).is_file()]
        if lacking or "shiftlif.h" not in exported.files:
            raise SystemExit(f"exported {exported.files}, of which these do not exist: {lacking}")
    if not files("shiftlif").joinpath("py.typed").is_file():
        raise SystemExit("the wheel has no py.typed: nobody's type checker would look into it")
    frames = np.random.default_rng(1).integers(-128, 128, (32, 6)).astype(np.int8)
    if kept:
        record(loaded, frames).save(kept / "vectors.npz")
    expected = loaded.run(frames, record=True)
    if not expected.letters["neuron"].any():
        raise SystemExit("no neuron sent a letter: this check would prove nothing")
    if expected_path() not in (None, *paths()):
        raise SystemExit(f"the engine has the paths {paths()}, expected {expected_path()} on this processor")
    for path in paths():
        found = loaded.engine(path=path).run(frames, record=True)
        for table in ("letters", "membranes"):
            for name, values in getattr(expected, table).items():
                if not np.array_equal(getattr(found, table)[name], values):
                    raise SystemExit(f"{path}: {table} of {name} differ from the interpreter")
        if not np.array_equal(found.logits, expected.logits):
            raise SystemExit(f"{path}: the scores differ from the interpreter")
    if "torch" in sys.modules:
        raise SystemExit("torch was loaded")
    print(f"the wheel works without torch; engine: {', '.join(paths())}; C: {len(exported.files)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
