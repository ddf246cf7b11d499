"""AER-DAT 2.0 (jAER): ``#`` lines, then big-endian pairs of a 32-bit address and a 32-bit time in microseconds.

Source: iniVation's description of AEDAT 2.0 and the event extractors of jAER (DVS128, DavisBaseCamera). Their rows
count from below; here they are turned, so that pictures stand upright.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from shiftlif.data.events.recording import Recording, body, content_of, header_lines, recording
from shiftlif.errors import DataError

MAGIC = b"#!AER-DAT2.0"
DVS128_SPECIAL = 0x8000  # an address with this bit is a synchronisation mark
DAVIS_SPECIAL = 0x8000_0400  # a frame or motion sample, or an external input
DAVIS_SIZES = {"128": (128, 128), "208": (192, 208), "240": (180, 240), "346": (260, 346), "640": (480, 640)}
WRAP = 2**32


def read_aedat2(path: Path) -> Recording:
    """Of a DVS128, or of the DAVIS that the header line ``AEChip`` names; frames and motion samples are left out.

    DVS128: bit 0 darker, 1 to 7 column, 8 to 14 row, both from the other end. DAVIS: bit 11 brighter, 12 to 21
    column from the other end, 22 to 30 row from below. Times are signed 32-bit numbers that wrap.

    Raises:
        DataError: when the file has another form, is truncated or holds no event.
    """
    content = content_of(path)
    if not content.startswith(MAGIC):
        raise DataError(f"{path}: begins with {content[:12]!r}, expected {MAGIC.decode()!r}; copy it again")
    lines, start = header_lines(content, b"#")
    pairs = body(path, content, start, ">u4", 2).astype(np.int64).reshape(-1, 2)
    chip = next((line.split(":", 1)[1] for line in lines if line.strip().startswith("AEChip:")), "DVS128")
    davis = re.search(r"davis(\d+)", chip.rsplit(".", 1)[-1], re.IGNORECASE)
    if davis is None and "DVS128" not in chip:
        raise DataError(
            f"{path}: is of the chip {chip.strip()!r}, expected a DVS128 or a DAVIS; convert it to AEDAT 4"
        )
    if davis is not None and davis[1] not in DAVIS_SIZES:
        raise DataError(
            f"{path}: is of a DAVIS{davis[1]}, expected one of {', '.join(DAVIS_SIZES)}; convert it to AEDAT 4"
        )
    pairs = pairs[(pairs[:, 0] & (DVS128_SPECIAL if davis is None else DAVIS_SPECIAL)) == 0]
    address = pairs[:, 0]
    steps = np.diff(pairs[:, 1], prepend=pairs[:1, 1])
    times = pairs[:, 1] + WRAP * np.cumsum(steps < -WRAP // 2)
    if davis is None:
        x, y, p = 127 - (address >> 1 & 0x7F), 127 - (address >> 8 & 0x7F), 1 - (address & 1)
        return recording(str(path), times, x, y, p, (128, 128))
    height, width = DAVIS_SIZES[davis[1]]
    x, y = width - 1 - (address >> 12 & 0x3FF), height - 1 - (address >> 22 & 0x1FF)
    return recording(str(path), times, x, y, address >> 11 & 1, (height, width))
