"""WiFi channel state information: ARIL, UT-HAR, NTU-Fi HumanID and BullyDetect as amplitude ``[C, time]``.

Amplitudes are as stored; where the published code normalises with fixed numbers (UT-HAR by its extremes, NTU-Fi with
42.3199 and 4.9802), the input quantizer of a network does it here.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.cache import cached
from shiftlif.data.checks import check_labels
from shiftlif.data.folder import listing_digest
from shiftlif.data.npz import read_array
from shiftlif.data.official.collection import READER, Collection
from shiftlif.data.official.matlab import read_mat
from shiftlif.data.official.place import class_folders, files_of, need, text_of
from shiftlif.data.official.protocols import TEST, TRAIN, VALIDATION
from shiftlif.errors import DataError

Array = npt.NDArray[Any]

ARIL_CLASSES = ("hand up", "hand down", "hand left", "hand right", "hand circle", "hand cross")
UT_HAR_CLASSES = ("lie down", "fall", "walk", "pickup", "run", "sit down", "stand up")
BULLY_CLASSES = ("pushing", "kicking", "slapping", "grabbing", "punching", "kneeing", "hitting with a stick")
HUMANS = 14
NTU_FI_STEP = 4  # 2000 packets to 500, as SenseFi does
BULLY_SHAPE = (90, 1000)  # 3 antennas x 30 subcarriers, packets
BULLY_MEAN = 4  # packets averaged: 11,200 samples of 1000 would take 4 GB


def aril(root: Path, protocol: str) -> Collection:
    """``train_data_split_amp.mat`` and ``test_data_split_amp.mat``: ``[N, 52, 192]``, activity labels 0 to 5."""
    x, y, part = [], [], []
    for name, number in (("train", TRAIN), ("test", TEST)):
        path = need(root / f"{name}_data_split_amp.mat", "a MATLAB file of the ARIL data")
        label = f"{name}_activity_label"
        arrays = read_mat(path, {f"{name}_data": (None, 52, 192), label: (None, None)})
        x.append(arrays[f"{name}_data"])
        y.append(_labels(path, arrays[label].reshape(-1), len(x[-1]), len(ARIL_CLASSES)))
        part.append(np.full(len(x[-1]), number, np.int8))
    samples = np.concatenate(x)
    return Collection(ARIL_CLASSES, np.concatenate(y), np.concatenate(part), samples.__getitem__)


def ut_har(root: Path, protocol: str) -> Collection:
    """``data/X_{train,val,test}.csv`` and ``label/y_*.csv``: NumPy files in spite of their names, ``[N, 250, 90]``.

    The official validation part validates; SOUL adds it to the test part.
    """
    x, y, part = [], [], []
    for name, number in (("train", TRAIN), ("val", VALIDATION), ("test", TEST)):
        path = need(root / "data" / f"X_{name}.csv", "a NumPy array under a .csv name")
        samples = read_array(path)
        if samples.ndim < 2 or samples[0].size != 250 * 90 or samples.dtype.kind not in "fiu":
            raise DataError(
                f"{path}: is {samples.dtype} {samples.shape}, expected numbers [N, 250, 90]; copy it again"
            )
        x.append(samples.reshape(-1, 250, 90).swapaxes(1, 2).astype(np.float32))  # stored in twice the size
        path = need(root / "label" / f"y_{name}.csv", "a NumPy array under a .csv name")
        y.append(_labels(path, read_array(path).reshape(-1), len(samples), len(UT_HAR_CLASSES)))
        merged = TEST if protocol == "soul" and number == VALIDATION else number
        part.append(np.full(len(samples), merged, np.int8))
    samples = np.concatenate(x)
    return Collection(UT_HAR_CLASSES, np.concatenate(y), np.concatenate(part), samples.__getitem__)


def fi_humanid(root: Path, protocol: str) -> Collection:
    """``{train,test}_amp/<person>/*.mat`` with ``CSIamp [342, 2000]``; every fourth packet is kept.

    The class is the person, so no split can be disjoint in persons.
    """
    halves = {TRAIN: root / "train_amp", TEST: need(root / "test_amp", "a folder of person folders")}
    classes = tuple(sorted(path.name for path in halves[TRAIN].iterdir() if path.is_dir()))
    if len(classes) != HUMANS:
        raise DataError(
            f"{halves[TRAIN]}: holds {len(classes)} person folders, expected {HUMANS}; unpack it again"
        )
    paths, y, part = [], [], []
    for number, half in halves.items():
        for label, folder in enumerate(class_folders(half, classes)):
            files = files_of(folder, ".mat")
            paths += files
            y += [label] * len(files)
            part += [number] * len(files)

    def read(i: int) -> Array:
        return read_mat(paths[i], {"CSIamp": (342, 2000)})["CSIamp"][:, ::NTU_FI_STEP]

    return Collection(
        classes, np.array(y, np.int64), np.array(part, np.int8), read, digest=listing_digest(root, paths)
    )


def bullydetect(root: Path, protocol: str) -> Collection:
    """``train_list.csv``, ``test_list.csv`` (column ``file``) and ``{train,test}/<file>.h5``: ``amp``, ``label``.

    ``amp`` is ``[90, 1000]`` and ``label`` counts from 1, as the authors' code reads them; means of four packets are
    kept. The layout of the distributed archive is not documented: this one is assumed from that code.
    """
    paths, part = [], []
    for half, number in (("train", TRAIN), ("test", TEST)):
        for file in _listed(need(root / f"{half}_list.csv", "a table with a column file")):
            paths.append(need(root / half / f"{file}.h5", f"an HDF5 file that {half}_list.csv names"))
            part.append(number)

    def everything() -> dict[str, Array]:
        x = np.empty((len(paths), BULLY_SHAPE[0], BULLY_SHAPE[1] // BULLY_MEAN), np.float32)
        y = np.empty(len(paths), np.int64)
        for i, path in enumerate(paths):
            amplitude, y[i] = _read_bully(path)
            x[i] = amplitude.reshape(*x.shape[1:], BULLY_MEAN).mean(axis=2)
        return {"x": x, "y": y}

    key = {"set": "bullydetect", "reader": READER, "source": listing_digest(root, paths)}
    arrays = cached("bullydetect-samples", key, everything)
    return Collection(BULLY_CLASSES, arrays["y"], np.array(part, np.int8), arrays["x"].__getitem__)


def _read_bully(path: Path) -> tuple[Array, int]:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f"{path}: .h5 files need h5py, which is not installed: pip install 'shiftlif[hdf5]'"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            amplitude, label = np.asarray(file["amp"]), np.asarray(file["label"]).reshape(-1)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as HDF5 with amp and label ({error}); copy it again"
        ) from error
    if amplitude.shape != BULLY_SHAPE or len(label) != 1:
        raise DataError(
            f"{path}: amp has shape {amplitude.shape} and label {label.shape}, expected {BULLY_SHAPE} and one number. "
            f"The layout was taken from the authors' code, since it is not documented: convert the files, or load them "
            f"by their path as data of your own"
        )
    return amplitude, int(_labels(path, label - 1, 1, len(BULLY_CLASSES))[0])


def _listed(path: Path) -> list[str]:
    rows = csv.DictReader(io.StringIO(text_of(path), newline=""))
    if "file" not in (rows.fieldnames or ()):
        raise DataError(f"{path}: has columns {rows.fieldnames}, expected one named file; copy it again")
    return [row["file"] for row in rows]


def _labels(path: Path, labels: Array, samples: int, classes: int) -> npt.NDArray[np.int64]:
    if labels.dtype.kind not in "fiu" or len(labels) != samples or (labels != np.floor(labels)).any():
        raise DataError(
            f"{path}: labels are {labels.dtype} {labels.shape}, expected {samples} whole numbers; copy it again"
        )
    check_labels(str(path), labels, classes)
    return labels.astype(np.int64)
