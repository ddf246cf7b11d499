"""CSV files of numbers, with errors that name file, line and column.

The form: comma-separated numbers, one row per line, optionally one header line in which every cell is a name.
Blank lines are skipped, and so is the header where it comes again: files that were joined. Nothing else is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_no_device
from shiftlif.errors import DataError

Source = str | Path | IO[str] | IO[bytes]


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers of a CSV file.

    Attributes:
        values: float32 ``[rows, columns]``.
        columns: names from the header line, None where there is none.
        where: name of the file or stream, for messages.
    """

    values: npt.NDArray[np.float32]
    columns: tuple[str, ...] | None
    where: str


def read_csv(source: Source) -> Table:
    """Read a CSV file from a path or an open stream (text or bytes).

    Raises:
        DataError: when the source cannot be read, is empty, a row has another number of columns than the
            first, or a cell is empty, text, NaN, infinite or beyond float32; the message names file, line and
            column.
    """
    where, text = _read(source)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"{where}: is empty; expected rows of comma-separated numbers")
    first = _cells(lines[0][1])
    columns = None
    if is_header(lines[0][1]):
        columns = tuple(cell.strip('"') for cell in first)
        if "" in columns:
            raise DataError(
                f"{where}, line {lines[0][0]}: header column {columns.index('') + 1} has no name; an index "
                f"column written by pandas? write the file with index=False"
            )
        header = lines[0][1].strip()
        lines = [line for line in lines[1:] if line[1].strip() != header]  # of files that were joined
        if not lines:
            raise DataError(f"{where}: holds a header line only; expected rows of numbers below it")
    values = _fast(lines)
    if values is None or values.shape[1] != len(first):
        values = _careful(where, lines, len(first))
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if not np.isfinite(narrow).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(narrow))[0])
        raise DataError(
            f"{where}, line {lines[row][0]}, column {column + 1}: {values[row, column]} is not a finite "
            f"float32; repair or remove the row"
        )
    return Table(narrow, columns, where)


def read_csv_windows(source: Source, window: int | None = None) -> npt.NDArray[np.float32]:
    """Windows ``[N, C, time]`` from rows that are time steps and columns that are channels.

    Args:
        source: a path or an open stream.
        window: time steps per window, cut one after the other; None takes the whole file as one window.

    Raises:
        DataError: as ``read_csv``, and when the rows are not a multiple of ``window``.
    """
    return cut_windows(read_csv(source), window)


def cut_windows(table: Table, window: int | None) -> npt.NDArray[np.float32]:
    """Consecutive windows ``[N, C, window]`` of a table's rows; see ``read_csv_windows``."""
    rows, columns = table.values.shape
    length = rows if window is None else window
    if length < 1 or rows % length:
        if length < 1:
            raise DataError(f"{table.where}: window is {length}, expected at least 1 time step")
        spare = rows % length
        removed = f"remove {spare} or " if rows > length else ""
        raise DataError(
            f"{table.where}: {rows} rows, expected a multiple of {length} time steps; {removed}"
            f"add {length - spare} rows"
        )
    return np.ascontiguousarray(table.values.reshape(-1, length, columns).swapaxes(1, 2))


def _read(source: Source) -> tuple[str, str]:
    where = str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "stream"))
    if isinstance(source, str | Path):
        check_no_device(where, Path(source))
    elif (descriptor := _descriptor(source)) is not None:
        check_no_device(where, descriptor)
    try:
        content: Any = Path(source).read_bytes() if isinstance(source, str | Path) else source.read()
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        return where, text.removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is not UTF-8 text ({error}); expected comma-separated numbers") from error


def _descriptor(stream: IO[str] | IO[bytes]) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError):  # a stream in memory has none
        return None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _fast(lines: list[tuple[int, str]]) -> npt.NDArray[np.float64] | None:
    """NumPy's parser; None where a line needs a closer look."""
    try:
        return np.loadtxt([line for _, line in lines], delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None


def _careful(where: str, lines: list[tuple[int, str]], columns: int) -> npt.NDArray[np.float64]:
    """Cell by cell, to say what is wrong."""
    return np.array(
        [parse_row(f"{where}, line {number}", line, columns) for number, line in lines], np.float64
    )


def parse_row(where: str, line: str, columns: int, like: str = "as in the first line") -> list[float]:
    """The numbers of one line.

    Args:
        where: file and line, for messages.
        line: comma-separated cells.
        columns: how many are expected.
        like: why so many, for the message.

    Raises:
        DataError: when there are more or fewer, or one is not a number.
    """
    cells = _cells(line)
    if len(cells) != columns:
        raise DataError(f"{where}: {len(cells)} columns, expected {columns} {like}; repair the row")
    row = []
    for column, cell in enumerate(cells, 1):
        value = _number(cell)
        if value is None:
            hint = "; separate cells by commas" if ";" in cell or "\t" in cell or " " in cell else ""
            found = f"{cell[:40]!r} is not a number" if cell else "the cell is empty"
            raise DataError(f"{where}, column {column}: {found}, expected a number{hint}")
        row.append(value)
    return row


def is_header(line: str) -> bool:
    """Whether no cell of a line is a number: names of columns."""
    return all(_number(cell) is None for cell in _cells(line))
