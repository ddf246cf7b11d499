"""AEDAT 4 (DV): a FlatBuffer that describes the file, then packets, each a FlatBuffer, compressed or not.

Source: iniVation's description of AEDAT 4.0 and its schemas: IOHeader (compression, dataTablePosition, infoNode), a
packet's header (stream, size: int32), EventPacket (elements of 16 bytes: time int64, column and row int16, polarity).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from shiftlif.data.events.flatbuffer import DamagedBuffer, Table
from shiftlif.data.events.recording import Array, Recording, content_of, recording
from shiftlif.errors import DataError

MAGIC = b"#!AER-DAT4.0"
LINE = MAGIC + b"\r\n"
COMPRESSION, TABLE_POSITION, INFO = range(3)  # fields of IOHeader
LARGEST_PACKET = 2**28  # bytes after decompression: 16 million events
EVENT = np.dtype(
    {
        "names": ["t", "x", "y", "p"],
        "formats": ["<i8", "<i2", "<i2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)


def read_aedat4(path: Path) -> Recording:
    """The polarity events of the first stream that has any.

    Raises:
        DataError: when the file has another form, is damaged or truncated (the message gives the packet's offset), or
            holds no event; or a library (``pip install 'shiftlif[events]'``) is missing.
    """
    content = content_of(path)
    if not content.startswith(LINE):
        raise DataError(f"{path}: begins with {content[: len(LINE)]!r}, expected {LINE!r}; copy it again")
    at = len(LINE)
    try:
        header = Table(content[at : at + 4 + int.from_bytes(content[at : at + 4], "little")], b"IOHE")
        compression = header.number(COMPRESSION, "<i", 0)
        end = header.number(TABLE_POSITION, "<q", -1)
        info = header.vector(INFO, 1)
    except DamagedBuffer as error:
        raise DataError(f"{path}: the header at offset {at} is damaged: {error}; copy it again") from error
    if compression not in DECOMPRESS:
        raise DataError(
            f"{path}: has compression {compression}, expected 0 to {max(DECOMPRESS)}; copy it again"
        )
    at += 4 + int.from_bytes(content[at : at + 4], "little")
    end = len(content) if end < 0 else end
    if not at <= end <= len(content):
        raise DataError(
            f"{path}: packets end at {end}, expected {at} to {len(content)}; it is truncated, copy it again"
        )
    pieces: list[Array] = []
    chosen: int | None = None
    while at < end:
        stream, data = _packet(path, content, at, end)
        at += 8 + len(data)
        elements = _events(path, at - len(data), DECOMPRESS[compression], data)
        if elements is not None and chosen in (None, stream):
            chosen = stream
            pieces.append(elements)
    if chosen is None:
        raise DataError(f"{path}: holds no packet of events; record again, or leave the file out")
    events = np.concatenate(pieces)
    size = _size(path, info, chosen)
    return recording(str(path), events["t"], events["x"], events["y"], events["p"], size)


def _packet(path: Path, content: bytes, at: int, end: int) -> tuple[int, bytes]:
    if end - at < 8:
        raise DataError(
            f"{path}: {end - at} bytes at offset {at}, expected the 8 of a packet's header; copy it again"
        )
    stream, size = struct.unpack_from("<ii", content, at)
    if not 0 <= size <= end - at - 8:
        raise DataError(
            f"{path}: the packet at offset {at} has {size} bytes, but {end - at - 8} follow; it is truncated, "
            "copy it again"
        )
    return stream, content[at + 8 : at + 8 + size]


def _events(path: Path, at: int, decompress: Callable[[bytes], bytes], data: bytes) -> Array | None:
    """The events of a packet's content; None where it holds something else."""
    try:
        plain = decompress(data)
        if plain[8:12] != b"EVTS":
            return None
        return np.frombuffer(Table(plain, b"EVTS").vector(0, EVENT.itemsize), EVENT)
    except ImportError as error:
        raise DataError(
            f"{path}: is compressed and needs {error.name}, which is not installed: pip install 'shiftlif[events]'"
        ) from error
    except Exception as error:  # each decompressor has its own
        raise DataError(f"{path}: the packet at offset {at} is damaged: {error}; copy it again") from error


def _lz4(data: bytes) -> bytes:
    from lz4.frame import LZ4FrameDecompressor

    return _whole(LZ4FrameDecompressor().decompress(data, LARGEST_PACKET + 1))


def _zstandard(data: bytes) -> bytes:
    from zstandard import ZstdDecompressor

    return _whole(ZstdDecompressor().stream_reader(data).read(LARGEST_PACKET + 1))


def _whole(data: bytes) -> bytes:
    if len(data) > LARGEST_PACKET:
        raise DamagedBuffer(f"it has more than {LARGEST_PACKET} bytes")
    return data


DECOMPRESS: dict[int, Callable[[bytes], bytes]] = {0: bytes, 1: _lz4, 2: _lz4, 3: _zstandard, 4: _zstandard}


def _size(path: Path, info: bytes, stream: int) -> tuple[int, int] | None:
    """Rows and columns of a stream's sensor, from the XML that describes the streams."""
    try:
        root = ElementTree.fromstring(info.decode())
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: the description of the streams is damaged ({error}); copy it again"
        ) from error
    node = root.find(f".//node[@name='{stream}']/node[@name='info']")
    attributes = (
        {} if node is None else {child.get("key"): child.text or "" for child in node.findall("attr")}
    )
    pair = attributes.get("sizeY", ""), attributes.get("sizeX", "")
    if not all(text.isdecimal() and 0 < int(text[:6]) < 2**16 for text in pair):
        return None
    return int(pair[0]), int(pair[1])
