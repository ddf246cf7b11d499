"""``shiftlif datasets``."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from shiftlif.cli import completion
from shiftlif.cli.options import AsJson, DryRun, Quiet
from shiftlif.cli.output import show_json, show_pairs, show_plan, show_table
from shiftlif.cli.progress import Progress

MEGABYTE = 1_000_000


def datasets(
    fetch_name: Annotated[
        str | None,
        typer.Option(
            "--fetch",
            metavar="NAME",
            help="Download a set's official files, where its licence allows.",
            autocompletion=completion.fetchable,
        ),
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the known data sets, and what is missing to use them."""
    from shiftlif.data import describe, names

    if fetch_name is not None:
        _fetch(fetch_name, dry_run, quiet, as_json)
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


def _fetch(name: str, dry_run: bool, quiet: bool, as_json: bool) -> None:
    from shiftlif.data import describe, fetch
    from shiftlif.data.official.fetch import missing

    files = missing(name)  # raises, and says what to do instead
    settings = {"name": name, "licence": describe(name)["source"]}
    if dry_run:
        show_plan("fetch a data set", {**settings, "from": list(files)}, list(files.values()), as_json)
        return
    if not as_json:
        show_pairs("fetch", settings)
    with Progress(quiet, as_json) as progress:
        done = [str(path) for path in fetch(name, _Download(progress, name))]
    if as_json:
        show_json({**settings, "unpacked": done})
    else:
        show_pairs("fetched", {"unpacked": ", ".join(done) or "nothing, all was there"})


class _Download:
    """What a download reports to, in bytes, file after file."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name
        self.total = 0

    @property
    def total(self) -> int:
        """Of the file; setting it begins a file."""
        return self._total

    @total.setter
    def total(self, value: float) -> None:
        self._report = self._progress(f"fetching {self._name}", "MB")
        self._total, self._done = int(value), 0

    def update(self, count: int) -> None:
        self._done += count
        self._report(self._done // MEGABYTE, max(1, self._total // MEGABYTE))

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        self._progress.begin(f"unpacking {self._name}")
