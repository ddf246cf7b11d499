"""What MkDocs needs to know about this repository: pages that lie outside of docs/, and links that point to them.

Links in the Markdown files are those of the repository, so that they work where its files are read; here they become
those of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# Files of the repository that are pages or pictures of the site, and where.
RESULTS = [
    f"results/{path.name}" for path in sorted((ROOT / "results").iterdir()) if path.suffix in (".md", ".png")
]
OUTSIDE = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    **{path: path for path in RESULTS},
}
SOURCES = {site: repository for repository, site in OUTSIDE.items()}
LINK = re.compile(r"(?<!\\)\[([^\]\[]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def site_path(repository_path: str) -> str | None:
    """Where a file of the repository is in the site; None where it is not part of it."""
    if repository_path == "README.md":
        return "index.md"
    if repository_path.startswith("docs/"):
        return repository_path.removeprefix("docs/")
    return OUTSIDE.get(repository_path)


def rewrite(markdown: str, page: str) -> str:
    """The text of a page of the site with the site's links; a link to a file that is no page becomes its text."""
    folder = posixpath.dirname(SOURCES.get(page, f"docs/{page}"))

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = site_path(posixpath.normpath(posixpath.join(folder, target)))
        if path is None:
            return f"`{text}`" if "`" not in text else text
        return f"[{text}]({posixpath.relpath(path, posixpath.dirname(page) or '.')}{anchor})"

    pieces, end = [], 0
    for fence in FENCE.finditer(markdown):
        pieces += [LINK.sub(link, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, LINK.sub(link, markdown[end:])])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie outside of docs/."""
    from mkdocs.structure.files import File

    for repository, site in OUTSIDE.items():
        files.append(File.generated(config, site, abs_src_path=str(ROOT / repository)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns the repository's links into the site's."""
    return rewrite(markdown, page.file.src_uri)
