"""A folder of labelled windows: ``<folder>/<class>/<window>.csv|.wav|.npy``, or recordings of an event camera.

With ``<folder>/train/<class>/`` and ``<folder>/test/<class>/`` the test part is as given, else a fifth of the
windows is taken (by class, fixed seed). All windows are of one kind. Hidden files are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.csv_table import read_csv
from shiftlif.data.events import Binning, binned, holds_events
from shiftlif.data.events.read import ENDINGS
from shiftlif.data.front_ends import EVENT_FRAMES
from shiftlif.data.npz import read_array
from shiftlif.data.raw import RawSet, split_test
from shiftlif.data.wav import fit_length, read_wav
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
FORM = (
    "<folder>/<class>/<window>.csv, .wav, .npy or a recording of events, or the same below <folder>/train and "
    "<folder>/test"
)
AUDIO_CHANNELS = ("mix", "keep")


def read_folder_set(
    folder: Path,
    length: int | str | None = None,
    audio_channels: str = "mix",
    events: Binning | None = None,
) -> RawSet:
    """Read a folder of class folders.

    A CSV file is one window, rows are time steps and columns channels; a ``.npy`` file is one sample; a WAV
    file is one clip of int16 PCM. Samples become ``[N, C, time]`` (CSV), ``[N, *shape]`` (``.npy``), ``[N,
    time]`` (WAV, channels mixed) or ``[N, C, time]`` (WAV, channels kept). Recordings of an event camera become
    counts ``[N, T, 2, rows, columns]``.

    Args:
        folder: the folder.
        length: for WAV only: samples per clip, or ``"longest"``; shorter clips get zeros at the end, longer
            ones lose theirs. None expects clips of one length.
        audio_channels: for WAV only: ``"mix"`` averages the channels, ``"keep"`` keeps them as an axis.
        events: for recordings of an event camera only: how they become frames; None takes the defaults.

    Raises:
        DataError: when the folder has another form, files are of different kinds, lengths, channels or sample
            rates, or one cannot be read; the message names the file.
    """
    if audio_channels not in AUDIO_CHANNELS:
        raise DataError(f"{folder}: audio_channels is {audio_channels!r}, expected 'mix' or 'keep'")
    if (isinstance(length, str) and length != "longest") or (isinstance(length, int) and length < 1):
        raise DataError(f"{folder}: length is {length!r}, expected a number of samples or 'longest'")
    parts = _parts(folder)
    files = {part: _class_files(root) for part, root in parts.items()}
    classes = tuple(files["train"])
    strange = [name for part in files.values() for name in part if name not in classes]
    if strange:
        raise DataError(
            f"{parts['test']}: class {strange[0]!r} is not in {parts['train']}; every class must train"
        )
    paths = {
        part: [path for group in by_class.values() for path in group] for part, by_class in files.items()
    }
    labels = {
        part: np.array([classes.index(name) for name, group in by_class.items() for _ in group], np.int64)
        for part, by_class in files.items()
    }
    everything = [path for group in paths.values() for path in group]
    kind = _kind(everything)
    rate, front_end = None, None
    if length is not None and kind != ".wav":
        raise DataError(f"{folder}: length applies to WAV files; cut {kind} windows to one length yourself")
    if holds_events(everything[0]):
        samples, binning = binned(everything, events or Binning())
        front_end = {"name": EVENT_FRAMES, **binning.to_dict()}
    elif events is not None:
        raise DataError(
            f"{folder}: settings of events apply to recordings of an event camera, not to {kind} files"
        )
    elif kind == ".wav":
        samples, rate = _read_wavs(everything, length, audio_channels)
    else:
        samples = _stacked(everything, READERS[kind])
    n_train = len(paths["train"])
    raw = RawSet(
        name=folder.resolve().name,
        x_train=samples[:n_train],
        y_train=labels["train"],
        x_test=samples[n_train:],
        y_test=labels["test"] if "test" in labels else labels["train"][:0],
        classes=classes,
        temporal=samples.ndim == 5,
        sample_rate=rate,
        digest=listing_digest(folder, everything, length, audio_channels, front_end),
        front_end=front_end,
        test_files=names_below(folder, paths.get("test", [])),
    )
    if "test" in parts:
        return raw
    train, test = split_test(raw.x_train, raw.y_train)
    return replace(
        raw,
        x_train=raw.x_train[train],
        y_train=raw.y_train[train],
        x_test=raw.x_train[test],
        y_test=raw.y_train[test],
        test_files=names_below(folder, [everything[i] for i in test]),
    )


def holds_clips(folder: Path) -> bool:
    """True when the folder's windows are WAV files."""
    return any(path.suffix.lower() == ".wav" for root in _parts(folder).values() for path in root.glob("*/*"))


def holds_recordings(folder: Path) -> bool:
    """True when the folder's windows are recordings of an event camera."""
    files = (path for root in _parts(folder).values() for path in sorted(root.glob("[!.]*/[!.]*")))
    first = next(files, None)
    return first is not None and holds_events(first)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _parts(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; check the path")
    if (folder / "config.yaml").is_file() and (folder / "checkpoints").is_dir():
        raise DataError(
            f"{folder}: is a run folder, not data; to go on with the run: shiftlif train --resume --out {folder}"
        )
    names = {path.name for path in _visible(folder) if path.is_dir()}
    if not names & {"train", "test"}:
        return {"train": folder}
    if names != {"train", "test"}:
        raise DataError(
            f"{folder}: holds {', '.join(sorted(names))}; a folder with train or test holds exactly both"
        )
    return {"train": folder / "train", "test": folder / "test"}


def _class_files(root: Path) -> dict[str, list[Path]]:
    folders = [path for path in _visible(root) if path.is_dir()]
    if len(folders) < 2:
        found = ", ".join(path.name for path in folders) or "no folder"
        raise DataError(f"{root}: holds {found}, expected a folder for each of two or more classes: {FORM}")
    files = {}
    for path in folders:
        files[path.name] = _visible(path)
        if not files[path.name]:
            raise DataError(f"{path}: holds no file; every class needs windows, remove it or fill it")
    return files


def _kind(paths: list[Path]) -> str:
    kinds = (*READERS, ".wav", *ENDINGS)
    first = paths[0].suffix.lower()
    for path in paths:
        if path.is_dir() or path.suffix.lower() not in kinds:
            raise DataError(
                f"{path}: is not a .csv, .wav or .npy file nor a recording of events; is this the data folder? if "
                f"it is, move the file out of it: {FORM}"
            )
        if path.suffix.lower() != first:
            raise DataError(
                f"{path}: is a {path.suffix} file, {paths[0]} a {first} file; keep one kind in a folder"
            )
    return first


def _read_window(path: Path) -> Array:
    return read_csv(path).values.T


READERS: dict[str, Callable[[Path], Array]] = {".csv": _read_window, ".npy": read_array}


def _stacked(paths: list[Path], read: Callable[[Path], Array]) -> Array:
    samples = []
    for path in paths:
        samples.append(read(path))
        if not 1 <= samples[-1].ndim <= 4:
            raise DataError(
                f"{path}: has shape {samples[-1].shape}, expected [time], [C, time], [C, H, W] or frames"
            )
        if samples[-1].dtype.kind == "f" and not np.isfinite(samples[-1]).all():
            raise DataError(f"{path}: holds NaN or infinity; repair or remove it")
        if samples[-1].shape != samples[0].shape:
            raise DataError(
                f"{path}: has {_form(samples[-1])}, expected {_form(samples[0])} as in {paths[0]}; "
                f"{_remedy(samples[-1].shape, samples[0].shape)}"
            )
    return np.stack(samples)


def _remedy(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What to do about a window of another shape than the first one."""
    if len(shape) == len(expected) and shape[:-1] == expected[:-1] and len(shape) < 3:
        return "cut or pad all windows to one length"
    if len(shape) == len(expected) == 2:
        also = "" if shape[1] == expected[1] else ", and cut or pad all windows to one length"
        return (
            f"give every window the same channels in the same order (a CSV file has a column for each){also}"
        )
    return "bring all windows to one shape"


def _form(sample: Array) -> str:
    return (
        f"{sample.shape[0]} channels x {sample.shape[1]} time steps"
        if sample.ndim == 2
        else f"{sample.shape}"
    )


def _read_wavs(paths: list[Path], length: int | str | None, audio_channels: str) -> tuple[Array, int]:
    clips, rate = [], 0
    for path in paths:
        clip, clip_rate = read_wav(path, mix=audio_channels == "mix")
        rate = rate or clip_rate
        if clip_rate != rate:
            raise DataError(
                f"{path}: sample rate {clip_rate} Hz, expected {rate} Hz as in {paths[0]}; resample it"
            )
        clips.append(clip)
        if len(clips[-1]) != len(clips[0]):
            raise DataError(
                f"{path}: {len(clips[-1])} audio channels, expected {len(clips[0])} as in {paths[0]}; use "
                f"audio_channels='mix'"
            )
    longest = max(clip.shape[1] for clip in clips)
    if length is None:
        for path, clip in zip(paths, clips, strict=True):
            if clip.shape[1] != clips[0].shape[1]:
                raise DataError(
                    f"{path}: {clip.shape[1]} samples, expected {clips[0].shape[1]} as in {paths[0]}; give "
                    f"length={longest} (or 'longest') to pad and cut all clips to one length"
                )
    size = longest if length is None or isinstance(length, str) else length
    out = fit_length(clips, size)
    return (out[:, 0] if audio_channels == "mix" else out), rate


def names_below(folder: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """Names relative to a folder, as text that can be written anywhere: bytes that are not UTF-8 are replaced."""
    names = (path.relative_to(folder).as_posix() for path in paths)
    return tuple(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names)


def listing_digest(folder: Path, paths: list[Path], *options: object) -> str:
    """Names, sizes and times of all files: enough to notice a change without reading twice."""
    listing = [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in paths
    ]
    return sha256(repr((listing, options)).encode()).hexdigest()
