"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from shiftlif.cli import completion

MovedData = Annotated[
    Path | None, typer.Option("--data", help="Where the run's data are now, when they were moved.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="The result as JSON on standard output, and no progress.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check what can be checked quickly, say what would be written, and stop."),
]


def choice(words: Sequence[str], help: str) -> Any:
    """An option that takes one of a few words, which its help lists and the shell completes."""
    return typer.Option(help=help, metavar="|".join(words), autocompletion=completion.one_of(words))
