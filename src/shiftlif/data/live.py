"""Live streams as rows: bytes of text or PCM as they arrive, files in real time, and a reader that runs ahead.

Every function and class here takes pieces of any size: where a read ends, in the middle of a line, of a number or of
a sample, makes no difference.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.csv_table import is_header, parse_row
from shiftlif.errors import DataError

Rows = npt.NDArray[Any]
GIVE_UP = 20  # malformed lines at the beginning, without one that is well-formed
LONGEST_LINE = 1 << 20  # bytes
FLOAT32_END = 2.0**128 - 2.0**103  # from here on a number is rounded to infinity
AHEAD = 1024  # pieces that a reader keeps for a consumer that is slow


class Lines:
    """Text to rows: one time step per line, comma-separated numbers, as they come from a pipe or a serial device.

    The first line may be a header of names. Blank lines are skipped. A line that is malformed (another number of
    cells, no number, NaN, infinite, no UTF-8, longer than `LONGEST_LINE`) is counted, reported and left out; the time
    step it stood for is missing from the stream.

    Args:
        where: name of the stream, for messages.
        columns: numbers in a line.
        report: called with a message for every malformed line.

    Attributes:
        malformed: so many lines so far.
        lines: so many lines so far, blank ones not counted.
    """

    def __init__(self, where: str, columns: int, report: Callable[[str], None]) -> None:
        self._where, self._columns, self._report = where, columns, report
        self._rest = b""
        self._skipping = False
        self._number = 0
        self._good = 0
        self.malformed = self.lines = 0

    def feed(self, data: bytes) -> npt.NDArray[np.float32]:
        """The rows ``[n, columns]`` that more bytes complete.

        Raises:
            DataError: when the first `GIVE_UP` lines are all malformed; the message says what is wrong with the last.
        """
        *complete, self._rest = (self._rest + data).split(b"\n")
        rows = [row for line in complete if (row := self._row(line)) is not None]
        if len(self._rest) > LONGEST_LINE:  # its end, when it comes, belongs to the same line
            self._rest, self._skipping = b"", True
        return np.array(rows, np.float32).reshape(-1, self._columns)

    def end(self) -> npt.NDArray[np.float32]:
        """The row of a last line without an end, if there is one."""
        return self.feed(b"\n")

    def _row(self, line: bytes) -> list[float] | None:
        self._number += 1
        where = f"{self._where}, line {self._number}"
        if self._skipping or len(line) > LONGEST_LINE:
            self._skipping = False
            self._fault(f"{where}: longer than {LONGEST_LINE} bytes, expected {self._columns} numbers")
            return None
        text = line.decode("utf-8", errors="replace")
        if self._number == 1:
            text = text.removeprefix("\ufeff")
        if not text.strip():
            return None
        if self.lines == 0 and text.count(",") + 1 == self._columns and is_header(text):
            self.lines = 1
            return None
        try:
            row = parse_row(where, text, self._columns, "(columns of a time step)")
        except DataError as error:
            self._fault(str(error))
            return None
        for column, value in enumerate(row, 1):
            if not abs(value) < FLOAT32_END:  # NaN too
                self._fault(f"{where}, column {column}: {value} is not a finite float32")
                return None
        self.lines += 1
        self._good += 1
        return row

    def _fault(self, message: str) -> None:
        self.lines += 1
        self.malformed += 1
        if not self._good and self.malformed >= GIVE_UP:
            raise DataError(
                f"{message}; none of the first {self.malformed} lines was a time step, so this stopped"
            )
        self._report(message)


class Pcm:
    """Bytes of raw PCM, little-endian int16, channels interleaved, to rows ``[n, channels]``."""

    def __init__(self, channels: int) -> None:
        self._channels, self._rest = channels, b""

    def feed(self, data: bytes) -> npt.NDArray[np.int16]:
        """The rows that more bytes complete."""
        data = self._rest + data
        whole = len(data) - len(data) % (2 * self._channels)
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.int16).reshape(-1, self._channels)

    def end(self) -> npt.NDArray[np.int16]:
        """No rows: what is left is part of one."""
        return self.feed(b"")


def decoded(pieces: Iterable[bytes], decoder: Lines | Pcm) -> Iterator[Rows]:
    """Rows of pieces of bytes, the last line included."""
    for piece in pieces:
        yield decoder.feed(piece)
    yield decoder.end()


def in_pieces(chunks: Iterable[Rows], length: int) -> Iterator[Rows]:
    """The same rows, at most ``length`` at once, in pieces that are not empty."""
    for rows in chunks:
        for at in range(0, len(rows), length):
            yield rows[at : at + length]


def paced(
    pieces: Iterable[Rows],
    rate: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Rows]:
    """The same pieces, each when its last row would have been recorded.

    The schedule counts from the first piece asked for; it does not drift, and a consumer that was slow gets what is
    overdue at once.

    Args:
        pieces: rows ``[n, columns]``.
        rate: rows per second.
        clock: in seconds.
        sleep: for so many seconds.
    """
    start, done = clock(), 0
    for rows in pieces:
        done += len(rows)
        if (wait := start + done / rate - clock()) > 0:
            sleep(wait)
        yield rows


class ReadAhead:
    """Iterates over pieces that a thread of its own reads, so that a device is read while its rows are computed.

    At most `AHEAD` pieces wait; then the thread waits too, and a pipe holds its writer up. Nothing is lost but what a
    device drops that is not read for so long. An error of the source is raised where its piece would have come.

    Args:
        pieces: rows ``[n, columns]``.

    Attributes:
        read: how many rows were read so far, taken or not.
    """

    def __init__(self, pieces: Iterable[Rows]) -> None:
        self._pieces = pieces
        self._queue: queue.Queue[Rows | BaseException | None] = queue.Queue(AHEAD)
        self.read = 0

    def __iter__(self) -> Iterator[Rows]:
        threading.Thread(target=self._fill, daemon=True).start()
        while True:
            try:
                item = self._queue.get(timeout=0.5)  # with a limit, so that Ctrl-C is heard on every system
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _fill(self) -> None:
        try:
            for rows in self._pieces:
                self.read += len(rows)
                self._queue.put(rows)
        except BaseException as error:  # to be raised by who iterates
            self._queue.put(error)
        else:
            self._queue.put(None)
