"""No link of the repository's Markdown files is broken, whether they are read there or on the site."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docs.site_hooks import OUTSIDE, rewrite

from tests.docs.blocks import PAGES, ROOT

FILES = sorted({*PAGES, ROOT / "CHANGELOG.md", *ROOT.glob("results/*.md"), *ROOT.glob(".github/**/*.md")})
CODE = re.compile(r"^```.*?^```$|<!--.*?-->|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
BARE = re.compile(r"<(https?://[^>\s]+)>")


def _name(path):
    return path.relative_to(ROOT).as_posix()


def _text(path):
    """A page without its code, where brackets mean something else; the text of links may be code."""
    return CODE.sub(lambda found: "`" if found[0].startswith("`") else "", path.read_text(encoding="utf-8"))


def anchors(path):
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _text_of_headings(path), re.MULTILINE):
        found.add(re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-"))
    return found


def _text_of_headings(path):
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_relative_link_leads_to_a_file_and_a_heading(path):
    for target in LINK.findall(_text(path)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{_name(path)}: {target}"
        assert there.is_relative_to(ROOT), f"{_name(path)}: {target} leaves the repository"
        if anchor:
            assert anchor in anchors(there), (
                f"{_name(path)}: {target}; {_name(there)} has {sorted(anchors(there))}"
            )


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_external_link_is_an_address(path):
    text = _text(path)
    for target in [*LINK.findall(text), *BARE.findall(text)]:
        if "://" in target:
            parts = urlsplit(target)
            assert parts.scheme == "https", f"{_name(path)}: {target}"
            assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]{2,}", parts.netloc), f"{_name(path)}: {target}"


def test_links_become_those_of_the_site():
    assert rewrite("[a](../results/mcu.md#x) and [b](../levels.md)", "tutorials/choose-k.md") == (
        "[a](../results/mcu.md#x) and [b](../levels.md)"
    )
    assert rewrite("[a](../results/mcu.md)", "engine.md") == "[a](results/mcu.md)"
    assert rewrite("[a](docs/SPEC.md)", "project/contributing.md") == "[a](../SPEC.md)"
    assert rewrite("[a](../README.md)", "levels.md") == "[a](index.md)"
    assert rewrite("[a](../pyproject.toml)", "levels.md") == "`a`"
    assert (
        rewrite("```text\n[a](../results/mcu.md)\n```", "engine.md") == "```text\n[a](../results/mcu.md)\n```"
    )


def test_pages_outside_of_docs_exist():
    for file in OUTSIDE:
        assert Path(ROOT, file).is_file(), file
