"""A labelled data set in three parts, checked where it is built."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_finite, check_labels
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
PARTS = ("train", "val", "test")
NAMED = 10  # classes that a warning lists


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and labels for training, choosing and testing; nothing in it is normalised.

    Attributes:
        name: what it is called in tables and files.
        x_train, x_val, x_test: float32 samples ``[N, C, *spatial]``, or, when ``temporal``, frames
            ``[N, T, C, *spatial]``; every axis but the first agrees across the parts.
        y_train, y_val, y_test: int64 labels ``[N]``, each an index into ``classes`` (any integer type is
            taken and converted).
        classes: class names in label order.
        temporal: True when axis 1 of the samples is time that the network steps through.
        front_end: JSON-able description of what was done to the raw samples; ``{"name": "none"}`` when
            nothing was. PCM clips also note their ``sample_rate``.
            ``shiftlif.data.apply_front_end(raw, front_end)`` repeats it on new samples.
        source: citation and licence, one line.
        test_files: the file of each test sample, relative to the data's folder; empty where samples have none of their
            own.

    Raises:
        DataError: when a part is empty, parts disagree in shape, samples, labels or files differ in number, a
            sample holds NaN or infinity, or a label is not an integer below ``n_classes``. A class without
            training samples is a warning, since it may come with later data.
    """

    name: str
    x_train: Array
    y_train: Array
    x_val: Array
    y_val: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...]
    temporal: bool = False
    front_end: dict[str, Any] = field(default_factory=lambda: {"name": "none"})
    source: str = ""
    test_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(label) for label in self.classes))
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise DataError(
                f"data set {self.name}: needs at least two classes with different names, got {self.classes}"
            )
        for part in PARTS:
            x, y = self.part(part)
            _check_samples(f"data set {self.name}, part {part}", x, 3 if self.temporal else 2)
            if x.shape[1:] != self.x_train.shape[1:]:
                raise DataError(
                    f"data set {self.name}, part {part}: samples have shape {x.shape[1:]}, those of part "
                    f"train {self.x_train.shape[1:]}; bring all parts to one shape"
                )
            labels = _checked_labels(f"data set {self.name}, part {part}", y, len(x), self.classes)
            object.__setattr__(self, f"y_{part}", labels)
        if len(self.test_files) not in (0, len(self.y_test)):
            raise DataError(
                f"data set {self.name}: {len(self.y_test)} test samples but {len(self.test_files)} files; name one "
                "file per sample, or none"
            )
        self._warn_of_untrained_classes()

    def _warn_of_untrained_classes(self) -> None:
        counts = np.bincount(self.y_train, minlength=self.n_classes)
        missing = [self.classes[i] for i in np.flatnonzero(counts == 0)]
        if missing:
            more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
            warnings.warn(
                f"data set {self.name}: {len(missing)} of {self.n_classes} classes have no training sample "
                f"({', '.join(missing[:NAMED])}{more}) and cannot be learned; add samples of them, or leave "
                f"them out and number the others without gaps (0 to {self.n_classes - len(missing) - 1})",
                UserWarning,
                stacklevel=4,
            )

    def part(self, part: str) -> tuple[Array, Array]:
        """Samples and labels of ``"train"``, ``"val"`` or ``"test"``.

        Raises:
            DataError: for any other name.
        """
        if part not in PARTS:
            raise DataError(
                f"data set {self.name}: there is no part {part!r}; choose one of {', '.join(PARTS)}"
            )
        return getattr(self, f"x_{part}"), getattr(self, f"y_{part}")

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of what enters the network in one step: without N and, for temporal sets, without T."""
        return self.x_train.shape[2:] if self.temporal else self.x_train.shape[1:]

    @property
    def frames(self) -> int | None:
        """Frames per sample of a temporal set, None for any other."""
        return self.x_train.shape[1] if self.temporal else None

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def majority(self) -> float:
        """Test accuracy (0 to 1) of always answering the most frequent training class: the floor."""
        return float(np.mean(self.y_test == np.bincount(self.y_train).argmax()))

    def summary(self) -> dict[str, Any]:
        """A JSON-able description: sizes, classes and their counts, range, front end, source."""
        return {
            "name": self.name,
            "sample_shape": list(self.sample_shape),
            "temporal": self.temporal,
            "frames": self.frames,
            "samples": {part: len(self.part(part)[1]) for part in PARTS},
            "classes": list(self.classes),
            "class_counts": {
                part: np.bincount(self.part(part)[1], minlength=self.n_classes).tolist() for part in PARTS
            },
            "majority": round(self.majority, 4),
            "train_range": [float(self.x_train.min()), float(self.x_train.max())],
            "front_end": dict(self.front_end),
            "source": self.source,
        }


def _check_samples(where: str, x: Array, min_ndim: int) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.float32:
        kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise DataError(
            f"{where}: samples are {kind}, expected a float32 array; convert with x.astype(np.float32)"
        )
    if x.ndim < min_ndim:
        form = "[N, T, C, ...]" if min_ndim == 3 else "[N, C, ...]"
        raise DataError(f"{where}: samples have shape {x.shape}, expected {form}; add the missing axes")
    if x.size == 0:
        raise DataError(f"{where}: is empty (shape {x.shape}); every part needs at least one sample")
    check_finite(where, x)


def _checked_labels(where: str, y: Array, samples: int, classes: tuple[str, ...]) -> Array:
    if not isinstance(y, np.ndarray) or y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        kind = f"{y.dtype} {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
        raise DataError(f"{where}: labels are {kind}, expected integers [N], each an index into the classes")
    if len(y) != samples:
        raise DataError(f"{where}: {samples} samples but {len(y)} labels; give one label per sample")
    check_labels(where, y, len(classes))
    return y.astype(np.int64)
