"""Event cameras: CIFAR10-DVS and N-Caltech101 as counts in 60 spans of time, read file by file.

60 is divided by 1 to 6, 10, 12, 15, 20 and 30: ``frames`` of any of them are of equal length. Pixels are added up in
blocks, since the whole sensor would take tens of gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shiftlif.data.events.aedat2 import read_aedat2
from shiftlif.data.events.frames import Binning, count_events, event_lists
from shiftlif.data.events.nmnist_bin import read_nmnist_bin
from shiftlif.data.events.recording import Recording
from shiftlif.data.folder import listing_digest, names_below
from shiftlif.data.official.collection import Collection
from shiftlif.data.official.place import class_folders, files_of
from shiftlif.data.official.protocols import last_tenth
from shiftlif.errors import DataError

BINS = 60
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_SENSOR, CIFAR_BLOCK = (128, 128), 4
CALTECH_SENSOR, CALTECH_BLOCK = (180, 240), 6
CALTECH_CLASSES = 101


def cifar10_dvs(root: Path, protocol: str) -> Collection:
    """``<class>/cifar10_<class>_<n>.aedat``: ``[60, 2, 32, 32]``; the last tenth of each class tests."""
    return _events(root, CIFAR_CLASSES, ".aedat", _upright, CIFAR_SENSOR, CIFAR_BLOCK)


def n_caltech101(root: Path, protocol: str) -> Collection:
    """``<class>/image_<n>.bin`` of 101 classes: ``[60, 2, 30, 40]``; the last tenth of each class tests."""
    classes = tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and any(path.glob("*.bin"))))
    if len(classes) != CALTECH_CLASSES:
        raise DataError(
            f"{root}: {len(classes)} folders hold .bin files, expected {CALTECH_CLASSES} (100 objects and "
            f"BACKGROUND_Google); the set is incomplete, unpack Caltech101.zip again"
        )
    return _events(root, classes, ".bin", read_nmnist_bin, CALTECH_SENSOR, CALTECH_BLOCK)


def _upright(path: Path) -> Recording:
    """The pictures of CIFAR10-DVS lie on their side before the camera: rows and columns change places."""
    recording = read_aedat2(path)
    events = recording.events.copy()
    events["x"], events["y"] = recording.events["y"], recording.events["x"]
    return replace(recording, events=events)


def _events(
    root: Path,
    classes: tuple[str, ...],
    suffix: str,
    parse: Callable[[Path], Recording],
    sensor: tuple[int, int],
    block: int,
) -> Collection:
    groups = [files_of(folder, suffix) for folder in class_folders(root, classes)]
    paths = [path for group in groups for path in group]
    labels = np.repeat(np.arange(len(classes)), [len(group) for group in groups])

    binning = Binning(frames=BINS, block=block, height=sensor[0], width=sensor[1])

    def read(i: int) -> npt.NDArray[np.uint16]:
        recording = parse(paths[i])
        _, *shape = binning.shape(recording)
        counts = [
            count_events(events, (shape[0], shape[1], shape[2])) for events in event_lists(recording, binning)
        ]
        return np.minimum(np.stack(counts), np.iinfo(np.uint16).max).astype(np.uint16)

    return Collection(
        classes,
        labels,
        last_tenth(labels),
        read,
        temporal=True,
        digest=listing_digest(root, paths),
        files=names_below(root, paths),
    )
