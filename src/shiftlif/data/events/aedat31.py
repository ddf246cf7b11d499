"""AEDAT 3.1 (cAER): ``#`` lines up to ``#!END-HEADER``, then packets of events of one type, all little-endian.

A packet has a header of 28 bytes (type, source: int16; event size, offset of the time, overflow of the time, capacity,
number of events, valid ones: int32) and ``capacity`` events. A polarity event (type 1) is 8 bytes: bit 0 valid, 1
brighter, 2 to 16 row, 17 to 31 column; then 31 bits of microseconds, above which the packet's overflow counts.
Source: iniVation's description of AEDAT 3.1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftlif.data.events.recording import Array, Recording, content_of, header_lines, recording
from shiftlif.errors import DataError

MAGIC = b"#!AER-DAT3.1"
END = b"!END-HEADER"
PACKET = np.dtype(
    [
        ("type", "<i2"),
        ("source", "<i2"),
        ("size", "<i4"),
        ("time_offset", "<i4"),
        ("overflow", "<i4"),
        ("capacity", "<i4"),
        ("number", "<i4"),
        ("valid", "<i4"),
    ]
)
POLARITY, POLARITY_BYTES = 1, 8


def read_aedat31(path: Path) -> Recording:
    """The valid polarity events of every packet; other packets are passed over.

    Raises:
        DataError: when the file has another form, a packet contradicts itself or the file ends within one (the message
            gives its offset), or there is no event.
    """
    content = content_of(path)
    if not content.startswith(MAGIC):
        raise DataError(f"{path}: begins with {content[:12]!r}, expected {MAGIC.decode()!r}; copy it again")
    lines, at = header_lines(content, b"#", END)
    form = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("Format:")), "RAW")
    if form != "RAW":
        raise DataError(f"{path}: has the format {form!r}, expected 'RAW'; convert it to AEDAT 4")
    words: list[Array] = []
    overflows: list[Array] = []
    while at < len(content):
        packet = _packet(path, content, at)
        at += PACKET.itemsize
        if packet["type"] == POLARITY:
            pairs = np.frombuffer(content, "<u4", 2 * int(packet["number"]), at).reshape(-1, 2)
            pairs = pairs[pairs[:, 0] & 1 == 1]
            words.append(pairs)
            overflows.append(np.full(len(pairs), packet["overflow"], np.int64))
        at += int(packet["capacity"]) * int(packet["size"])
    if not words:
        raise DataError(f"{path}: holds no packet of polarity events; record again, or leave the file out")
    pairs, overflow = np.concatenate(words).astype(np.int64), np.concatenate(overflows)
    data = pairs[:, 0]
    times = (overflow << 31) + (pairs[:, 1] & 0x7FFF_FFFF)
    return recording(str(path), times, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1)


def _packet(path: Path, content: bytes, at: int) -> Array:
    left = len(content) - at
    if left < PACKET.itemsize:
        raise DataError(
            f"{path}: {left} bytes at offset {at}, expected the {PACKET.itemsize} of a packet's header; it is "
            f"truncated, copy it again"
        )
    packet: Array = np.frombuffer(content, PACKET, 1, at)[0]
    size, capacity, number = int(packet["size"]), int(packet["capacity"]), int(packet["number"])
    wrong_size = packet["type"] == POLARITY and size != POLARITY_BYTES
    if size < 1 or not 0 <= number <= capacity or packet["overflow"] < 0 or wrong_size:
        raise DataError(
            f"{path}: the packet at offset {at} has type {packet['type']}, event size {size}, overflow "
            f"{packet['overflow']}, {number} events of {capacity}; the file is damaged, copy it again"
        )
    if capacity * size > left - PACKET.itemsize:
        raise DataError(
            f"{path}: the packet at offset {at} has {capacity * size} bytes, but {left - PACKET.itemsize} follow; it "
            f"is truncated, copy it again"
        )
    return packet
