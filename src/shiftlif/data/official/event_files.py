"""Recordings of event cameras: the two binary forms, and events as counts in time bins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError

Array = npt.NDArray[Any]
SPECIAL = 0x8000  # an address with this bit is a synchronisation mark, not a pixel
OVERFLOW_ROW, OVERFLOW_US = 240, 1 << 13


class Events(NamedTuple):
    """Events in the order of the file: time (microseconds), column, row, polarity (1 is brighter), each ``[N]``."""

    time: npt.NDArray[np.int64]
    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    polarity: npt.NDArray[np.int64]


def read_aedat2(path: Path) -> Events:
    """An AER-DAT 2.0 file of a DVS128: ``#`` lines, then big-endian pairs of 32-bit address and time.

    Address bits: 0 polarity (0 is brighter), 1 to 7 and 8 to 14 the pixel, turned so that pictures stand upright.

    Raises:
        DataError: when the file has another form or holds no event.
    """
    content = _bytes(path)
    if not content.startswith(b"#!AER-DAT2.0"):
        raise DataError(f"{path}: begins with {content[:12]!r}, expected '#!AER-DAT2.0'; copy it again")
    start = 0
    while content[start : start + 1] == b"#":
        end = content.find(b"\n", start)
        start = len(content) if end < 0 else end + 1
    size = len(content) - start
    if size % 8 or size == 0:
        raise DataError(
            f"{path}: {size} bytes after the header, expected a multiple of 8 above 0; it is truncated"
        )
    pairs = np.frombuffer(content, ">u4", offset=start).astype(np.int64).reshape(-1, 2)
    pairs = pairs[(pairs[:, 0] & SPECIAL) == 0]
    if len(pairs) == 0:
        raise DataError(f"{path}: holds no event of a pixel; copy it again")
    address = pairs[:, 0]
    return Events(pairs[:, 1], 127 - (address >> 8 & 0x7F), 127 - (address >> 1 & 0x7F), 1 - (address & 1))


def read_atis(path: Path) -> Events:
    """The form of N-MNIST and N-Caltech101: 40 bits per event, x (8), y (8), polarity (1), time (23).

    An event in row 240 is no pixel: all later times are 8192 microseconds more (Orchard's ``Read_Ndataset.m``).

    Raises:
        DataError: when the file has another size or holds no event.
    """
    content = _bytes(path)
    if len(content) % 5 or not content:
        raise DataError(
            f"{path}: {len(content)} bytes, expected a multiple of 5 above 0; it is truncated, copy it again"
        )
    rows = np.frombuffer(content, np.uint8).astype(np.int64).reshape(-1, 5)
    overflow = rows[:, 1] == OVERFLOW_ROW
    time = (rows[:, 2] & 0x7F) << 16 | rows[:, 3] << 8 | rows[:, 4]
    time = (time + OVERFLOW_US * np.cumsum(overflow))[~overflow]
    if len(time) == 0:
        raise DataError(f"{path}: holds no event of a pixel; copy it again")
    rows = rows[~overflow]
    return Events(time, rows[:, 0], rows[:, 1], rows[:, 2] >> 7)


def bin_events(
    path: Path, events: Events, bins: int, height: int, width: int, block: int
) -> npt.NDArray[np.uint16]:
    """Counts ``[bins, 2, height / block, width / block]``: equal spans of time from first to last event.

    Channel 1 counts events that are brighter, channel 0 the others; ``block x block`` pixels are added up.

    Raises:
        DataError: when an event lies outside the sensor.
    """
    if int(events.x.max()) >= width or int(events.y.max()) >= height:
        raise DataError(
            f"{path}: holds an event at column {events.x.max()}, row {events.y.max()}, expected below {width} and "
            f"{height}; copy it again"
        )
    since = events.time - events.time.min()
    span = since * bins // (int(since.max()) + 1)
    shape = (bins, 2, height // block, width // block)
    cell = np.ravel_multi_index((span, events.polarity, events.y // block, events.x // block), shape)
    counts = np.bincount(cell, minlength=int(np.prod(shape)))
    return np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16).reshape(shape)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
