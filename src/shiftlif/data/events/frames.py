"""Recordings as frames of counts, and as the lists of events that such frames stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.events.recording import EVENT, Array, Recording
from shiftlif.data.features import blocks
from shiftlif.errors import DataError

BY = ("time", "count")
LARGEST = 127  # a count is a signed byte


@dataclass(frozen=True)
class Binning:
    """How a recording becomes frames ``[frames, polarities, rows, columns]``.

    Attributes:
        frames: T.
        by: ``time``: frame k holds the events from ``t0 + k D`` to just before ``t0 + (k + 1) D``, t0 the first event's
            time; ``count``: of N events number i is in frame ``i frames // N``, so that frames differ by one event.
        window_us: D in microseconds, for ``time``; events from ``t0 + frames D`` on are left out. 0: as
            long as it takes, that is ``(t_last - t0 + 1) / frames``: the last event is in the last frame.
        block: as many rows and columns of pixels become one; rows and columns that fill no block are left out. A sensor
            of one row, as the units of a cochlea are, keeps it.
        limit: the largest count; more events of one place in one frame count as so many. 1: binary frames.
        height, width: of the sensor, in pixels; 0: as the recording says, or as few as hold all its events.
        polarities: channels: 2, or 1, which counts events of both polarities.

    Raises:
        DataError: when a value is out of its range.
    """

    frames: int = 4
    by: str = "time"
    window_us: int = 0
    block: int = 1
    limit: int = LARGEST
    height: int = 0
    width: int = 0
    polarities: int = 2

    def __post_init__(self) -> None:
        ranges = {"frames": (1, 4096), "window_us": (0, 2**40), "block": (1, 2**16), "limit": (1, LARGEST)}
        ranges |= {"height": (0, 2**16), "width": (0, 2**16), "polarities": (1, 2)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise DataError(f"events: {name} is {value!r}, expected a whole number from {low} to {high}")
        if self.by not in BY:
            raise DataError(f"events: by is {self.by!r}, expected one of {', '.join(BY)}")
        if self.window_us and self.by != "time":
            raise DataError(f"events: window_us={self.window_us} belongs to by='time', not to {self.by!r}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Binning:
        """Of plain values, as a configuration holds them.

        Raises:
            DataError: when a name is unknown or a value out of its range.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise DataError(f"events: there is no setting {name!r}; known: {', '.join(known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The plain values."""
        return asdict(self)

    def shape(self, recording: Recording) -> tuple[int, int, int, int]:
        """Of the frames of a recording.

        Raises:
            DataError: when the sensor is smaller than a block.
        """
        height, width = self.height or recording.reach[0], self.width or recording.reach[1]
        rows, columns = blocks(height, self.block), width // self.block
        if rows < 1 or columns < 1:
            raise DataError(
                f"{recording.where}: {height} x {width} pixels, expected at least one block of {self.block}; use a "
                f"smaller block"
            )
        return self.frames, self.polarities, rows, columns


def frame_numbers(recording: Recording, binning: Binning) -> npt.NDArray[np.int64]:
    """The frame of every event, int64 ``[N]``, ascending; ``binning.frames`` for those that are left out."""
    if binning.by == "count":
        return np.arange(len(recording), dtype=np.int64) * binning.frames // len(recording)
    since: npt.NDArray[np.int64] = recording.events["t"] - recording.events["t"][0]
    if binning.window_us:
        return np.asarray(np.minimum(since // binning.window_us, binning.frames))
    return np.asarray(since * binning.frames // (int(since[-1]) + 1))


def event_lists(recording: Recording, binning: Binning) -> list[Array]:
    """The events of every frame, `EVENT` arrays with ``x`` and ``y`` in blocks and ``p`` the channel; there may be more
    of a place than ``binning.limit``.

    Raises:
        DataError: when an event lies outside the sensor; the message names the first.
    """
    *_, rows, columns = binning.shape(recording)
    events = recording.events
    for name, size in (("y", binning.height), ("x", binning.width)):
        if size and int(events[name].max()) >= size:
            first = int(np.argmax(events[name] >= size))
            raise DataError(
                f"{recording.where}: event {first} (counted from 0) is at row {events['y'][first]}, column "
                f"{events['x'][first]}, expected below {binning.height or 'any'} and "
                f"{binning.width or 'any'}; it is of another sensor"
            )
    numbers = frame_numbers(recording, binning)
    if binning.polarities == 1 or binning.block > 1:
        events = events.copy()
    if binning.polarities == 1:
        events["p"] = 0
    if binning.block > 1:
        events["x"] //= binning.block
        events["y"] //= binning.block
        kept = (events["y"] < rows) & (events["x"] < columns)
        events, numbers = events[kept], numbers[kept]
    ends = np.searchsorted(numbers, np.arange(1, binning.frames + 1))
    return [events[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def count_events(events: Array, shape: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """How many events of a list are at each place: int64 ``[channels, rows, columns]``, 1 of two the brighter."""
    cells = np.ravel_multi_index((events["p"], events["y"], events["x"]), shape)
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)


def event_frames(recording: Recording, binning: Binning) -> npt.NDArray[np.int8]:
    """Counts ``[frames, polarities, rows, columns]``, at most ``binning.limit``; of two channels the second counts
    events that are brighter.

    Raises:
        DataError: as `event_lists`.
    """
    shape = binning.shape(recording)
    frames = np.empty(shape, np.int8)
    for frame, events in zip(frames, event_lists(recording, binning), strict=True):
        frame[...] = np.minimum(count_events(events, shape[1:]), binning.limit)
    return frames


def events_of(frames: npt.NDArray[np.int8]) -> list[Array]:
    """The shortest lists that frames ``[T, C, rows, columns]`` count; every time is the frame's number.

    Raises:
        DataError: when a count is negative, or there are more than 256 channels.
    """
    if frames.ndim != 4 or frames.min(initial=0) < 0 or frames.shape[1] > 256:
        raise DataError(
            f"frames have shape {frames.shape} and values from {frames.min(initial=0)}, expected counts [T, C, H, W]"
        )
    lists = []
    for number, frame in enumerate(frames):
        p, y, x = np.nonzero(frame)
        events = np.empty(len(p), EVENT)
        events["t"], events["x"], events["y"], events["p"] = number, x, y, p
        lists.append(np.repeat(events, frame[p, y, x]))
    return lists
