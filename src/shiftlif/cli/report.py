"""``shiftlif report``: one HTML page about a run, or about two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from shiftlif.cli.options import MovedData
from shiftlif.cli.output import show_json, show_pairs

FILE = "report.html"


def report(
    run: Annotated[Path, typer.Argument(help="A finished run folder, compiled or not.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[RUN2]", help="A second run, shown beside the first.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="HTML file, replaced. (default: RUN/report.html)")] = None,
    data: MovedData = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Write one self-contained HTML page: accuracy, cost, learning, classes, worst examples and layers of a run.

    The page needs no network and no other file. With two runs it shows both side by side, with their differences.
    """
    from shiftlif.cli.compile import make_parent
    from shiftlif.program.storage import write_atomically
    from shiftlif.report.report import figures_of, gather, html

    target = out if out is not None else run / FILE
    if out is not None:
        make_parent(target)
    folders = [run] if other is None else [run, other]
    with _told(quiet) as tell:
        found = [gather(folder, source=data, progress=tell) for folder in folders]
        page = html(found, progress=tell).encode()
        tell("writing the page")
        write_atomically(target, page)
    if as_json:
        show_json({"page": str(target), "runs": [figures_of(evidence) for evidence in found]})
        return
    show_pairs(
        "report",
        {
            **{str(evidence.run.folder): figures_of(evidence)["answer"] for evidence in found},
            "page": target,
            "size": f"{len(page):,} bytes",
        },
    )


@contextmanager
def _told(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line on standard error that says what is being done; nothing when quiet or not a terminal."""
    from rich.console import Console

    with Console(stderr=True, quiet=quiet).status("starting") as status:
        yield status.update
