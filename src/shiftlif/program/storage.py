"""Reading whole files; writing one so that a reader sees the old or the whole new one, never a part."""

from __future__ import annotations

import os
import stat
import tempfile
from os import PathLike
from pathlib import Path

from shiftlif.errors import ModelFileError

PREPARED = ".prepared.safetensors"
"""Ends the name of the file beside a program that holds its prepared network's weights."""
PROGRAM = "program.safetensors"  # what a run folder calls its model file


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """Writes beside ``path``, flushes to the disk and renames.

    Raises:
        ModelFileError: when the disk is full, the folder missing or read-only; ``path`` is then untouched
            and nothing is left beside it.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        handle, text = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        temporary = Path(text)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes it private; a model file has ordinary permissions
        os.replace(temporary, target)
    except OSError as error:
        raise ModelFileError(
            f"{target}: cannot be written ({error.strerror or error}); an existing file is unchanged; "
            "check the folder, its permissions and the free space"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def read_file(path: str | PathLike[str]) -> bytes:
    """The whole file.

    Raises:
        ModelFileError: when it cannot be read, or is a folder or a device.
    """
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
            return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: the path itself holds a zero
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{path}: cannot be read ({reason}); check the path") from error
    if stat.S_ISDIR(mode):
        inside = Path(path) / PROGRAM
        hint = f"use {inside}" if inside.is_file() else "give the file in it"
        raise ModelFileError(f"{path}: is a folder, expected a file; {hint}")
    raise ModelFileError(f"{path}: is a device, expected a file; check the path")  # which may never end
