"""Download official files where licence and host allow it, and say what to do where they do not.

A file is downloaded beside its place, compared with its checksum and only then renamed; an archive is unpacked in a
folder of its own and then renamed. What is complete is not fetched again, so an interrupted fetch goes on by file.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from shiftlif.data.official.facts import OFFICIAL, Remote
from shiftlif.data.official.place import find_root, fullest
from shiftlif.errors import DataError

IGNORED = "__MACOSX"
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)


def data_folder(name: str) -> Path:
    """``$SHIFTLIF_DATA/<name>``.

    Raises:
        DataError: when the variable is not set.
    """
    folder = os.environ.get("SHIFTLIF_DATA")
    if not folder:
        raise DataError(
            f"data set {name}: SHIFTLIF_DATA is not set; set it to the folder that holds, or shall hold, {name}/"
        )
    return Path(folder).expanduser() / name


def how_to_get(name: str) -> str:
    """What to do to have the set's files, and how they have to lie: one paragraph."""
    facts = OFFICIAL[name]
    folder = f"$SHIFTLIF_DATA/{name}"
    automatic = f"run 'shiftlif datasets --fetch {name}', or " if facts.remotes else ""
    place = f"into {folder}; expected there: {facts.layout}"
    return f"{automatic}{facts.by_hand}, {place}. Source and licence: {facts.source}"


def fetch(name: str, progress: Any = None) -> list[Path]:
    """Download and unpack what is missing of a set, into ``$SHIFTLIF_DATA/<name>``.

    Where a part of it lies in a folder below that the set may lie in (``Official.below``), the rest goes there too.

    Args:
        name: of the table ``OFFICIAL``.
        progress: None, or an object with ``total``, ``update(n)``, ``reset()`` and ``close()``, in bytes (pooch calls
            it, file after file).

    Returns:
        What shows that an archive was unpacked, for each that was; empty when everything was there.

    Raises:
        DataError: when the set is unknown or has to be fetched by hand, pooch (``pip install 'shiftlif[download]'``) is
            not installed, the host cannot be reached, a checksum differs, or an archive cannot be unpacked.
    """
    lacking, folder, home = _lacking(name)
    done = []
    for remote in lacking:
        folder.mkdir(parents=True, exist_ok=True)
        archive = _download(name, remote, folder, progress)
        done.append(_unpack(archive, home, remote, OFFICIAL[name].below))
    return done


def missing(name: str) -> dict[str, Path]:
    """What `fetch` would download: the file that each address would become. Raises what it raises beforehand."""
    lacking, folder, _ = _lacking(name)
    return {remote.url: folder / remote.file for remote in lacking}


def _lacking(name: str) -> tuple[list[Remote], Path, Path]:
    """The archives that were not unpacked yet, the set's folder, and the one in it that holds its files."""
    if name not in OFFICIAL:
        raise DataError(
            f"data set {name!r} has no official files to fetch; these have: {', '.join(OFFICIAL)}"
        )
    facts = OFFICIAL[name]
    if not facts.remotes:
        raise DataError(f"data set {name}: cannot be fetched automatically; {how_to_get(name)}")
    folder = data_folder(name)
    home = fullest(folder, tuple(remote.gives for remote in facts.remotes), facts.below)
    return [remote for remote in facts.remotes if not (home / remote.gives).exists()], folder, home


def _download(name: str, remote: Remote, folder: Path, progress: Any) -> Path:
    try:
        import pooch
        from requests.exceptions import RequestException
    except ImportError as error:
        raise DataError(
            f"fetching {name} needs pooch, which is not installed: pip install 'shiftlif[download]'"
        ) from error
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=progress if progress is not None else False)
    try:
        path = pooch.retrieve(
            remote.url, known_hash=remote.checksum, fname=remote.file, path=folder, downloader=downloader
        )
    except RequestException as error:
        raise DataError(
            f"{remote.url}: cannot be downloaded ({error}); run the same command again, complete files are kept, or "
            f"{OFFICIAL[name].by_hand}"
        ) from error
    except ValueError as error:  # pooch's word for another checksum; it has removed what it got
        raise DataError(
            f"{remote.url}: what came is not the published file (expected {remote.checksum}); run the same command "
            f"again, or {OFFICIAL[name].by_hand}"
        ) from error
    return Path(path)


def _unpack(archive: Path, folder: Path, remote: Remote, below: tuple[str, ...]) -> Path:
    """Unpack into ``folder``; where what ``remote`` gives lies then."""
    try:
        work = Path(tempfile.mkdtemp(dir=folder, prefix=".unpack-"))
        try:
            return _unpack_beside(archive, work, folder, remote, below)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except _DAMAGED as error:
        raise DataError(
            f"{archive}: cannot be unpacked ({error}); delete it and run the same command again"
        ) from error
    except RuntimeError as error:  # encrypted, or a NotImplementedError: an unknown compression
        raise DataError(
            f"{archive}: cannot be unpacked by Python ({error}); unpack it into {folder} with another program"
        ) from error
    except OSError as error:
        raise DataError(
            f"{archive}: cannot be unpacked into {folder} ({error}); make room there and see that it can be written "
            "to, then run the same command again: the archive is kept"
        ) from error


def _unpack_beside(archive: Path, work: Path, folder: Path, remote: Remote, below: tuple[str, ...]) -> Path:
    """Unpack into ``work``, then rename entry by entry; what says that the archive is unpacked comes last."""
    _extract(archive, work)
    for nested in remote.nested:
        if (work / nested).is_file():
            _extract(work / nested, work)
            (work / nested).unlink()
    root = find_root(work, (remote.gives,), below)
    if root is None:
        raise DataError(
            f"{archive}: does not hold {remote.gives}; delete the file and run the same command again"
        )
    gives = (root / remote.gives).relative_to(work)
    entries = [entry for entry in sorted(work.iterdir()) if entry.name != IGNORED]
    for entry in sorted(entries, key=lambda entry: entry.name == gives.parts[0]):
        target = folder / entry.name
        if target.is_symlink() and entry.is_dir():
            raise DataError(
                f"{target}: is a link to {os.readlink(target)} and is not replaced by what {archive.name} holds; "
                "remove the link, or complete what it leads to, and run the same command again"
            )
        if target.is_dir() and entry.is_dir():
            shutil.rmtree(target)  # of an earlier attempt: the last entry was not there yet
        os.replace(entry, target)
    return folder / gives


def _extract(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as content:
            content.extractall(folder)
    else:
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
