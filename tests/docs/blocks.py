"""The code blocks of the documentation, and how each is run.

Every fence names its language. What is said of a block stands in a comment before it, which no page shows:

| comment | meaning |
|---|---|
| `<!-- not run: REASON -->` | it cannot run in a test: hours, hardware, downloads |
| `<!-- needs: NAME -->` | runs where that is there: `kernels`, `engine`, `data`, a compiler, a command |
| `<!-- before: LANGUAGE`, lines, `-->` | a block that the reader does not see: data and runs that the page speaks of |
| `<!-- run by: TEST -->` | another test runs it, whose file says so |
| `<!-- page run by: TEST -->`, anywhere | the same of all blocks of a page, as of those that need SpikingJelly |

`python -m tests.docs.blocks` counts them.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
WHOLE = re.compile(r"^<!-- page run by: (\S+) -->$", re.MULTILINE)
RUN = ("python", "sh", "c", "yaml")
TEXT = ("text", "bibtex")  # shown, nothing that could run
BLOCK = re.compile(
    r"(?:^<!-- (?P<key>not run|run by|needs): (?P<value>[^\n]*?) -->\n\n?)?"
    r"^(?P<fence>```|~~~)(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=fence)$"
    r"|^<!-- before: (?P<hidden>\w+)\n(?P<before>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block: where it is, what it is written in, what is said of it."""

    page: Path
    line: int
    language: str
    code: str
    not_run: str | None = None
    needs: str | None = None
    run_by: str | None = None

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether tests/docs runs it, where it has what it needs."""
        return self.language in RUN and self.not_run is None and self.run_by is None


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    text, found = page.read_text(encoding="utf-8"), []
    elsewhere = WHOLE.search(text)
    for match in BLOCK.finditer(text):
        hidden = match["hidden"] is not None
        code = match["before"] if hidden else match["code"]
        line = text.count("\n", 0, match.start("before" if hidden else "code")) + 1
        said = {match["key"]: match["value"]}
        found.append(
            Block(
                page,
                line,
                match["hidden"] if hidden else match["language"].strip(),
                code,
                said.get("not run"),
                said.get("needs"),
                elsewhere[1] if elsewhere else said.get("run by"),
            )
        )
    return found


def counted() -> str:
    """How many blocks there are, in one line."""
    counts: Counter[str] = Counter()
    for page in PAGES:
        for block in blocks(page):
            if block.language in TEXT:
                counts["text"] += 1
            elif block.not_run is not None:
                counts["not run"] += 1
            else:
                counts["run" if block.run_by is None else "elsewhere"] += 1
    return (
        f"documentation: {counts['run']} blocks run here, {counts['elsewhere']} in other tests, "
        f"{counts['not run']} marked as not run, {counts['text']} without code"
    )


if __name__ == "__main__":
    for page in PAGES:
        for block in blocks(page):
            if block.not_run is not None:
                print(f"{block.where}: not run: {block.not_run}")
    print(counted())
