"""Events as an array: one recording of an event camera, checked and in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_no_device
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
"""Time in microseconds, column, row (0 at the top), polarity (1: brighter)."""
LATEST = 2**52  # microseconds, 142 years: products with a number of frames stay within 64 bits


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording.

    Attributes:
        events: `EVENT` ``[N]``, N above 0, ascending in time; equal times stay in the order of the file.
        where: the file's name, for messages.
        size: rows and columns of the sensor; None where the file does not say.
    """

    events: Array
    where: str
    size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.events)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns: of the sensor where they are known, else the fewest that hold every event."""
        return self.size or (int(self.events["y"].max()) + 1, int(self.events["x"].max()) + 1)


def recording(
    where: str, t: Array, x: Array, y: Array, p: Array, size: tuple[int, int] | None = None
) -> Recording:
    """A recording of columns ``[N]`` of integers; events that are not in the order of time are sorted (stable).

    Args:
        where: the file's name.
        t: microseconds.
        x: columns.
        y: rows.
        p: polarities, 0 or 1.
        size: rows and columns of the sensor, where the file says so.

    Raises:
        DataError: when there is no event, or one has a pixel outside the sensor, another polarity or a time beyond
            2^52 microseconds; the message names the first by its number.
    """
    if len(t) == 0:
        raise DataError(f"{where}: holds no event of a pixel; record again, or leave the file out")
    height, width = size or (2**16, 2**16)
    limits = (("t", t, -LATEST, LATEST), ("x", x, 0, width - 1), ("y", y, 0, height - 1), ("p", p, 0, 1))
    for name, values, low, high in limits:
        if int(values.min()) < low or int(values.max()) > high:
            first = int(np.argmax((values < low) | (values > high)))
            raise DataError(
                f"{where}: event {first} (counted from 0) has {name} = {int(values[first])}, expected {low} to "
                f"{high}; the file is damaged or of another sensor"
            )
    events = np.empty(len(t), EVENT)
    for name, values in (("t", t), ("x", x), ("y", y), ("p", p)):
        events[name] = values
    if np.any(t[1:] < t[:-1]):
        events = events[np.argsort(events["t"], kind="stable")]
    return Recording(events, where, size)


def content_of(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: when it is a device, or cannot be read.
    """
    check_no_device(str(path), path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def header_lines(content: bytes, mark: bytes, end: bytes | None = None) -> tuple[list[str], int]:
    """The text lines at the start that begin with ``mark``, without it, and where the binary part begins.

    Args:
        content: of the file.
        mark: what a line of the header begins with. Events may begin so too: a line that does not end, or holds bytes
            that are no text, is one.
        end: the line that is the last of the header wherever it occurs; it is not among the lines.
    """
    lines, start = [], 0
    while content[start : start + len(mark)] == mark:
        stop = content.find(b"\n", start)
        line = content[start + len(mark) : stop].strip()
        if stop < 0 or any(byte < 32 and byte != 9 for byte in line):
            break
        start = stop + 1
        if end is not None and line == end:
            break
        lines.append(line.decode("latin-1"))
    return lines, start


def body(path: Path, content: bytes, start: int, dtype: str, per_event: int = 1) -> Array:
    """What follows the header as numbers.

    Raises:
        DataError: when it is empty or ends within an event.
    """
    unit = np.dtype(dtype).itemsize * per_event
    size = len(content) - start
    if size % unit or size == 0:
        raise DataError(
            f"{path}: {size} bytes after the header (from offset {start}), expected a multiple of {unit} above 0; it "
            f"is truncated, copy it again"
        )
    return np.frombuffer(content, dtype, offset=start)
