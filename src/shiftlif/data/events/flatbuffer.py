"""As much of FlatBuffers as AEDAT 4 needs, with every offset checked: a damaged buffer is an error, never a crash.

Source: the FlatBuffers binary format (a buffer begins with the offset of its root table and a name of 4 bytes; a table
begins with the distance back to its vtable, which holds the offset of each field, 0 where it has its default).
"""

from __future__ import annotations

import struct


class DamagedBuffer(ValueError):
    """An offset or length that leads out of the buffer; the message says which."""


class Table:
    """The root table of a size-prefixed buffer."""

    def __init__(self, data: bytes, name: bytes) -> None:
        """The table of ``data``.

        Raises:
            DamagedBuffer: the buffer is shorter than its size says, has another name, or its table lies outside.
        """
        self._data = data
        size = self._number("<I", 0)
        if size + 4 > len(data):
            raise DamagedBuffer(f"its size is {size}, but {len(data) - 4} bytes follow")
        if data[8:12] != name:
            raise DamagedBuffer(f"its name is {data[8:12]!r}, expected {name!r}")
        self._at = 4 + self._number("<I", 4)
        self._vtable = self._at - self._number("<i", self._at)
        self._fields = self._number("<H", self._vtable) // 2 - 2

    def number(self, field: int, form: str, default: int) -> int:
        """A scalar by the number of its field, ``form`` as in `struct`."""
        at = self._field(field)
        return default if at is None else self._number(form, at)

    def vector(self, field: int, size: int) -> bytes:
        """The bytes of a vector whose elements have ``size`` bytes; empty where it is missing."""
        at = self._field(field)
        if at is None:
            return b""
        start = at + self._number("<I", at)
        length = self._number("<I", start) * size
        if start + 4 + length > len(self._data):
            raise DamagedBuffer(
                f"a vector of {length} bytes at offset {start} leads out of its {len(self._data)} bytes"
            )
        return self._data[start + 4 : start + 4 + length]

    def _field(self, field: int) -> int | None:
        offset = self._number("<H", self._vtable + 4 + 2 * field) if field < self._fields else 0
        return self._at + offset if offset else None

    def _number(self, form: str, at: int) -> int:
        if not 0 <= at <= len(self._data) - struct.calcsize(form):
            raise DamagedBuffer(f"offset {at} leads out of its {len(self._data)} bytes")
        number: int = struct.unpack_from(form, self._data, at)[0]
        return number
