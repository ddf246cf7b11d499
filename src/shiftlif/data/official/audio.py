"""Sound: UrbanSound8K (ten folds, clips of any rate) and Speech Commands v0.02 with all 35 words."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.folder import listing_digest, names_below
from shiftlif.data.official.collection import Collection
from shiftlif.data.official.place import class_folders, files_of, need, text_of
from shiftlif.data.official.protocols import TEST, TRAIN, VALIDATION, random_fifth
from shiftlif.data.wav import fit_length, read_wav
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
Int16 = npt.NDArray[np.int16]

RATE = 16_000
URBAN_CLASSES = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
URBAN_SECONDS = 4
URBAN_COLUMNS = ("slice_file_name", "fold", "classID", "class")
URBAN_PARTS = {"ours": {9: VALIDATION, 10: TEST}, "soul": {9: TEST, 10: TEST}}  # other folds train
# fmt: off
WORDS = (
    "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go",
    "happy", "house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven",
    "sheila", "six", "stop", "three", "tree", "two", "up", "visual", "wow", "yes", "zero",
)
# fmt: on


def urbansound8k(root: Path, protocol: str) -> Collection:
    """``metadata/UrbanSound8K.csv`` and ``audio/fold<n>/<name>.wav``: clips of up to 4 s, resampled to 16 kHz.

    Channels are averaged, shorter clips get zeros at the end. ``ours``: fold 9 validates, fold 10 tests; slices of one
    recording are in one fold. ``soul``: folds 9 and 10 test.
    """
    table = root / "metadata" / "UrbanSound8K.csv"
    paths, labels, part = [], [], []
    for fold, name, label in _urban_rows(table):
        paths.append(need(root / "audio" / f"fold{fold}" / name, f"a clip that {table.name} names"))
        labels.append(label)
        part.append(URBAN_PARTS[protocol].get(fold, TRAIN))

    def read(i: int) -> Int16:
        clip, rate = read_wav(paths[i], mix=True)
        if rate != RATE:
            clip = resample(clip, rate, RATE)
        return _fitted(clip, URBAN_SECONDS * RATE)

    return Collection(
        URBAN_CLASSES,
        np.array(labels, np.int64),
        np.array(part, np.int8),
        read,
        sample_rate=RATE,
        digest=listing_digest(root, [table, *paths]),
        files=names_below(root, paths),
    )


def _urban_rows(table: Path) -> list[tuple[int, str, int]]:
    rows = csv.DictReader(io.StringIO(text_of(table), newline=""))
    missing = [name for name in URBAN_COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise DataError(
            f"{table}: has no column {missing[0]}, expected {', '.join(URBAN_COLUMNS)}; copy it again"
        )
    found = []
    for line, row in enumerate(rows, 2):
        try:
            fold, label = int(row["fold"]), int(row["classID"])
        except (TypeError, ValueError) as error:
            raise DataError(f"{table}, line {line}: {error}; expected numbers in fold and classID") from error
        if not (1 <= fold <= 10 and 0 <= label < 10 and row["class"] == URBAN_CLASSES[label]):
            raise DataError(
                f"{table}, line {line}: fold {fold}, classID {label}, class {row['class']!r}; expected folds 1 to "
                f"10 and the classes 0 ({URBAN_CLASSES[0]}) to 9 ({URBAN_CLASSES[9]}); copy it again"
            )
        found.append((fold, row["slice_file_name"], label))
    return found


def resample(clip: Int16, rate: int, wanted: int) -> Int16:
    """PCM ``[channels, samples]`` at another sample rate (Hz), clipped to 16 bits.

    Raises:
        DataError: when soxr (``pip install 'shiftlif[audio]'``) is not installed.
    """
    try:
        import soxr
    except ImportError as error:
        raise DataError(
            "resampling needs soxr, which is not installed: pip install 'shiftlif[audio]'"
        ) from error
    changed = soxr.resample(clip.T.astype(np.float32), rate, wanted)
    whole: Int16 = np.clip(np.round(changed), -32768, 32767).astype(np.int16)
    return whole.T


def _fitted(clip: Int16, length: int) -> Int16:
    samples: Int16 = fit_length([clip], length)[0, 0]
    return samples


def gsc35(root: Path, protocol: str) -> Collection:
    """``<word>/<speaker>_nohash_<n>.wav`` with ``validation_list.txt`` and ``testing_list.txt``: 1 s at 16 kHz.

    ``ours``: the official lists, which are disjoint in speakers. ``soul``: a random fifth of each word tests, so
    speakers are in both halves.
    """
    paths = [path for folder in class_folders(root, WORDS) for path in files_of(folder, ".wav")]
    numbers = {f"{path.parent.name}/{path.name}": i for i, path in enumerate(paths)}
    labels = np.array([WORDS.index(path.parent.name) for path in paths], np.int64)
    part = np.full(len(paths), TRAIN, np.int8)
    if protocol == "soul":
        part = random_fifth(labels)
    else:
        for name, number in (("validation", VALIDATION), ("testing", TEST)):
            listed = need(root / f"{name}_list.txt", "the official list of clips")
            for line, entry in enumerate(text_of(listed).split(), 1):
                if entry not in numbers:
                    raise DataError(
                        f"{listed}, line {line}: {root / entry} is missing; unpack the archive again"
                    )
                part[numbers[entry]] = number

    def read(i: int) -> Int16:
        clip, rate = read_wav(paths[i], mix=True)
        if rate != RATE:
            raise DataError(f"{paths[i]}: sample rate {rate} Hz, expected {RATE} Hz; copy the file again")
        return _fitted(clip, RATE)

    speakers = np.array([path.name.split("_")[0] for path in paths])
    return Collection(
        WORDS,
        labels,
        part,
        read,
        speakers,
        sample_rate=RATE,
        digest=listing_digest(root, paths),
        files=names_below(root, paths),
    )
