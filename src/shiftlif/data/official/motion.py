"""Motion sensors: UCI-HAR (inertial signal files) and HHAR (one table of all phones)."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.cache import cached
from shiftlif.data.checks import check_labels
from shiftlif.data.folder import listing_digest
from shiftlif.data.official.collection import READER, Collection
from shiftlif.data.official.place import need
from shiftlif.data.official.protocols import TEST, TRAIN, random_fifth
from shiftlif.errors import DataError

Array = npt.NDArray[Any]

UCI_CLASSES = ("WALKING", "WALKING_UPSTAIRS", "WALKING_DOWNSTAIRS", "SITTING", "STANDING", "LAYING")
UCI_SIGNALS = tuple(f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
HHAR_CLASSES = ("bike", "sit", "stairsdown", "stairsup", "stand", "walk")
HHAR_HEADER = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
HHAR_TEST = ("h", "i")  # of the users a to i
HHAR_COLUMNS = (1, 3, 4, 5, 6, 8, 9)  # those of HHAR_ROW
WINDOW, STEP = 128, 64  # SOUL's 176,161 windows of the 11.3 million labelled rows
PAUSE_MS = 1000  # a longer silence ends a recording
ROWS_AT_ONCE = 500_000
HHAR_ROW = np.dtype(
    [
        ("arrival", "i8"),
        ("x", "f4"),
        ("y", "f4"),
        ("z", "f4"),
        ("user", "S8"),
        ("device", "S16"),
        ("gt", "S12"),
    ]
)


def uci_har_official(root: Path, protocol: str) -> Collection:
    """``{train,test}/Inertial Signals/<signal>_{train,test}.txt`` and labels 1 to 6, ``[9, 128]`` at 50 Hz.

    Channels: body acceleration x, y, z (g), angular velocity (rad/s), total acceleration (g). Groups: subjects.
    """
    x, y, part, subjects = [], [], [], []
    for half, number in (("train", TRAIN), ("test", TEST)):
        folder = root / half
        signals = [
            _numbers(folder / "Inertial Signals" / f"{name}_{half}.txt", WINDOW) for name in UCI_SIGNALS
        ]
        labels = _numbers(folder / f"y_{half}.txt", 1)[:, 0] - 1
        people = _numbers(folder / f"subject_{half}.txt", 1)[:, 0]
        counts = {
            **{name: len(signal) for name, signal in zip(UCI_SIGNALS, signals, strict=True)},
            "labels": len(labels),
            "subjects": len(people),
        }
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{count} {what}" for what, count in counts.items())
            raise DataError(f"{folder}: {listed}; every file has one line per window, unpack the set again")
        check_labels(str(folder / f"y_{half}.txt"), labels, len(UCI_CLASSES))
        x.append(np.stack(signals, axis=1))
        y.append(labels.astype(np.int64))
        part.append(np.full(len(labels), number, np.int8))
        subjects.append(people)
    samples = np.concatenate(x)
    return Collection(
        UCI_CLASSES, np.concatenate(y), np.concatenate(part), samples.__getitem__, np.concatenate(subjects)
    )


def _numbers(path: Path, columns: int) -> npt.NDArray[np.float32]:
    try:
        values = np.loadtxt(need(path, "a text file of numbers"), dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: cannot be read as numbers ({error}); unpack the set again") from error
    if values.shape[1] != columns:
        raise DataError(
            f"{path}: {values.shape[1]} numbers per line, expected {columns}; unpack the set again"
        )
    return values


def hhar(root: Path, protocol: str) -> Collection:
    """``Phones_accelerometer.csv``: windows ``[3, 128]`` of the phones' acceleration (m/s^2), half overlapping.

    A window never crosses a change of user, device or activity, nor a pause of more than a second; rows without an
    activity (``null``) are left out. Sampling rates differ by phone (50 to 200 Hz) and are left as they are, as in
    SOUL. SOUL also mixes the phones that a user carried at the same time into one stream, which is not repeated here.
    ``ours`` tests on the users h and i and validates on whole users.
    """
    path = root / "Phones_accelerometer.csv"
    key = {"set": "hhar", "reader": READER, "source": listing_digest(root, [path])}
    arrays = cached("hhar-windows", key, lambda: _windows(path))
    if protocol == "soul":
        part = random_fifth(arrays["y"])
    else:
        part = np.where(np.isin(arrays["user"], HHAR_TEST), TEST, TRAIN).astype(np.int8)
    return Collection(HHAR_CLASSES, arrays["y"], part, arrays["x"].__getitem__, arrays["user"])


def _windows(path: Path) -> dict[str, Array]:
    signal, arrival, user, device, activity = _read_hhar(path)
    change = np.zeros(len(arrival), bool)
    for column in (user, device, activity):
        change[1:] |= column[1:] != column[:-1]
    gap = np.diff(arrival)
    change[1:] |= (gap > PAUSE_MS) | (gap < -PAUSE_MS)
    starts = np.flatnonzero(change)
    bounds = np.concatenate([[0], starts, [len(arrival)]])
    first = [np.arange(a, b - WINDOW + 1, STEP) for a, b in pairwise(bounds.tolist())]
    chosen = np.concatenate(first)
    names = np.array([name.encode() for name in HHAR_CLASSES])
    chosen = chosen[np.isin(activity[chosen], names)]
    if len(chosen) == 0:
        raise DataError(
            f"{path}: holds no {WINDOW} rows in a row of one user, phone and activity; copy it again"
        )
    windows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW, axis=0)[chosen]
    return {
        "x": np.ascontiguousarray(windows),
        "y": np.searchsorted(names, activity[chosen]).astype(np.int64),
        "user": user[chosen].astype(str),
    }


def _read_hhar(path: Path) -> tuple[Array, Array, Array, Array, Array]:
    parts: list[Array] = []
    with path.open(encoding="utf-8", errors="replace") as stream:
        header = stream.readline().strip()
        if header != HHAR_HEADER:
            raise DataError(
                f"{path}, line 1: is {header[:80]!r}, expected {HHAR_HEADER!r}; copy the file again"
            )
        lines = 1
        while block := list(islice(stream, ROWS_AT_ONCE)):
            try:
                parts.append(np.loadtxt(block, HHAR_ROW, None, ",", usecols=HHAR_COLUMNS, ndmin=1))
            except ValueError as error:
                raise DataError(
                    f"{path}, lines {lines + 1} to {lines + len(block)}: {error}; copy the file again"
                ) from error
            lines += len(block)
    if not parts:
        raise DataError(f"{path}: holds a header line only; copy the file again")
    table = np.concatenate(parts)
    unknown = set(np.unique(table["gt"])) - {name.encode() for name in (*HHAR_CLASSES, "null")}
    if unknown:
        raise DataError(
            f"{path}: activity {sorted(unknown)[0].decode()!r}, expected null, {', '.join(HHAR_CLASSES)}"
        )
    signal = np.stack([table[axis] for axis in "xyz"], axis=1)
    return signal, table["arrival"], table["user"], table["device"], table["gt"]
