"""Keep computed features on disk, so a slow front end runs once per machine.

An entry is an uncompressed ``.npz`` named by the SHA-256 of everything that decides its content. The folder
is ``$SHIFTLIF_CACHE``, else the user's cache folder of the system. A cache never fails: an entry that cannot
be read is computed again, and one that cannot be written is only computed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
FORMAT = 1  # raise when the meaning of stored features changes
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def cache_folder() -> Path:
    """``$SHIFTLIF_CACHE``, else ``shiftlif`` in the user's cache folder of the system."""
    chosen = os.environ.get("SHIFTLIF_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "shiftlif"


def cached(name: str, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
    """What ``compute`` returns, from the cache when an entry for ``key`` is there.

    Args:
        name: first part of the file name, for people who look into the folder.
        key: JSON-able; everything that decides the result, such as the source's digest and the parameters.
        compute: makes the arrays; called at most once.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    path = cache_folder() / f"{name}-{sha256(text.encode()).hexdigest()[:32]}.npz"
    with contextlib.suppress(*UNREADABLE), np.load(path, allow_pickle=False) as entry:
        return {field: entry[field] for field in entry.files}
    arrays = compute()
    with contextlib.suppress(OSError):
        _write(path, arrays)
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    """Write beside the entry, then rename: a reader sees the whole entry or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
