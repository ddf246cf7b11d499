"""A structured NumPy array in a ``.npy`` file, under the names that the field's libraries give the columns."""

from __future__ import annotations

from pathlib import Path

from shiftlif.data.events.recording import Array, Recording, recording
from shiftlif.data.npz import read_array
from shiftlif.errors import DataError

NAMES = {
    "t": ("t", "ts", "timestamp"),
    "x": ("x",),
    "y": ("y",),
    "p": ("p", "pol", "polarity", "on"),
}


def read_numpy_events(path: Path) -> Recording:
    """One event per entry: time in whole microseconds, column, row, polarity (0 and 1, or -1 and 1).

    Raises:
        DataError: when the file cannot be read, is no structured array ``[N]``, lacks a column or holds other numbers.
    """
    array = read_array(path)
    names = array.dtype.names or ()
    if array.ndim != 1 or not names:
        raise DataError(
            f"{path}: is {array.dtype} {array.shape}, expected a structured array [N] with columns t, x, y, p"
        )
    columns = {key: _column(path, array, names, key) for key in NAMES}
    if len(array) and int(columns["p"].min()) == -1:
        columns["p"] = (columns["p"] > 0).astype("u1")
    return recording(str(path), columns["t"], columns["x"], columns["y"], columns["p"])


def _column(path: Path, array: Array, names: tuple[str, ...], key: str) -> Array:
    found = next((name for name in NAMES[key] if name in names), None)
    if found is None:
        raise DataError(
            f"{path}: has the columns {', '.join(names)}; expected one of {', '.join(NAMES[key])}, and t, x, y, p"
        )
    column: Array = array[found]
    if column.dtype.kind not in "iub" or column.ndim != 1:
        raise DataError(
            f"{path}: column {found} is {column.dtype} {column.shape}, expected integers [N] (times in microseconds)"
        )
    return column
