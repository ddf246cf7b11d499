"""What every command shares: how results, warnings and errors reach the terminal."""

from __future__ import annotations

import functools
import json
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer
from rich.cells import cell_len
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
    "vl_convert": "report",
    "pooch": "download",
    "h5py": "hdf5",
    "lz4": "events",
    "zstandard": "events",
}
"""Which extra brings a package that the deployed half does without."""


WIDE = 1000
"""Columns of standard output that is no terminal: a table there is as wide as what it holds."""
LINE = 100
"""Characters of a cell's line there, unless a single word is longer: paths and digests stay whole."""


class Interrupted(Exception):
    """Ctrl-C, with one line about what was kept and how to go on."""


NOTHING_WRITTEN = "interrupted; nothing was written; call it again"


def guarded(command: Callable[P, R], interrupted: str = "interrupted; call it again") -> Callable[P, R]:
    """The command with every expected failure as one line: exit code 2, or 130 for Ctrl-C.

    Args:
        command: which may say more about Ctrl-C with `Interrupted`.
        interrupted: what is said of Ctrl-C where it does not.
    """

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
            _fail(_lacking(package))
        except BrokenPipeError:
            raise  # the reader has had enough; click ends quietly
        except OSError as error:
            _fail(f"{error.filename or 'output'}: {error.strerror or error}; nothing more was written")
            # What is left in the buffer would fail again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        except (KeyboardInterrupt, Interrupted) as error:
            ERRORS.line(str(error) or interrupted, "yellow")
            raise typer.Exit(130) from None
        raise typer.Exit(2)

    return wrapper


class _Errors:
    """Standard error, for all but results; lines go above the progress bar while there is one."""

    def __init__(self) -> None:
        self._with_bar: Console | None = None

    def take(self) -> Console:
        """The console that a bar is drawn on, until `give_back`."""
        self._with_bar = Console(stderr=True)
        return self._with_bar

    def give_back(self) -> None:
        """The bar is gone."""
        self._with_bar = None

    def line(self, text: str, style: str = "") -> None:
        """One line, however long."""
        console = self._with_bar or Console(stderr=True)
        console.print(Text(" ".join(text.split()), style=style), soft_wrap=True)


ERRORS = _Errors()


def _fail(text: str) -> None:
    ERRORS.line(f"error: {text}", "bold red")


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning):
        _warn(str(message))


def _warn(text: str) -> None:
    """A warning as one line."""
    ERRORS.line(f"warning: {text}", "yellow")


def first_process() -> bool:
    """Whether this is the first process of a multi-device run, the only one that shows anything."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def drawable(figures: Sequence[Path]) -> list[Path]:
    """The figures of a command that can be drawn: all or, with a warning, none where matplotlib is missing."""
    if find_spec("matplotlib") is not None:
        return list(figures)
    names = ", ".join(figure.name for figure in figures)
    _warn(f"no figure ({names}): {_lacking('matplotlib')}")
    return []


def _lacking(package: str) -> str:
    """What is said where a package of an extra is missing."""
    return f"this needs {package}, which is not installed: pip install 'shiftlif[{EXTRAS[package]}]'"


def _has_width() -> bool:
    """Whether standard output has a width that tables fit into: that of a terminal, or one that was chosen."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def _console() -> Console:
    return Console(quiet=not first_process(), width=None if _has_width() else WIDE)


def _cell(text: str) -> Text:
    """A cell; where nothing gives a width, its lines end between words."""
    if _has_width():
        return Text(text)
    lines = (
        textwrap.wrap(line, LINE, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
    )
    return Text("\n".join("\n".join(line) for line in lines))


def show_json(value: Any) -> None:
    """JSON on standard output."""
    if first_process():
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def show_pairs(title: str, pairs: Mapping[str, object]) -> None:
    """A table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(name, _cell(str(value)))
    _console().print(table)


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], expendable: Sequence[str] = ()
) -> None:
    """A table with a header; numbers are aligned to the right.

    Where the longest words of all columns do not fit beside one another, the ``expendable`` columns are left out, one
    after the other, and the title says so.
    """
    console = _console()
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    words = [max(map(_longest_word, [name, *(row[i] for row in cells)])) for i, name in enumerate(columns)]
    kept, lost = list(range(len(columns))), []
    for name in expendable:
        if _fits(words, kept, console.width):
            break
        kept.remove(columns.index(name))
        lost.append(name)
    if lost:
        title += f"; without {', '.join(lost)} (a wider terminal or --json shows them)"
    table = Table(title=title, title_justify="left")
    whole = _fits(words, kept, console.width)
    for i in kept:
        numeric = all(isinstance(row[i], int | float) for row in rows)
        table.add_column(
            columns[i],
            justify="right" if numeric else "left",
            overflow="fold",
            min_width=words[i] if whole else None,
        )
    for row in cells:
        table.add_row(*(_cell(row[i]) for i in kept))
    console.print(table)


def _longest_word(text: str) -> int:
    return max((cell_len(word) for word in text.split()), default=0)


def _fits(words: Sequence[int], columns: Sequence[int], width: int) -> bool:
    """Whether words side by side fit into a line, with a space on either side and the rules between."""
    return sum(words[i] + 3 for i in columns) + 1 <= width


def show_plan(does: str, settings: Mapping[str, object], files: Sequence[Path], as_json: bool) -> None:
    """The result of ``--dry-run``: what would be done, with which settings, and which files it would leave."""
    if as_json:
        show_json({"dry_run": True, **settings, "files": [str(file) for file in files]})
        return
    there = {file: file.exists() for file in files}
    lists = {
        "would write": [file for file in files if not there[file]],
        "would replace": [file for file in files if there[file]],
    }
    listed = {name: "\n".join(map(str, chosen)) for name, chosen in lists.items() if chosen}
    shown = {name.replace("_", " "): _plain(value) for name, value in settings.items()}
    show_pairs(f"dry run, nothing was written: {does}", {**shown, **listed})


def _plain(value: object) -> str:
    """A value as text: numbers with separators, a mapping line by line, what is nested by dotted names."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_plain(inner)}" for name, inner in _dotted(value))
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _dotted(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def percent(share: float) -> str:
    """A share of 1 as per cent."""
    return f"{100 * share:.2f} %"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 7 min, 2.5 h."""
    if round(seconds) < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def fresh_folder(path: Path) -> Path:
    """``path``, or ``path-2``, ``path-3``, ... where it exists: nothing is overwritten."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
