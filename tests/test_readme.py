import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shiftlif.export import export_c
from tests.export.programs import edge_program
from tests.kernels.cases import needs_compiled_kernels
from tests.runtime.comparison import needs_engine

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_opens_with_the_two_commands():
    commands = re.search(r"```\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert commands is not None
    assert commands.group(1).split("\n")[:2] == ["make demo", "make test"]


@pytest.mark.slow
def test_every_python_block_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert (tmp_path / "program.safetensors").is_file()
    assert "[" in capsys.readouterr().out


@needs_compiled_kernels
def test_the_python_block_of_the_kernels_page_runs():
    page = (README.parent / "docs" / "kernels.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "kernels.md", "exec"), {})


ENGINE_PAGE = README.parent / "docs" / "engine.md"


@needs_engine
def test_the_python_block_of_the_engine_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", ENGINE_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(block, "engine.md", "exec"), names)
    assert names["answers"].shape == (32,)


def test_the_python_block_of_the_streaming_page_that_needs_no_data_runs(capsys):
    page = (README.parent / "docs" / "streaming.md").read_text(encoding="utf-8")
    block = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    names = {}
    exec(compile(block, "streaming.md", "exec"), names)
    assert len(names["decisions"]) == 23
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_c_block_of_the_engine_page_compiles(tmp_path):
    (block,) = re.findall(r"```c\n(.*?)```", ENGINE_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    source = tmp_path / "page.c"
    source.write_text(block)
    headers = README.parent / "src" / "shiftlif" / "runtime" / "c"
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    done = subprocess.run(["cc", *strict, f"-I{headers}", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_c_block_of_the_export_page_compiles(tmp_path):
    (block,) = re.findall(r"```c\n(.*?)```", (README.parent / "docs" / "export.md").read_text(), re.DOTALL)
    export_c(edge_program(1, 1), tmp_path / "c", name="digits")
    (tmp_path / "c" / "main.c").write_text(block)
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    done = subprocess.run(["cc", *strict, tmp_path / "c" / "main.c"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PAGES = [README, README.parent / "CONTRIBUTING.md", *sorted((README.parent / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_relative_link_exists(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
