"""NumPy files, never unpickled: ``.npy`` arrays and the ``.npz`` form that data sets use."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_finite, check_no_device
from shiftlif.data.raw import RawSet, label_indices, split_test
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
PARTED = ("x_train", "y_train", "x_test", "y_test")
# What NumPy raises on damaged files; the header of an array is read as Python source.
UNREADABLE = (
    *(OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError),
    *(
        SyntaxError,
        tokenize.TokenError,
        MemoryError,
        OverflowError,
        RecursionError,
        TypeError,
        AttributeError,
    ),
)
GROUPS = ("subject", "subjects", "speaker", "speakers", "group", "groups")
FORM = (
    "x_train, y_train, x_test, y_test (or x, y), optionally classes, sample_rate and one of subject_train, "
    "speaker_train, group_train (or subject, speaker, group)"
)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def read_array(path: Path) -> Array:
    """The array of a ``.npy`` file.

    Raises:
        DataError: when the file cannot be read, is not a ``.npy`` file or holds Python objects.
    """
    arrays = _read(path, None)
    if "" not in arrays:
        raise DataError(f"{path}: is an .npz archive, expected a single .npy array; name it .npz")
    return arrays[""]


def read_arrays(path: Path, wanted: Iterable[str] | None = None) -> dict[str, Array]:
    """The arrays of an ``.npz`` file, or those of them that are wanted and there.

    Raises:
        DataError: when the file cannot be read, is not an ``.npz`` file or holds Python objects.
    """
    arrays = _read(path, wanted)
    if "" in arrays:
        raise DataError(
            f"{path}: is a single .npy array, expected an .npz archive of named arrays; name it .npy"
        )
    return arrays


def read_npz_set(path: Path, name: str | None = None, source: str = "", digest: str | None = None) -> RawSet:
    """A labelled set from an ``.npz`` file.

    With ``x_train, y_train, x_test, y_test`` the test part is as given; with ``x, y`` a fifth becomes the
    test part (by group where known, else by class, fixed seed). Samples are ``[N, time]``, ``[N, C, time]``,
    ``[N, C, H, W]`` or event frames ``[N, T, C, H, W]``; a two-dimensional array later gets a channel axis, a
    three-dimensional one is never taken for images.

    Args:
        path: the file.
        name: of the data set; the file's name when None.
        source: citation and licence.
        digest: SHA-256 of the file, where the caller has it already.

    Raises:
        DataError: when arrays are missing, unreadable or of the wrong form.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; check the path")
    group_keys = [f"{group}{end}" for group in GROUPS for end in ("_train", "")]
    arrays = read_arrays(path, {*PARTED, "x", "y", "classes", "sample_rate", *group_keys})
    parted = all(key in arrays for key in PARTED)
    if not parted and not ("x" in arrays and "y" in arrays):
        raise DataError(f"{path}: holds {', '.join(_keys(path)) or 'nothing'}; expected {FORM}")
    if parted and ("x" in arrays or "y" in arrays):
        raise DataError(f"{path}: holds both x, y and x_train, ...; keep one form, expected {FORM}")
    labels, classes = label_indices(
        str(path), {key: arrays[key] for key in (PARTED[1::2] if parted else ("y",))}, arrays.get("classes")
    )
    for key in ("x_train", "x_test") if parted else ("x",):  # before any split: numbers are the file's own
        check_finite(f"{path}, {key}", arrays[key])
    groups = _groups(path, arrays, "_train" if parted else "")
    if parted:
        x = {key: arrays[key] for key in ("x_train", "x_test")}
    else:
        _check_lengths(path, arrays["x"], labels["y"], groups)
        train, test = split_test(arrays["x"], labels["y"], groups)
        x = {"x_train": arrays["x"][train], "x_test": arrays["x"][test]}
        labels = {"y_train": labels["y"][train], "y_test": labels["y"][test]}
        groups = None if groups is None else groups[train]
    for key, values in x.items():
        if not 2 <= values.ndim <= 5:
            raise DataError(
                f"{path}, {key}: samples have shape {values.shape}, expected [N, time], [N, C, time], "
                f"[N, C, H, W] or event frames [N, T, C, H, W]"
            )
    _check_lengths(path, x["x_train"], labels["y_train"], groups)
    rate = arrays.get("sample_rate")
    return RawSet(
        name=name or path.stem,
        x_train=x["x_train"],
        y_train=labels["y_train"],
        x_test=x["x_test"],
        y_test=labels["y_test"],
        front_end=None,
        classes=classes,
        groups_train=groups,
        temporal=x["x_train"].ndim == 5,
        sample_rate=int(rate) if rate is not None and rate.size == 1 else None,
        source=source,
        digest=digest or sha256_of(path),
    )


def _read(path: Path, wanted: Iterable[str] | None) -> dict[str, Array]:
    check_no_device(str(path), path)
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        with content:
            keys = content.files if wanted is None else [key for key in content.files if key in set(wanted)]
            return {key: content[key] for key in keys}
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; check the path") from error
    except ValueError as error:
        # NumPy recommends pickle for whatever it does not know; nobody should follow that.
        if "pickle" not in str(error):
            why = f"is a damaged NumPy file ({error})"
        elif _is_numpy(path):
            why = "holds Python objects, which are never unpickled"
        else:
            why = "is not a NumPy file"
        raise DataError(f"{path}: {why}; save numeric arrays with numpy.save or numpy.savez") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read ({error}); it may be truncated, copy it again") from error


def _is_numpy(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(6) == b"\x93NUMPY" or zipfile.is_zipfile(path)


def _keys(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as content:
        return list(content.files)


def _groups(path: Path, arrays: dict[str, Array], end: str) -> Array | None:
    found = [f"{group}{end}" for group in GROUPS if f"{group}{end}" in arrays]
    if len(found) > 1:
        raise DataError(f"{path}: holds {' and '.join(found)}; keep the one whose members must stay together")
    return arrays[found[0]] if found else None


def _check_lengths(path: Path, x: Array, y: Array, groups: Array | None) -> None:
    if groups is not None and groups.ndim != 1:
        raise DataError(f"{path}: groups have shape {groups.shape}, expected one value per sample [N]")
    counts = {"samples": x.shape[0] if x.ndim else 0, "labels": len(y)}
    if groups is not None:
        counts["groups"] = len(groups)
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} {what}" for what, count in counts.items())
        raise DataError(f"{path}: {listed}; give one label (and one group) per sample")
