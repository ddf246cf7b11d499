import re
from pathlib import Path

import pytest

from tests.kernels.cases import needs_compiled_kernels

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


PAGES = [README, README.parent / "CONTRIBUTING.md", *sorted((README.parent / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_relative_link_exists(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
