"""Spikes in HDF5, the form of the Spiking Heidelberg Digits and Spiking Speech Commands: many recordings in a file.

``spikes/times`` (seconds) and ``spikes/units`` hold an array of their own for every recording, ``labels`` its class,
``extra/keys`` the classes' names and ``extra/speaker`` who spoke. Source: Cramer et al., The Heidelberg spiking data
sets, IEEE TNNLS 2022, arXiv:1910.07407.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_no_device
from shiftlif.data.events.frames import Binning, event_frames
from shiftlif.data.events.recording import Array, Recording, recording
from shiftlif.errors import DataError

UNITS = 700
FORM = "spikes/times, spikes/units and labels with an entry for every recording"


@dataclass(frozen=True, eq=False)
class SpikeSet:
    """Recordings of spikes.

    Attributes:
        recordings: a unit is a column, there is one row, and every polarity is 1.
        labels: int64 ``[N]``.
        classes: names in label order; the labels as text where the file has none.
        speakers: int64 ``[N]``, where the file says.
    """

    recordings: tuple[Recording, ...]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    speakers: npt.NDArray[np.int64] | None


def read_spikes(path: Path, units: int = UNITS) -> SpikeSet:
    """Every recording of a file; times are rounded to microseconds.

    Args:
        path: the file.
        units: how many there are.

    Raises:
        DataError: when the file has another form, is damaged, or a recording holds no spike or a unit beyond ``units``;
            the message names it by its number. Or h5py (``pip install 'shiftlif[hdf5]'``) is missing.
    """
    made: list[Recording] = []
    facts = _read(path, units, made.append)
    return SpikeSet(tuple(made), *facts)


def binned_spikes(path: Path, binning: Binning) -> tuple[npt.NDArray[np.int8], SpikeSet]:
    """The frames of every recording of a file, int8 ``[N, frames, polarities, 1, columns]``, read one by one.

    Args:
        path: the file.
        binning: of one row; its width is the number of units.

    Returns:
        The frames, and the labels, classes and speakers in a set without recordings.

    Raises:
        DataError: as `read_spikes` and `event_frames`.
    """
    made: list[npt.NDArray[np.int8]] = []
    facts = _read(path, binning.width, lambda recording: made.append(event_frames(recording, binning)))
    return np.stack(made), SpikeSet((), *facts)


Facts = tuple[npt.NDArray[np.int64], tuple[str, ...], npt.NDArray[np.int64] | None]


def _read(path: Path, units: int, take: Callable[[Recording], None]) -> Facts:
    """Gives every recording away, one after the other; labels, classes and speakers."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            "spikes in HDF5 need h5py, which is not installed: pip install 'shiftlif[hdf5]'"
        ) from error
    check_no_device(str(path), path)
    with _named(path):
        file = h5py.File(path, "r")
    with file:
        with _named(path):
            times, neurons = _entry(path, file, "spikes/times"), _entry(path, file, "spikes/units")
            labels = _integers(path, "labels", _entry(path, file, "labels")[:])
            names = (
                [str(n.decode() if isinstance(n, bytes) else n) for n in file["extra/keys"][:]]
                if "extra/keys" in file
                else None
            )
            speakers = (
                _integers(path, "extra/speaker", file["extra/speaker"][:])
                if "extra/speaker" in file
                else None
            )
            counts = [len(times), len(neurons), len(labels)]
        if not counts[0] == counts[1] == counts[2] > 0:
            raise DataError(
                f"{path}: {counts[0]} arrays of times, {counts[1]} of units and {counts[2]} labels, expected {FORM}"
            )
        if speakers is not None and len(speakers) != len(labels):
            raise DataError(
                f"{path}: {len(speakers)} speakers for {len(labels)} labels, expected one for each"
            )
        if int(labels.min()) < 0 or (names is not None and int(labels.max()) >= len(names)):
            raise DataError(
                f"{path}: labels reach from {labels.min()} to {labels.max()} for {len(names or ())} classes"
            )
        for i in range(len(labels)):
            with _named(path):
                t, u = times[i], neurons[i]
            take(_recording(f"{path}, recording {i}", t, u, units))
    return labels, tuple(names or (str(i) for i in range(int(labels.max()) + 1))), speakers


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the library says of a file, with the file's name."""
    try:
        yield
    except DataError:
        raise
    # A damaged file fails anywhere in the library, with any of these.
    except (
        OSError,
        KeyError,
        ValueError,
        TypeError,
        RuntimeError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise DataError(f"{path}: cannot be read as HDF5 ({error}); copy it again") from error


def _entry(path: Path, file: Any, name: str) -> Any:
    if name not in file:
        raise DataError(f"{path}: has no {name}, expected {FORM}")
    return file[name]


def _integers(path: Path, name: str, values: Array) -> npt.NDArray[np.int64]:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {name} is {values.dtype} {values.shape}, expected an integer for every recording"
        )
    return values.astype(np.int64)


def _recording(where: str, times: Any, units: Any, limit: int) -> Recording:
    t, u = np.asarray(times), np.asarray(units)
    if t.ndim != 1 or t.shape != u.shape or t.dtype.kind != "f" or u.dtype.kind not in "iu":
        raise DataError(
            f"{where}: has times {t.dtype} {t.shape} and units {u.dtype} {u.shape}, expected seconds and integers of "
            f"one length"
        )
    with np.errstate(over="ignore"):
        microseconds = np.round(t.astype(np.float64) * 1e6)
    if not np.isfinite(microseconds).all() or np.any(np.abs(microseconds) > 2.0**52):
        raise DataError(
            f"{where}: holds times that are no seconds ({t.min()} to {t.max()}); copy the file again"
        )
    zero = np.zeros(len(t), np.uint8)
    return recording(where, microseconds.astype(np.int64), u, zero, zero + 1, (1, limit))
