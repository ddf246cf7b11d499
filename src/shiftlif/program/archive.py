"""Arrays in an .npz archive, read without trust: nothing is evaluated, nothing is unpickled, no size is believed.

``numpy.load`` evaluates the headers as Python literals and allocates what they ask for before it looks how much there
is. Here a header must have the form in which numpy writes it, and its shape must fit the bytes behind it.
"""

from __future__ import annotations

import io
import re
import struct
import sys
import zipfile
import zlib
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ModelFileError

MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '([|<>](?:[iu][1248]|f[248]|b1|U\d{1,4}))', "
    rb"'fortran_order': (False|True), 'shape': \(([0-9, ]{0,200})\), \} *\n"
)
EXTENTS = re.compile(r"(?:[1-9]\d{0,9}, )*(?:[1-9]\d{0,9},?)?")
EXPANSION = 1032  # of deflate at most: 258 bytes for two bits
# Everything that the standard library raises on damaged archives; a RuntimeError asks for a password.
DAMAGE = (
    *(ValueError, OSError, EOFError, KeyError, OverflowError, RuntimeError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)


def read_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of numbers or text that ``numpy.savez`` and ``savez_compressed`` wrote, by name.

    Memory stays within `EXPANSION` times the size of the content.

    Raises:
        ModelFileError: on anything else; the message says what, and not which file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > EXPANSION * len(content):
                raise ModelFileError("claims to hold more than its bytes can be expanded to")
            arrays: dict[str, npt.NDArray[Any]] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in arrays or name == member.filename:
                    raise ModelFileError(f"member {member.filename[:80]!r} is no .npy file or is there twice")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ModelFileError(
                        f"array {name[:80]!r} is compressed in a way that numpy does not use"
                    )
                arrays[name] = _array(name, archive.read(member))
            return arrays
    except ModelFileError:
        raise
    except DAMAGE as error:
        raise ModelFileError(f"is damaged ({str(error)[:200]})") from error


def _array(name: str, content: bytes) -> npt.NDArray[Any]:
    """One .npy file, which must be as long as its header says."""
    start = len(MAGIC) + 2
    data = start + int.from_bytes(content[len(MAGIC) : start], "little")
    header = HEADER.fullmatch(content, start, data)
    if not content.startswith(MAGIC) or len(content) < data or header is None:
        raise ModelFileError(f"array {name[:80]!r} is no array of numbers or text as numpy writes it")
    extents = header[3].decode()
    if not EXTENTS.fullmatch(extents):
        raise ModelFileError(f"array {name[:80]!r} has the shape ({extents}), expected positive extents")
    dtype, shape = np.dtype(header[1].decode()), tuple(int(n) for n in extents.split(",") if n.strip())
    if len(content) - data != prod(shape) * dtype.itemsize:
        raise ModelFileError(
            f"array {name[:80]!r} has {len(content) - data} bytes, expected {prod(shape) * dtype.itemsize} for "
            f"{dtype.name} {list(shape)}"
        )
    array = np.frombuffer(content, dtype, offset=data)
    if dtype.kind == "U" and int(array.view(f"{dtype.byteorder}u4").max()) > sys.maxunicode:
        raise ModelFileError(f"array {name[:80]!r} holds characters that do not exist")
    return array.reshape(shape, order="F" if header[2] == b"True" else "C").astype(dtype.newbyteorder("="))
