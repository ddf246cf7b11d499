"""Windows of a live stream: rows in, in pieces of any size; windows out, at a hop."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program.checks import check_int

Rows = npt.NDArray[Any]


class Windows:
    """Keeps the last rows of a stream and cuts windows from them; the pieces they come in make no difference.

    Window i holds the rows ``i * hop`` to ``i * hop + length - 1``. A hop above the length leaves rows out.

    Args:
        length: rows (time steps) of a window.
        hop: rows from the beginning of a window to that of the next.
        columns: values of a row.
        dtype: of the rows.

    Raises:
        ProgramError: when a size is below 1.
    """

    def __init__(self, length: int, hop: int, columns: int, dtype: npt.DTypeLike = np.float32) -> None:
        for name, value in (("length", length), ("hop", hop), ("columns", columns)):
            check_int("windows", name, value, 1, 2**31 - 1)
        self.length, self.hop = length, hop
        # Twice as long as needed: what is kept moves to the front once per `length` rows, not with every push.
        self._memory: Rows = np.empty((2 * length, columns), dtype)
        self._first = self._filled = self._skip = self._seen = 0

    @property
    def seen(self) -> int:
        """Rows since the start."""
        return self._seen

    @property
    def kept(self) -> int:
        """Rows that wait for their window to be complete."""
        return self._filled

    def push(self, rows: Rows) -> list[tuple[int, Rows]]:
        """Takes rows ``[n, columns]``, n from 0.

        Returns:
            For every window completed: how many rows of the stream there are up to its end, and a copy ``[length,
            columns]``.

        Raises:
            ProgramError: on another number of columns or dtype.
        """
        memory = self._memory
        if rows.ndim != 2 or rows.shape[1] != memory.shape[1] or rows.dtype != memory.dtype:
            raise ProgramError(
                f"windows: rows are {rows.dtype} {rows.shape}, expected {memory.dtype} [n, {memory.shape[1]}]"
            )
        done, found = 0, []
        while done < len(rows):
            if self._skip:
                take = min(self._skip, len(rows) - done)
                self._skip -= take
            else:
                take = min(self.length - self._filled, len(rows) - done)
                self._append(rows[done : done + take])
            done += take
            self._seen += take
            if self._filled == self.length:
                found.append((self._seen, memory[self._first : self._first + self.length].copy()))
                self._advance()
        return found

    def _append(self, rows: Rows) -> None:
        end = self._first + self._filled + len(rows)
        if end > len(self._memory):
            self._memory[: self._filled] = self._memory[self._first : self._first + self._filled].copy()
            self._first, end = 0, self._filled + len(rows)
        self._memory[end - len(rows) : end] = rows
        self._filled += len(rows)

    def _advance(self) -> None:
        gone = min(self.hop, self.length)
        self._first += gone
        self._filled -= gone
        self._skip = self.hop - gone

    @property
    def state(self) -> dict[str, Any]:
        """A copy of what is kept; assign it to windows of the same sizes to go back to it."""
        kept = self._memory[self._first : self._first + self._filled].copy()
        return {"rows": kept, "skip": self._skip, "seen": self._seen}

    @state.setter
    def state(self, saved: dict[str, Any]) -> None:
        rows = saved["rows"]
        if rows.shape[1:] != self._memory.shape[1:] or not len(rows) < self.length:
            raise ProgramError(
                f"windows: the state holds rows {rows.shape}, expected fewer than {self.length} of "
                f"{self._memory.shape[1]}; pass the state of such windows"
            )
        self._first = self._filled = 0
        self._append(rows)
        self._skip, self._seen = saved["skip"], saved["seen"]
