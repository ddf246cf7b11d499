"""Recordings of spikes in HDF5 as a data set: the files of the Spiking Heidelberg Digits, or one file of their form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from shiftlif.data.events import Binning, SpikeSet, binned_spikes
from shiftlif.data.events.spikes_hdf5 import UNITS
from shiftlif.data.folder import listing_digest
from shiftlif.data.front_ends import EVENT_FRAMES
from shiftlif.data.raw import RawSet, split_test
from shiftlif.errors import DataError

ENDINGS = (".h5", ".hdf5")
FORM = "one file that ends in train.h5 and one that ends in test.h5, as shd_train.h5 and shd_test.h5 do"


def is_spike_file(path: Path) -> bool:
    """True for a path that ends as an HDF5 file does."""
    return path.suffix.lower() in ENDINGS


def holds_spikes(path: Path) -> bool:
    """True for an HDF5 file, and for a folder in which one lies."""
    return any(map(is_spike_file, _visible(path))) if path.is_dir() else is_spike_file(path)


def read_spike_set(path: Path, binning: Binning) -> RawSet:
    """A data set of counts ``[N, frames, 1, 1, units / block]``.

    A folder holds a training and a test file; of a single file a fifth tests, whole speakers where the file has three
    or more (``extra/speaker``), else by class. Recordings are read one by one; what stays in memory are the frames.

    Args:
        path: the file or folder.
        binning: how recordings become frames. Its ``width`` is the number of units, 0 for the 700 of the Spiking
            Heidelberg Digits; its ``height`` 0 or 1.

    Raises:
        DataError: when there are other files, one has another form or is damaged, the two name their classes
            differently, or a class has no training sample.
    """
    binning = one_row(path, binning)
    files = _files(path) if path.is_dir() else {"train": path}
    read = {part: binned_spikes(file, binning) for part, file in files.items()}
    frames, facts = read["train"]
    raw = RawSet(
        name=path.resolve().name if path.is_dir() else path.stem,
        x_train=frames,
        y_train=facts.labels,
        x_test=frames[:0],
        y_test=facts.labels[:0],
        classes=facts.classes,
        groups_train=facts.speakers,
        temporal=True,
        digest=listing_digest(files["train"].parent, list(files.values()), binning.to_dict()),
        front_end={"name": EVENT_FRAMES, **binning.to_dict()},
    )
    if "test" in read:
        x_test, of_test = read["test"]
        _check_classes(files, facts, of_test)
        return replace(raw, x_test=x_test, y_test=of_test.labels)
    train, test = split_test(raw.x_train, raw.y_train, raw.groups_train)
    return replace(
        raw,
        x_train=frames[train],
        y_train=facts.labels[train],
        x_test=frames[test],
        y_test=facts.labels[test],
        groups_train=None if facts.speakers is None else facts.speakers[train],
    )


def one_row(path: Path, binning: Binning) -> Binning:
    """The binning of units, which lie in one row.

    Raises:
        DataError: when it has more rows.
    """
    if binning.height > 1:
        raise DataError(
            f"{path}: events height is {binning.height}, expected 1: units of spikes lie in one row"
        )
    return replace(binning, height=1, width=binning.width or UNITS, polarities=1)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())


def _files(folder: Path) -> dict[str, Path]:
    found = [path for path in _visible(folder) if is_spike_file(path)]
    parts = {part: [path for path in found if path.stem.lower().endswith(part)] for part in ("train", "test")}
    if len(found) != 2 or any(len(paths) != 1 for paths in parts.values()):
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: holds {names}, expected {FORM}; unpack both, and move others away")
    return {part: paths[0] for part, paths in parts.items()}


def _check_classes(files: dict[str, Path], train: SpikeSet, test: SpikeSet) -> None:
    if test.classes != train.classes[: len(test.classes)]:
        raise DataError(
            f"{files['test']}: classes are {', '.join(test.classes)}, expected {', '.join(train.classes)} as in "
            f"{files['train']}"
        )
    missing = np.setdiff1d(test.labels, train.labels)
    if len(missing):
        raise DataError(
            f"{files['test']}: class {train.classes[missing[0]]!r} has no recording in {files['train']}; every class "
            "must train"
        )
