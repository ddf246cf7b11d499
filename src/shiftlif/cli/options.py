"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MovedData = Annotated[
    Path | None, typer.Option("--data", help="Where the run's data are now, when they were moved.")
]
