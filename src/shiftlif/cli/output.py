"""What every command shares: how results, warnings and errors reach the terminal."""

from __future__ import annotations

import functools
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shiftlif.errors import ShiftLIFError

P = ParamSpec("P")
R = TypeVar("R")

EXTRAS = {
    "torch": "train",  # commands that need torch need the rest of training too
    "lightning": "train",
    "tensorboard": "train",
    "pydantic": "train",
    "yaml": "train",
    "sklearn": "train",
    "scipy": "train",  # comes with scikit-learn
    "matplotlib": "plot",
    "librosa": "audio",
    "soundfile": "audio",
    "altair": "report",
    "vl_convert": "report",
    "pooch": "download",
    "h5py": "hdf5",
    "lz4": "events",
    "zstandard": "events",
}
"""Which extra brings a package that the deployed half does without."""


class Interrupted(Exception):
    """Ctrl-C, with one line about what was kept and how to go on."""


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """The command with every expected failure as one line: exit code 2, or 130 for Ctrl-C."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.showwarning = _show_warning
        try:
            return command(*args, **kwargs)
        except ShiftLIFError as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if package not in EXTRAS:
                raise
            _fail(f"this needs {package}, which is not installed: pip install shiftlif[{EXTRAS[package]}]")
        except BrokenPipeError:
            raise  # the reader has had enough; click ends quietly
        except OSError as error:
            _fail(f"{error.filename or 'output'}: {error.strerror or error}; nothing more was written")
            # What is left in the buffer would fail again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        except (KeyboardInterrupt, Interrupted) as error:
            _line("yellow", str(error) or "interrupted")
            raise typer.Exit(130) from None
        raise typer.Exit(2)

    return wrapper


def _line(style: str, text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(Text(" ".join(text.split()), style=style))


def _fail(text: str) -> None:
    _line("bold red", f"error: {text}")


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning):
        _line("yellow", f"warning: {message}")


def _console() -> Console:
    """Standard output, of the first process of a multi-device run only."""
    return Console(quiet=os.environ.get("LOCAL_RANK", "0") != "0")


def show_json(value: Any) -> None:
    """JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def show_pairs(title: str, pairs: Mapping[str, object]) -> None:
    """A table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(name, Text(str(value)))
    _console().print(table)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with a header; numbers are aligned to the right."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        numeric = all(isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    _console().print(table)


def percent(share: float) -> str:
    """A share of 1 as per cent."""
    return f"{100 * share:.2f} %"


def fresh_folder(path: Path) -> Path:
    """``path``, or ``path-2``, ``path-3``, ... where it exists: nothing is overwritten."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
