"""Every code block of README and docs runs, or says in the page's source why it does not."""

import pytest

from tests.docs.blocks import PAGES, ROOT, RUN, TEXT, Block, blocks
from tests.docs.running import Reader, missing

EVERY = [block for page in PAGES for block in blocks(page)]


def _name(page):
    return page.relative_to(ROOT).as_posix()


def _running():
    """Pages with blocks that run here; those that need the real data sets have the mark of such tests."""
    for page in PAGES:
        found = [block for block in blocks(page) if block.runs]
        if found:
            marks = [pytest.mark.data] if any(block.needs == "data" for block in found) else []
            yield pytest.param(page, marks=marks, id=_name(page))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # of layers that a few epochs left silent
@pytest.mark.parametrize("page", list(_running()))
def test_the_blocks_of_a_page_run_in_their_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reader, lacking = Reader(), []
    for block in blocks(page):
        if not block.runs:
            continue
        why = missing(block.needs)
        if why is None:
            reader.follow(block)
        elif not why.startswith("the command"):
            lacking.append(f"{block.where} needs {block.needs}: {why}")
    if lacking:
        pytest.skip("; ".join(lacking))


@pytest.mark.parametrize("block", EVERY, ids=lambda block: block.where)
def test_a_block_names_a_language_that_is_run_or_is_marked(block):
    marked = block.not_run is not None
    assert block.language in (*RUN, *TEXT) or (marked and block.language), (
        f"{block.where}: the language is {block.language!r}; write one of {RUN}, {TEXT}, or <!-- not run: why -->"
    )
    assert not marked or len(block.not_run.split()) >= 3, f"{block.where}: say why it is not run"
    assert not (marked and block.language in TEXT), f"{block.where}: text needs no mark"


@pytest.mark.parametrize("block", [b for b in EVERY if b.run_by is not None], ids=lambda block: block.where)
def test_a_block_that_another_test_runs_is_named_there(block):
    text = (ROOT / block.run_by).read_text(encoding="utf-8")
    assert block.page.name in text, f"{block.where}: {block.run_by} does not name the page"
    assert block.not_run is None or len(block.not_run.split()) >= 3


def test_no_fence_escapes_the_search():
    for page in PAGES:
        lines = [line.lstrip() for line in page.read_text(encoding="utf-8").splitlines()]
        fences = sum(line.startswith(("```", "~~~")) for line in lines)
        hidden = page.read_text(encoding="utf-8").count("<!-- before:")
        assert fences == 2 * (len(blocks(page)) - hidden), f"{_name(page)}: an indented or unclosed fence"


def test_nearly_all_code_is_run():
    code = [block for block in EVERY if block.language not in TEXT]
    assert sum(block.not_run is None for block in code) >= 0.7 * len(code)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "assert 1 == 2"),
        ("sh", "shiftlif no-such-command"),
        ("sh", "rm -rf ."),
        ("c", "int start(void) { return no_such_name; }"),
        ("yaml", "epochs: a few"),
    ],
)
def test_a_block_that_does_not_work_is_found(language, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = Block(ROOT / "README.md", 1, language, code + "\n")
    with pytest.raises((AssertionError, ValueError)):
        Reader().follow(block)


def test_the_readme_opens_with_the_two_commands():
    assert blocks(ROOT / "README.md")[0].code.split("\n")[:2] == ["make demo", "make test"]
