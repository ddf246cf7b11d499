"""``shiftlif report``: one HTML page about a run, or about two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftlif.cli.options import AsJson, DryRun, MovedData, Quiet
from shiftlif.cli.output import show_json, show_pairs, show_plan
from shiftlif.cli.progress import Progress

FILE = "report.html"


def report(
    run: Annotated[Path, typer.Argument(help="A finished run folder, compiled or not.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[RUN2]", help="A second run, shown beside the first.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="HTML file, replaced. (default: RUN/report.html)")] = None,
    data: MovedData = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page: accuracy, cost, learning, classes, worst examples and layers of a run.

    The page needs no network and no other file. With two runs it shows both side by side, with their differences.
    """
    target = out if out is not None else run / FILE
    folders = [run] if other is None else [run, other]
    with Progress(quiet, as_json) as progress:
        progress.begin("starting")
        from shiftlif.cli.compile import check_file, check_parent, make_parent
        from shiftlif.program.storage import write_atomically
        from shiftlif.report.report import figures_of, gather, html
        from shiftlif.training.runs import load_run

        check_file(target)
        if dry_run:
            runs = [str(load_run(folder).folder) for folder in folders]
            check_parent(target)
            progress.close()
            show_plan("write a report", {"runs": runs}, [target], as_json)
            return
        if out is not None:
            make_parent(target)
        found = [gather(folder, source=data, progress=progress.begin) for folder in folders]
        page = html(found, progress=progress.begin).encode()
        progress.begin("writing the page")
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
