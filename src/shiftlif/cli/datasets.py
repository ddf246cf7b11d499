"""``shiftlif datasets``."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from shiftlif.cli.output import show_json, show_pairs, show_table


def datasets(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    fetch_name: Annotated[
        str | None,
        typer.Option(
            "--fetch", metavar="NAME", help="Download a set's official files, where its licence allows."
        ),
    ] = None,
) -> None:
    """List the known data sets, and what is missing to use them."""
    from shiftlif.data import describe, names

    if fetch_name is not None:
        _fetch(fetch_name)
        return

    known = [describe(name) for name in names()]
    if as_json:
        show_json(known)
        return
    show_table(
        "known data sets; a path to your own .npz file, or folder of CSV, WAV, .npy or event files works as well",
        ("name", "modality", "task", "available"),
        [
            (
                d["name"],
                d["modality"],
                d["task"],
                "yes" if d["available"] else _missing(d),
            )
            for d in known
        ],
    )


def _missing(known: dict[str, Any]) -> str:
    folder, name = os.environ.get("SHIFTLIF_DATA"), known["name"]
    if not folder:
        return "no: set SHIFTLIF_DATA to the data folder"
    if known["fetch"]:
        return f"no: shiftlif datasets --fetch {name}"
    if len(known["protocols"]) > 1:
        return "no: to be fetched by hand, see docs/datasets.md"
    return f"no: {folder}/{name}/{name}.npz is missing"


def _fetch(name: str) -> None:
    from shiftlif.data import describe, fetch, names

    if name not in names() or not describe(name)["fetch"]:
        fetch(name)  # raises, and says what to do instead
    else:
        show_pairs("fetch", {"name": name, "licence": describe(name)["source"]})
        with Progress(
            *Progress.get_default_columns(), DownloadColumn(), console=Console(stderr=True)
        ) as bars:
            done = fetch(name, _Bar(bars, name))
        show_pairs("fetched", {"unpacked": ", ".join(str(path) for path in done) or "nothing, all was there"})


class _Bar:
    """What a download reports to, drawn by Rich; one file at a time."""

    def __init__(self, bars: Progress, title: str) -> None:
        self._bars = bars
        self._task = bars.add_task(title, total=None)

    @property
    def total(self) -> float | None:
        return self._bars.tasks[0].total

    @total.setter
    def total(self, value: float) -> None:
        self._bars.reset(self._task, total=value or None)

    def update(self, count: int) -> None:
        self._bars.advance(self._task, count)

    def reset(self) -> None:
        self._bars.update(self._task, completed=0)

    def close(self) -> None:
        pass
