"""``shiftlif datasets``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from shiftlif.cli.output import show_json, show_table


def datasets(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List the known data sets, and what is missing to use them."""
    from shiftlif.data import describe, names

    known = [describe(name) for name in names()]
    if as_json:
        show_json(known)
        return
    show_table(
        "known data sets; a path to your own .npz file or folder works as well",
        ("name", "modality", "task", "available"),
        [
            (
                d["name"],
                d["modality"],
                d["task"],
                "yes" if d["available"] else _missing(d["name"]),
            )
            for d in known
        ],
    )


def _missing(name: str) -> str:
    folder = os.environ.get("SHIFTLIF_DATA")
    return (
        f"no: {folder}/{name}/{name}.npz is missing" if folder else "no: set SHIFTLIF_DATA to the data folder"
    )
