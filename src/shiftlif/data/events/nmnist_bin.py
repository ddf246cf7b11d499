"""The binary form of N-MNIST and N-Caltech101: 40 bits per event.

Source: Orchard et al., Frontiers in Neuroscience 9:437, 2015, and its ``Read_Ndataset.m``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftlif.data.events.recording import Recording, body, content_of, recording

OVERFLOW_ROW, OVERFLOW_US = 240, 1 << 13


def read_nmnist_bin(path: Path) -> Recording:
    """Column (8 bits), row (8), polarity (1), microseconds (23), the highest bits first.

    An event in row 240 is no pixel: all later times are 8192 microseconds more.

    Raises:
        DataError: when the file has another size or holds no event.
    """
    rows = body(path, content_of(path), 0, "u1", 5).reshape(-1, 5)
    overflow = rows[:, 1] == OVERFLOW_ROW
    later = OVERFLOW_US * np.cumsum(overflow)
    rows = rows[~overflow]
    wide = rows[:, 2:].astype(np.int64)
    time = ((wide[:, 0] & 0x7F) << 16) + (wide[:, 1] << 8) + wide[:, 2] + later[~overflow]
    return recording(str(path), time, rows[:, 0], rows[:, 1], rows[:, 2] >> 7)
