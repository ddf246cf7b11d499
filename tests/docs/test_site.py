"""The site builds without a warning, has every page, and fetches nothing from anywhere."""

import os
import re
import subprocess
import sys
from importlib.metadata import version

import matplotlib as mpl
import pytest
from docs.figures.draw import FIGURES, draw
from docs.site_hooks import OUTSIDE

from tests.docs.blocks import ROOT
from tests.docs.test_docstrings import public_objects

PAGES = [path.relative_to(ROOT / "docs").as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def _page(site, source):
    return site / "index.html" if source == "index.md" else site / source.removesuffix(".md") / "index.html"


def test_every_page_is_in_the_site_and_in_its_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    for source in [*PAGES, *(page for page in OUTSIDE.values() if page.endswith(".md"))]:
        assert _page(site, source).is_file(), source
        assert source == "index.md" or f'href="{source.removesuffix(".md")}/"' in start, source


def test_the_site_fetches_nothing_from_elsewhere(site):
    away = r"""=["']?(?:https?:)?//"""
    loads = re.compile(rf"<(?:script|img|iframe|source)[^>]*\ssrc{away}|<link[^>]*href{away}")
    for page in site.rglob("*.html"):
        found = [
            match
            for match in loads.findall(page.read_text(encoding="utf-8"))
            if 'rel="canonical"' not in match
        ]
        assert not found, (page, found)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?https?:", sheet.read_text(encoding="utf-8")), sheet


def test_every_public_name_has_an_entry_in_the_reference(site):
    for label, _, _ in public_objects():
        room, name = label.split(".")[:2]
        page = (site / "reference" / "api" / room / "index.html").read_text(encoding="utf-8")
        if label.count(".") == 1:
            assert re.search(rf'id="shiftlif\.{room}\.(?:\w+\.)*{name}"', page), label


def test_the_figures_are_those_that_the_tables_give(tmp_path):
    pinned = re.search(r"^matplotlib==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    draw(tmp_path)
    for name in FIGURES:
        text, drawn = (
            (folder / f"{name}.svg").read_text() for folder in (ROOT / "docs" / "figures", tmp_path)
        )
        assert "prefers-color-scheme" in text
        assert "currentColor" in text
        if pinned is not None and version("matplotlib") == pinned[1]:
            assert drawn == text, f"{name}.svg is old: python docs/figures/draw.py"
    assert mpl.rcParams["svg.hashsalt"] is None  # drawing leaves matplotlib as it was
