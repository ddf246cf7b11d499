"""Prophesee ``.dat`` files of contrast detection events.

``%`` lines of keywords (among them Version, Width and Height), a byte each for type and size of an event, then
little-endian pairs: 32 bits of microseconds; column (14 bits), row (14), polarity (4). Source: Prophesee's
description of the DAT format, version 2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftlif.data.events.recording import Recording, body, content_of, header_lines, recording
from shiftlif.errors import DataError

TYPES = (0x00, 0x0C)
EVENT_BYTES = 8


def read_prophesee_dat(path: Path) -> Recording:
    """Every event.

    Raises:
        DataError: when the header has another form or version, events are of another type or size, the file is
            truncated, or holds no event.
    """
    content = content_of(path)
    lines, start = header_lines(content, b"%")
    words = dict(line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2)
    if not lines or words.get("Version") != "2":
        raise DataError(
            f"{path}: has a header of {len(lines)} lines with the version {words.get('Version')!r}, expected lines "
            f"that begin with % and among them '% Version 2'; convert it with Prophesee's tools"
        )
    kind = content[start : start + 2]
    if len(kind) < 2 or kind[0] not in TYPES or kind[1] != EVENT_BYTES:
        raise DataError(
            f"{path}: type and size of an event (offset {start}) are {list(kind)}, expected {TYPES[0]} or {TYPES[1]}, "
            f"and {EVENT_BYTES}; the file holds no contrast detection events, or is damaged"
        )
    pairs = body(path, content, start + 2, "<u4", 2).reshape(-1, 2)
    data = pairs[:, 1]
    x, y, p = data & 0x3FFF, data >> 14 & 0x3FFF, data >> 28
    return recording(str(path), pairs[:, 0].astype(np.int64), x, y, p, size_of(words, "Height", "Width"))


def size_of(words: dict[str, str], height: str, width: str) -> tuple[int, int] | None:
    """Rows and columns of a sensor from the keywords of a header; None where they are missing or no numbers."""
    pair = words.get(height, "").strip(), words.get(width, "").strip()
    if not all(text.isdecimal() and 0 < len(text) < 6 and int(text) > 0 for text in pair):
        return None
    return int(pair[0]), int(pair[1])
