"""Raw samples for inference, through the front end that a program was trained with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_finite
from shiftlif.data.csv_table import Source
from shiftlif.data.events import Binning, binned_spikes, event_frames, holds_events, read_events
from shiftlif.data.features import samples_in_frames
from shiftlif.data.front_ends import EVENT_FRAMES, FRONT_ENDS, apply_front_end, resolve_front_end
from shiftlif.data.samples import read_one_array, read_samples
from shiftlif.data.spikes import is_spike_file, one_row
from shiftlif.data.wav import fit_length, read_wav
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
ARRAYS = (".npy", ".npz")
FORMS = {1: "clips [N, samples] or one clip [samples]", 4: "event frames [N, T, C, H, W] or [T, C, H, W]"}


def read_recordings(
    source: Source, front_end: str | Mapping[str, Any], sample_shape: Sequence[int]
) -> Float32:
    """Read raw samples and apply a front end, as training did.

    - ``.wav``: one clip. Its sample rate must be the one that the front end notes; channels are mixed where
      the samples have one; it gets zeros at the end, or loses its end (with a warning), to give samples of
      the shape.
    - A recording of an event camera, in any form of ``shiftlif.data.events.read_events``: one sample, where the
      front end is ``event_frames``; of spikes in HDF5 every recording of the file.
    - Where the front end keeps the shape: every form of ``read_samples``.
    - Else ``.npy`` and ``.npz``: raw samples ``[N, ...]``, or one without the first axis.

    Args:
        source: a path, or an open CSV stream.
        front_end: name or description, such as ``dataset.front_end`` or a program's
            ``metadata["front_end"]``.
        sample_shape: shape of one sample after the front end.

    Returns:
        float32 ``[N, *sample_shape]``, all finite.

    Raises:
        DataError: when the source cannot be read, or does not give samples of this shape.
    """
    shape = tuple(int(size) for size in sample_shape)
    description = resolve_front_end(front_end)
    axes = FRONT_ENDS[description["name"]].raw_axes
    if is_recording(source):
        raw = _counts(Path(str(source)).expanduser(), description)
    elif is_wav(source):
        raw = _clip(Path(str(source)).expanduser(), description, shape)
    elif axes is None:
        raw = read_samples(source, shape)
    else:
        raw = _raw_array(source, description, axes, shape)
    samples = apply_front_end(raw, description)
    if axes is None and not is_recording(source):
        return samples.reshape(-1, *shape)
    if samples.shape[1:] != shape:
        raise DataError(
            f"{source}: the front end {description['name']} gives samples of shape {samples.shape[1:]}, "
            f"expected {shape}; give raw samples as in training"
        )
    return samples


def is_wav(source: Source) -> bool:
    """True for the path of a WAV file."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() == ".wav"


def is_recording(source: Source) -> bool:
    """True for the path of recordings of events or spikes: by its ending, or a ``.npy`` file of a structured array."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source).expanduser()
    return holds_events(path) or is_spike_file(path)


def looks_raw(source: Source, front_end: str | Mapping[str, Any], sample_shape: Sequence[int]) -> bool:
    """True for an array that has the axes of samples before the front end and cannot be one after it.

    Raises:
        DataError: as ``read_recordings``, when the file cannot be read.
    """
    axes = FRONT_ENDS[resolve_front_end(front_end)["name"]].raw_axes
    if axes is None or not _is_array_file(source):
        return False
    array = read_one_array(Path(str(source)).expanduser())
    return array.ndim in (axes, axes + 1) and array.shape != tuple(sample_shape)


def _counts(path: Path, description: Mapping[str, Any]) -> Array:
    if description["name"] != EVENT_FRAMES:
        what = "holds spikes" if is_spike_file(path) else "is a recording of an event camera"
        raise DataError(
            f"{path}: {what}, but the program takes samples of the front end {description['name']}; train on "
            "recordings"
        )
    binning = Binning.of({key: value for key, value in description.items() if key != "name"})
    if is_spike_file(path):
        return binned_spikes(path, one_row(path, binning))[0]
    return event_frames(read_events(path), binning)[None]


def _is_array_file(source: Source) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix.lower() in ARRAYS


def _raw_array(source: Source, description: Mapping[str, Any], axes: int, shape: tuple[int, ...]) -> Array:
    if not _is_array_file(source):
        where = source if isinstance(source, str | Path) else getattr(source, "name", "stream")
        raise DataError(
            f"{where}: raw samples of the front end {description['name']} come from a .npy or .npz file "
            f"({FORMS[axes]}){', or a .wav file' if axes == 1 else ''}"
        )
    raw = read_one_array(Path(str(source)).expanduser())
    if raw.ndim == axes:
        raw = raw[None]
    if raw.ndim != axes + 1 or raw.size == 0:
        raise DataError(f"{source}: has shape {raw.shape}, expected {FORMS[axes]}")
    check_finite(str(source), raw)
    if axes == 1:
        low, high = clip_length(description, shape)
        if not low <= raw.shape[1] <= high:
            raise DataError(
                f"{source}: {len(raw)} clip(s) of {raw.shape[1]} samples, expected {low} to {high} samples at "
                f"{description['sample_rate']} Hz; cut them or add zeros as in training"
            )
    return raw


def _clip(path: Path, description: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    clip, rate = read_audio(path, description, shape)
    mixed = _mixed(description)
    low, high = clip_length(description, shape) if mixed else (shape[1], shape[1])
    if clip.shape[1] > high:
        warnings.warn(
            f"{path}: {clip.shape[1]} samples ({clip.shape[1] / rate:.2f} s); only the first {low} "
            f"({low / rate:.2f} s) are looked at, as in training",
            UserWarning,
            stacklevel=3,
        )
    fitted = fit_length([clip], max(low, min(clip.shape[1], high)))
    return fitted[:, 0] if mixed else fitted


def read_audio(path: Path, description: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[Array, int]:
    """A WAV file of any length for a front end: int16 ``[channels, samples]``, mixed to one as in training; its rate.

    Raises:
        DataError: when the file cannot be read or is not of the rate or the channels of training.
    """
    rate = audio_rate(str(path), description, shape)
    mixed = _mixed(description)
    clip, found = read_wav(path, mix=mixed or shape[0] == 1)
    check_rate(str(path), found, rate)
    if not mixed and len(clip) != shape[0]:
        raise DataError(f"{path}: {len(clip)} audio channels, expected {shape[0]} as in training")
    return clip, rate


def audio_rate(where: str, description: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """The sample rate in Hz of the audio that a front end was trained on.

    Raises:
        DataError: when it notes none, or samples have no shape of audio.
    """
    rate = description.get("sample_rate")
    if rate is None or len(shape) != 2:
        raise DataError(
            f"{where}: the program takes no WAV clips: its samples have shape {shape} and its front end "
            f"{description['name']} notes {'no sample rate' if rate is None else f'{rate} Hz'}; give .npy or CSV"
        )
    return int(rate)


def check_rate(where: str, found: int, rate: int) -> None:
    """Whether audio has the sample rate of training.

    Raises:
        DataError: when it has not.
    """
    if found != rate:
        raise DataError(
            f"{where}: sample rate {found} Hz, expected {rate} Hz as in training; resample it to {rate} Hz"
        )


def _mixed(description: Mapping[str, Any]) -> bool:
    """Whether a front end takes clips of one channel."""
    return FRONT_ENDS[description["name"]].raw_axes == 1


def clip_length(description: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[int, int]:
    """The clip lengths that give ``shape[-1]`` frames; what exceeds the first one is in no frame."""
    settings = {key: value for key, value in description.items() if key != "name"}
    low = samples_in_frames(shape[-1], **settings)
    return low, samples_in_frames(shape[-1] + 1, **settings) - 1
