"""From raw arrays with a test part to a ``Dataset``: the one path that every source takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.cache import cached
from shiftlif.data.checks import check_labels
from shiftlif.data.dataset import Dataset
from shiftlif.data.front_ends import FRONT_ENDS, apply_front_end, resolve_front_end
from shiftlif.data.split import split_validation
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
TEST_FRACTION = 0.2
TEST_SEED = 20240607  # a constant: which samples test must not depend on any setting


@dataclass(frozen=True, eq=False)
class RawSet:
    """What a reader returns: samples as stored, with the test part apart.

    Attributes:
        name: of the data set.
        x_train, x_test: samples as stored, ``[N, ...]``.
        y_train, y_test: integer labels ``[N]``.
        classes: class names in label order.
        groups_train: subject or speaker of each training sample, where known.
        temporal: True for event frames ``[N, T, C, H, W]``.
        sample_rate: in Hz, where known.
        source: citation and licence.
        digest: identifies the stored content; None switches the cache off.
        front_end: what the reader has done already, as a complete description; None where it did nothing.
        test_files: see `Dataset`.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...]
    groups_train: Array | None = None
    temporal: bool = False
    sample_rate: int | None = None
    source: str = ""
    digest: str | None = None
    front_end: Mapping[str, Any] | None = None
    test_files: tuple[str, ...] = ()


def split_test(x: Array, y: Array, groups: Array | None = None) -> tuple[Array, Array]:
    """Indices ``(train, test)`` for data without a test part: a fifth, by group or class, fixed seed."""
    return split_validation(y, groups, TEST_FRACTION, TEST_SEED, samples=x, part="test")


def build(
    raw: RawSet, front_end: str | Mapping[str, Any], val_fraction: float = 0.15, split_seed: int = 0
) -> Dataset:
    """Apply the front end, take validation out of the training part, and check everything.

    Exact repeats are recognised in the raw samples and stay on one side of the split.

    Raises:
        DataError: when the samples do not suit the front end, the split or ``Dataset``.
    """
    for part, x, y in (("train", raw.x_train, raw.y_train), ("test", raw.x_test, raw.y_test)):
        if x.ndim < 2 or len(x) != len(y) or len(x) == 0:
            raise DataError(
                f"data set {raw.name}, part {part}: samples have shape {x.shape} and labels {y.shape}, "
                f"expected [N, ...] and [N] with the same N > 0"
            )
    description = resolve_front_end(front_end, known={"sample_rate": raw.sample_rate})
    if raw.sample_rate is not None and raw.x_train.dtype == np.int16:  # PCM, which a WAV file can bring again
        description.setdefault("sample_rate", raw.sample_rate)

    def features() -> dict[str, Array]:
        parts = {"x_train": raw.x_train, "x_test": raw.x_test}
        return {key: apply_front_end(x, description) for key, x in parts.items()}

    if FRONT_ENDS[description["name"]].slow and raw.digest is not None:
        ready = cached(raw.name, {"source": raw.digest, "front_end": description}, features)
    else:
        ready = features()
    train, val = split_validation(
        raw.y_train, raw.groups_train, val_fraction, split_seed, samples=raw.x_train
    )
    return Dataset(
        name=raw.name,
        x_train=ready["x_train"][train],
        y_train=raw.y_train[train],
        x_val=ready["x_train"][val],
        y_val=raw.y_train[val],
        x_test=ready["x_test"],
        y_test=raw.y_test,
        classes=raw.classes,
        temporal=raw.temporal,
        front_end=description,
        source=raw.source,
        test_files=raw.test_files,
    )


def label_indices(
    where: str, labels: Mapping[str, Array], classes: Array | None
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Labels of each part as indices, with the class names.

    Integers are taken as indices (names are made up from them when ``classes`` is None); text is looked up in
    ``classes``, or in the sorted set of all names.

    Raises:
        DataError: for other kinds of labels, numbers out of range and names that are not among the classes;
            the message names the sample by its number in the labels as given.
    """
    for part, y in labels.items():
        if y.ndim != 1 or y.dtype.kind not in "iuU" or len(y) == 0:
            raise DataError(
                f"{where}, {part}: labels are {y.dtype} {y.shape}, expected one integer or one name per "
                f"sample"
            )
    if all(y.dtype.kind in "iu" for y in labels.values()):
        highest = max(int(y.max()) for y in labels.values())
        if classes is None and highest >= sum(map(len, labels.values())):
            raise DataError(
                f"{where}: labels reach {highest}, more than there are samples; count classes "
                f"from 0, or give names as labels"
            )
        names = [str(i) for i in range(highest + 1)] if classes is None else [str(c) for c in classes]
        for part, y in labels.items() if len(names) > 1 else ():
            check_labels(f"{where}, {part}", y, len(names))
        return dict(labels), tuple(names)
    if classes is None:
        names = sorted({str(name) for y in labels.values() for name in y})
    else:
        names = [str(c) for c in classes]
    number = {name: i for i, name in enumerate(names)}
    for part, y in labels.items():
        for sample, name in enumerate(y):
            if str(name) not in number:
                raise DataError(
                    f"{where}, {part}: sample {sample} has label {str(name)!r}, which is not one of the "
                    f"classes {', '.join(names)}"
                )
    return {part: np.array([number[str(name)] for name in y], np.int64) for part, y in labels.items()}, tuple(
        names
    )
