"""Files of events, written as each format's description says and without the readers' code.

Every writer takes rows ``(t, x, y, p)`` and gives the bytes of a file.
"""

import struct
from io import BytesIO
from itertools import groupby

import numpy as np

AEDAT2_HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# Timestamps tick is 1 us\r\n"
AEDAT31_HEADER = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2016-04-13 14:01:40 (TZ+0200)\r\n"
    b"#!END-HEADER\r\n"
)


def aedat2_dvs128(rows):
    words = b""
    for t, x, y, p in rows:
        address = (127 - y) << 8 | (127 - x) << 1 | (0 if p else 1)
        words += struct.pack(">II", address, t & 0xFFFFFFFF)
    return AEDAT2_HEADER + words


def aedat2_davis(rows, width=240, height=180):
    words = b""
    for t, x, y, p in rows:
        address = (height - 1 - y) << 22 | (width - 1 - x) << 12 | p << 11
        words += struct.pack(">II", address, t & 0xFFFFFFFF)
    return AEDAT2_HEADER + b"# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n" + words


def aedat31_packet(kind, events, size, overflow=0, capacity=None):
    count = len(events) // size
    capacity = count if capacity is None else capacity
    return struct.pack("<hhiiiiii", kind, 1, size, 4, overflow, capacity, count, count) + events


def aedat31(rows, per_packet=3):
    content = AEDAT31_HEADER + aedat31_packet(0, struct.pack("<ii", 1, 0), 8)  # a special event comes first
    parts = [list(turn) for _, turn in groupby(rows, lambda row: row[0] >> 31)]  # a packet has one overflow
    for part in (turn[at : at + per_packet] for turn in parts for at in range(0, len(turn), per_packet)):
        events = b"".join(
            struct.pack("<II", x << 17 | y << 2 | p << 1 | 1, t & 0x7FFFFFFF) for t, x, y, p in part
        )
        content += aedat31_packet(1, events, 8, part[0][0] >> 31)
    return content


def nmnist_bin(rows):
    """Times of any length, by events in row 240, each 8192 microseconds."""
    content, turns = b"", 0
    for t, x, y, p in rows:
        while t - 8192 * turns >= 1 << 13:
            content += bytes([0, 240, 0, 0, 0])
            turns += 1
        left = t - 8192 * turns
        content += bytes([x, y, p << 7 | left >> 16, left >> 8 & 255, left & 255])
    return content


def prophesee_dat(rows, height=720, width=1280):
    header = (
        f"% Data file containing CD events.\n% Version 2\n% Date 2020-01-01 00:00:00\n% Height {height}\n"
        f"% Width {width}\n"
    )
    words = b"".join(struct.pack("<II", t, p << 28 | y << 14 | x) for t, x, y, p in rows)
    return header.encode() + bytes([0x0C, 8]) + words


def evt2(rows, header=b"% date 2020-09-14 14:18:29\n% evt 2.0\n% geometry 640x480\n% end\n"):
    words, high = [], None
    for t, x, y, p in rows:
        if high != t >> 6:
            high = t >> 6
            words.append(0x8 << 28 | high & 0xFFFFFFF)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
        words.append(0xA << 28)  # a trigger, which is no event of a pixel
    return header + struct.pack(f"<{len(words)}I", *words)


def evt3(rows, header=b"% format EVT3;height=720;width=1280\n% geometry 1280x720\n% end\n"):
    """Neighbours of one row, time and polarity go into vectors, the others alone."""
    words, high, low, row, i = [], None, None, None, 0
    while i < len(rows):
        t, x, y, p = rows[i]
        if high != t >> 12:
            high, low = t >> 12, 0  # a new high part clears the low one
            words.append(0x8 << 12 | high & 0xFFF)
        if low != t & 0xFFF:
            low = t & 0xFFF
            words.append(0x6 << 12 | low)
        if row != y:
            row = y
            words.append(y)
        mask, end = 0, i
        while (
            end < len(rows) and rows[end][0] == t and rows[end][2:] == (y, p) and 0 <= rows[end][1] - x < 20
        ):
            if mask >> (rows[end][1] - x):
                break
            mask |= 1 << (rows[end][1] - x)
            end += 1
        if end - i > 1:
            words += [0x3 << 12 | p << 11 | x, 0x4 << 12 | mask & 0xFFF, 0x5 << 12 | mask >> 12]
            i = end
        else:
            words.append(0x2 << 12 | p << 11 | x)
            i += 1
    return header + struct.pack(f"<{len(words)}H", *words)


def _flatbuffer(name, fields):
    """A size-prefixed buffer: its root table's fields are (kind, value) or None; vectors lie behind the table."""
    vtable_size, sizes = 4 + 2 * len(fields), {"i": 4, "q": 8, "vector": 4}
    root = 12 + vtable_size + (-(12 + vtable_size)) % 4  # from the start of the file's buffer
    offsets, end = [], 4
    for field in fields:
        offsets.append(end if field else 0)
        end += sizes[field[0]] if field else 0
    table, behind = struct.pack("<i", root - 12), b""
    for field, offset in zip(fields, offsets, strict=True):
        if field and field[0] == "vector":
            count, data = field[1]
            at = end + len(behind)
            table += struct.pack("<I", at - offset)
            behind += struct.pack("<I", count) + data
        elif field:
            table += struct.pack("<" + field[0], field[1])
    vtable = struct.pack(f"<HH{len(fields)}H", vtable_size, end, *offsets)
    buffer = struct.pack("<I", root - 4) + name + vtable
    buffer += bytes(root - 4 - len(buffer)) + table + behind
    return struct.pack("<I", len(buffer)) + buffer


XML = """<dv version="2.0"><node name="outInfo"><node name="0"><attr key="typeIdentifier" type="string">EVTS</attr>
<node name="info"><attr key="sizeX" type="int">346</attr><attr key="sizeY" type="int">260</attr></node></node>
</node></dv>"""


def aedat4(rows, compression=0, compress=bytes, per_packet=4, other=True):
    info = ("vector", (len(XML), XML.encode() + b"\0"))
    content = b"#!AER-DAT4.0\r\n" + _flatbuffer(b"IOHE", [("i", compression), ("q", -1), info])
    if other:  # a packet of another stream comes first
        packet = compress(_flatbuffer(b"TRIG", [("vector", (0, b""))]))
        content += struct.pack("<ii", 3, len(packet)) + packet
    for start in range(0, len(rows), per_packet):
        part = rows[start : start + per_packet]
        data = b"".join(struct.pack("<qhh?xxx", t, x, y, p) for t, x, y, p in part)
        packet = compress(_flatbuffer(b"EVTS", [("vector", (len(part), data))]))
        content += struct.pack("<ii", 0, len(packet)) + packet
    return content


def numpy_events(rows, names=("t", "x", "y", "p")):
    stream = BytesIO()
    array = np.array(rows, list(zip(names, ("<i8", "<i2", "<i2", "i1"), strict=True)))
    np.save(stream, array)
    return stream.getvalue()
