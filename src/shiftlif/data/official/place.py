"""Where the files of a data set lie: the folder as unpacked, or one of the folders that archives make in it."""

from __future__ import annotations

from pathlib import Path

from shiftlif.errors import DataError


def find_root(folder: Path, wanted: tuple[str, ...], below: tuple[str, ...]) -> Path | None:
    """The folder that holds all that is wanted: ``folder`` or one named below it; None where none does."""
    place = fullest(folder, wanted, below)
    return place if all((place / name).exists() for name in wanted) else None


def fullest(folder: Path, wanted: tuple[str, ...], below: tuple[str, ...]) -> Path:
    """Of ``folder`` and those named below it, the first that holds the most of what is wanted."""
    places = (folder, *(folder / name for name in below))
    return max(places, key=lambda place: sum((place / name).exists() for name in wanted))


def need(path: Path, what: str) -> Path:
    """The path, which has to exist.

    Raises:
        DataError: when it does not.
    """
    if not path.exists():
        raise DataError(
            f"{path} is missing, expected {what}; the set is incomplete, unpack its archive again"
        )
    return path


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: when it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); unpack the archive again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error}); unpack the archive again") from error


def class_folders(root: Path, names: tuple[str, ...]) -> list[Path]:
    """The folders of the classes, in the order of ``names``.

    Raises:
        DataError: when one is missing; the message names the first and how many there are.
    """
    missing = [name for name in names if not (root / name).is_dir()]
    if missing:
        raise DataError(
            f"{root}: the folder {missing[0]} is missing ({len(missing)} of {len(names)} class folders are); the "
            f"set is incomplete, unpack its archive again"
        )
    return [root / name for name in names]


def files_of(folder: Path, suffix: str) -> list[Path]:
    """Visible files of a folder with this ending, by the number in their name, then by name.

    Raises:
        DataError: when there is none.
    """
    paths = [path for path in folder.glob(f"*{suffix}") if not path.name.startswith(".")]
    if not paths:
        raise DataError(f"{folder}: holds no {suffix} file; the set is incomplete, unpack its archive again")
    return sorted(paths, key=lambda path: (_number(path.stem), path.name))


def _number(stem: str) -> int:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits else -1
