"""The lines of a history: read whole or not at all, added so that no reader sees a part."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from shiftlif.errors import DataError
from shiftlif.program.storage import write_atomically

FILE = "history.jsonl"


@dataclass(frozen=True)
class Record:
    """What one measurement found.

    Attributes:
        benchmark: a name of `benchmarks.history.kinds.KINDS`.
        date: with time and offset, ISO 8601.
        commit: short hash, followed by ``with changes`` where files differed from it.
        machine: in short.
        figures: name to number.
    """

    benchmark: str
    date: str
    commit: str
    machine: str
    figures: dict[str, float]


def _problem(found: Any) -> str | None:
    """Why this is no record."""
    names = [field.name for field in fields(Record)]
    if not isinstance(found, dict) or sorted(found) != sorted(names):
        return f"expected an object with {', '.join(names)}"
    for name in names[:-1]:
        if not isinstance(found[name], str):
            return f"{name} is {found[name]!r}, expected text"
    try:
        aware = datetime.fromisoformat(found["date"]).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        return f"date is {found['date']!r}, expected one such as 2026-01-31T12:00:00+00:00"
    if not isinstance(found["figures"], dict) or not found["figures"]:
        return "figures is empty or no object, expected names with numbers"
    for name, value in found["figures"].items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"figure {name!r} is {value!r}, expected a finite number"
    return None


def read(path: Path) -> list[Record]:
    """The records of a file, oldest first; none where there is no file.

    Raises:
        DataError: the file cannot be read, or a line of it is no record or was cut off.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); restore it: git checkout -- {path.name}"
        ) from error
    records = []
    for i, line in enumerate(text.splitlines(keepends=True), start=1):
        try:
            found = json.loads(line)
            problem = _problem(found) if line.endswith("\n") else "it does not end: it was cut off"
        except ValueError as error:
            problem = f"no JSON: {error}"
        if problem:
            raise DataError(
                f"{path}, line {i}: {problem}; nothing was written; mend the line, remove it, "
                f"or restore the file: git checkout -- {path.name}"
            )
        records.append(Record(**found))
    return in_order(records)


def in_order(records: Iterable[Record]) -> list[Record]:
    """By date; those of the same date as they came."""
    return sorted(records, key=lambda record: datetime.fromisoformat(record.date))


def add(path: Path, records: Iterable[Record]) -> list[Record]:
    """Add records to a file, which is made where there is none.

    Processes that add at the same time wait for each other.

    Returns:
        All records that the file holds now, oldest first.

    Raises:
        DataError: the file is damaged; it stays as it is.
        ModelFileError: it cannot be written; it stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)  # the file itself is replaced, so the lock is on its folder
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        held = in_order([*read(path), *records])
        lines = [json.dumps(asdict(record), ensure_ascii=False, allow_nan=False) + "\n" for record in held]
        write_atomically(path, "".join(lines).encode())
    finally:
        os.close(folder)
    return held
