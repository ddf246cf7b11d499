"""The records of a bench: one JSON object a line, appended whole or not at all."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError, ModelFileError
from shiftlif.program.storage import read_file, write_atomically

Record = dict[str, Any]


def read_records(path: str | Path) -> dict[str, Record]:
    """The records of a file by key, in its order; a missing file holds none.

    A last line without its end was being written when the machine stopped, and is left out. Of two records
    with one key the later one holds.

    Raises:
        DataError: a line is not a record.
        ModelFileError: the file cannot be read.
    """
    path = Path(path)
    if not path.exists():
        return {}
    *lines, _ = read_file(path).split(b"\n")
    records: dict[str, Record] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            records[record["key"]] = record
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path}, line {number}: is not a record of a bench; restore the file, or delete that line"
            ) from None
    return records


def append_record(path: str | Path, record: Record) -> None:
    """Add one line, on the disk when this returns; several processes may append to one file.

    Raises:
        OSError: the disk is full or the file cannot be written; what was there is unchanged.
    """
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    with _locked(Path(path)) as handle:
        whole = _whole_lines(handle)
        try:
            written = os.pwrite(handle, line, whole)
            if written < len(line):
                raise OSError(28, "the disk is full", str(path))
            os.ftruncate(handle, whole + len(line))
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, whole)
            raise


def keep_records(path: str | Path, keys: Sequence[str]) -> int:
    """Drop every other record and every line that was replaced; how many lines went.

    Raises:
        DataError, ModelFileError: as `read_records`, or the file cannot be written.
    """
    path = Path(path)
    if not path.exists():
        return 0
    wanted = set(keys)
    try:
        with _locked(path):  # who appends meanwhile waits, and then opens the new file
            kept = [record for key, record in read_records(path).items() if key in wanted]
            dropped = read_file(path).count(b"\n") - len(kept)
            write_atomically(path, b"".join(json.dumps(record).encode() + b"\n" for record in kept))
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot be opened for writing ({error.strerror or error}); check the path and its permissions"
        ) from error
    return dropped


def packed(correct: npt.NDArray[np.bool_]) -> str:
    """Booleans ``[N]`` as the base64 text of their bits, the first in the highest bit."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def unpacked(text: str, samples: int) -> npt.NDArray[np.bool_]:
    """`packed` undone."""
    bits = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.unpackbits(bits, count=samples).astype(bool)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file that ``path`` names, open and locked; inside the block no other process appends to it or replaces it."""
    handle = _open_locked(path)
    while not _is_at(handle, path):  # it was replaced while the lock was waited for
        os.close(handle)
        handle = _open_locked(path)
    try:
        yield handle
    finally:
        os.close(handle)


def _open_locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # given back when the file is closed
    except BaseException:
        os.close(handle)
        raise
    return handle


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _whole_lines(handle: int) -> int:
    """Bytes up to the end of the last whole line; what follows was cut off."""
    end = os.fstat(handle).st_size
    while end > 0:
        start = max(0, end - 4096)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
