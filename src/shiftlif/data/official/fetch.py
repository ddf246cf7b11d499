"""Download official files where licence and host allow it, and say what to do where they do not.

A file is downloaded beside its place, compared with its checksum and only then renamed; an archive is unpacked in a
folder of its own and then renamed. What is complete is not fetched again, so an interrupted fetch goes on by file.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from shiftlif.data.official.facts import OFFICIAL, Remote
from shiftlif.errors import DataError

IGNORED = "__MACOSX"


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

    Args:
        name: of the table ``OFFICIAL``.
        progress: None, or an object with ``total``, ``update(n)``, ``reset()`` and ``close()``, in bytes (pooch calls
            it, file after file).

    Returns:
        What was unpacked; empty when everything was there.

    Raises:
        DataError: when the set is unknown or has to be fetched by hand, pooch (``pip install shiftlif[download]``) is
            not installed, the host cannot be reached, or a checksum differs.
    """
    if name not in OFFICIAL:
        raise DataError(
            f"data set {name!r} has no official files to fetch; these have: {', '.join(OFFICIAL)}"
        )
    facts = OFFICIAL[name]
    if not facts.remotes:
        raise DataError(f"data set {name}: cannot be fetched automatically; {how_to_get(name)}")
    folder = data_folder(name)
    done = []
    for remote in facts.remotes:
        if (folder / remote.gives).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        archive = _download(name, remote, folder, progress)
        _unpack(archive, folder, remote)
        done.append(folder / remote.gives)
    return done


def _download(name: str, remote: Remote, folder: Path, progress: Any) -> Path:
    try:
        import pooch
        from requests.exceptions import RequestException
    except ImportError as error:
        raise DataError(
            f"fetching {name} needs pooch, which is not installed: pip install shiftlif[download]"
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


def _unpack(archive: Path, folder: Path, remote: Remote) -> None:
    """Unpack beside, then rename entry by entry; what says that the archive is unpacked comes last."""
    work = Path(tempfile.mkdtemp(dir=folder, prefix=".unpack-"))
    try:
        _extract(archive, work)
        for nested in remote.nested:
            if (work / nested).is_file():
                _extract(work / nested, work)
                (work / nested).unlink()
        if not (work / remote.gives).exists():
            raise DataError(
                f"{archive}: does not hold {remote.gives}; delete the file and run the same command again"
            )
        entries = [entry for entry in sorted(work.iterdir()) if entry.name != IGNORED]
        for entry in sorted(entries, key=lambda entry: entry.name == Path(remote.gives).parts[0]):
            target = folder / entry.name
            if target.is_dir() and entry.is_dir():
                shutil.rmtree(target)  # of an earlier attempt: the last entry was not there yet
            os.replace(entry, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as content:
                content.extractall(folder)
        else:
            with tarfile.open(archive) as content:
                content.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{archive}: cannot be unpacked ({error}); delete it and run the same command again"
        ) from error
