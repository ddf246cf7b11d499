"""From what a reader found to a ``Dataset``: samples are read one by one, and only their features are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.cache import cached
from shiftlif.data.dataset import Dataset
from shiftlif.data.front_ends import apply_front_end, resolve_front_end
from shiftlif.data.official.protocols import TEST, TRAIN, VALIDATION, Parts
from shiftlif.data.split import split_validation
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
AT_ONCE = 64  # raw samples in memory: 16 MB of binned events, 8 MB of four-second clips
READER = 1  # raise when a reader makes other samples of the same files


@dataclass(frozen=True, eq=False)
class Collection:
    """The samples of a data set under one protocol.

    Attributes:
        classes: class names in label order.
        labels: int64 ``[N]``.
        part: ``TRAIN``, ``VALIDATION`` or ``TEST`` of each sample ``[N]``; without any ``VALIDATION``, validation
            is taken out of the training samples.
        read: raw sample by its number; all have one shape. Files are opened here, not before.
        groups: subject or speaker of each sample ``[N]``, where training samples of one must stay together.
        temporal: True for event frames ``[T, C, H, W]``.
        sample_rate: in Hz, where known.
        digest: identifies the files; None for samples that are in memory already, which are not cached.
        files: name of each sample's file; empty where samples have none of their own.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    part: Parts
    read: Callable[[int], Array]
    groups: Array | None = None
    temporal: bool = False
    sample_rate: int | None = None
    digest: str | None = None
    files: tuple[str, ...] = ()


def build_collection(
    name: str,
    source: str,
    found: Collection,
    front_end: str | Mapping[str, Any],
    val_fraction: float,
    split_seed: int,
    *,
    test_validates: bool,
) -> Dataset:
    """Features of every sample (from the cache where they are there), divided into the three parts.

    Args:
        name, source: of the data set.
        found: what the reader found.
        front_end: name or description.
        val_fraction, split_seed: see ``split_validation``; used only where validation has to be made.
        test_validates: use the test part as validation part as well (protocol ``soul``).

    Raises:
        DataError: when a file cannot be read, a part is empty, or the samples do not suit the front end.
    """
    for part, what in ((TRAIN, "training"), (TEST, "test")):
        if not (found.part == part).any():
            raise DataError(
                f"data set {name}: there is no {what} sample; files are missing, unpack all of them"
            )
    description = resolve_front_end(front_end, known={"sample_rate": found.sample_rate})
    if found.sample_rate is not None:
        description.setdefault("sample_rate", found.sample_rate)

    def features() -> dict[str, Array]:
        return {"x": _features(found, description)}

    if found.digest is None:
        x = features()["x"]
    else:
        key = {"set": name, "reader": READER, "source": found.digest, "front_end": description}
        x = cached(name, key, features)["x"]
    train, val, test = _divide(found, x, val_fraction, split_seed, test_validates)
    x_test = x[test]
    return Dataset(
        name=name,
        x_train=x[train],
        y_train=found.labels[train],
        x_val=x_test if test_validates else x[val],
        y_val=found.labels[val],
        x_test=x_test,
        y_test=found.labels[test],
        classes=found.classes,
        temporal=found.temporal,
        front_end=description,
        source=source,
        test_files=tuple(found.files[i] for i in test) if found.files else (),
    )


def _features(found: Collection, description: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    count = len(found.labels)
    out: npt.NDArray[np.float32] | None = None
    for start in range(0, count, AT_ONCE):
        raw = np.stack([found.read(i) for i in range(start, min(start + AT_ONCE, count))])
        some = apply_front_end(raw, description)
        if out is None:
            out = np.empty((count, *some.shape[1:]), np.float32)
        out[start : start + len(some)] = some
    assert out is not None  # build_collection has seen samples
    return out


def _divide(
    found: Collection, x: Array, val_fraction: float, split_seed: int, test_validates: bool
) -> tuple[Array, Array, Array]:
    train, val, test = (np.flatnonzero(found.part == part) for part in (TRAIN, VALIDATION, TEST))
    if test_validates:
        return train, test, test
    if len(val) == 0:
        groups = None if found.groups is None else found.groups[train]
        kept, given = split_validation(
            found.labels[train], groups, val_fraction, split_seed, samples=x[train]
        )
        train, val = train[kept], train[given]
    return train, val, test
