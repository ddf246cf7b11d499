"""Per-sample transformations of raw samples: pure functions, fitted to nothing.

Anything fitted (the input scale, for example) belongs to the input quantizer, which sees the training part
only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
CLIPS_AT_ONCE = 256  # bounds the memory of the framed copy to about 100 MB per second of 16 kHz audio


def as_float32(x: Array) -> Float32:
    """The samples as float32, whatever numbers they were.

    Raises:
        DataError: when they are not real numbers, or a value does not fit float32.
    """
    if x.dtype.kind not in "fiub":
        raise DataError(f"samples are {x.dtype}, expected numbers; convert them before loading")
    with np.errstate(over="ignore"):
        converted: Float32 = x.astype(np.float32)
    if x.dtype == np.float64 and np.isinf(converted).any() and not np.isinf(x).any():
        raise DataError(f"samples reach {np.abs(x).max():.3g}, beyond the range of float32; use other units")
    return converted


def log_mel(
    clips: Array,
    sample_rate: int,
    n_mels: int = 40,
    window_ms: float = 32.0,
    hop_ms: float = 20.0,
    f_min: float = 20.0,
    floor: float = 1e-6,
) -> Float32:
    """Natural logarithm of mel-band power, the usual input of keyword spotting.

    Hann window and Slaney mel bands on clips scaled to -1..1. Where the window is a power of two long this
    equals ``log(librosa.feature.melspectrogram(..., center=False) + floor)``; frames of many clips share one
    FFT call.

    Args:
        clips: int16 PCM (divided by 32768) or floats in -1..1, ``[N, samples]``.
        sample_rate: in Hz.
        n_mels: number of mel bands.
        window_ms: window length in milliseconds; the FFT takes the next power of two.
        hop_ms: distance of frames in milliseconds.
        f_min: lowest frequency in Hz; the highest is half of the sample rate.
        floor: added to the power before the logarithm, so digital silence is ``log(floor)``.

    Returns:
        float32 ``[N, n_mels, frames]``. At 8 kHz a clip of one second has 49 frames.

    Raises:
        DataError: when clips are not ``[N, samples]`` numbers or are shorter than one window, when a
            parameter is out of range, or when librosa (``pip install 'shiftlif[audio]'``) is not installed.
    """
    if clips.dtype.kind not in "fi":
        raise DataError(f"log_mel: clips are {clips.dtype}, expected int16 PCM or floats in -1 to 1")
    if clips.ndim != 2:
        raise DataError(
            f"log_mel: clips have shape {clips.shape}, expected [N, samples]; a single clip is [1, samples]"
        )
    window, hop = _window_and_hop(sample_rate, window_ms, hop_ms)
    if min(window, hop) < 1 or n_mels < 1 or floor <= 0 or not 0 <= f_min < sample_rate / 2:
        raise DataError(
            f"log_mel: sample_rate={sample_rate}, n_mels={n_mels}, window_ms={window_ms}, hop_ms={hop_ms}, "
            f"f_min={f_min}, floor={floor}; expected positive values and f_min below half of the sample rate"
        )
    if clips.shape[1] < window:
        raise DataError(f"log_mel: clips have {clips.shape[1]} samples, shorter than one window of {window}")
    n_fft = 1 << (window - 1).bit_length()
    bands = _mel_bands(sample_rate, n_fft, n_mels, f_min)
    taper = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    scale = np.float32(1 / 32768) if clips.dtype.kind == "i" else np.float32(1)
    frames = 1 + (clips.shape[1] - window) // hop
    out = np.empty((len(clips), n_mels, frames), np.float32)
    for start in range(0, len(clips), CLIPS_AT_ONCE):
        part = clips[start : start + CLIPS_AT_ONCE].astype(np.float32) * scale
        framed = np.lib.stride_tricks.sliding_window_view(part, window, axis=1)[:, ::hop]
        spectrum = np.fft.rfft(framed * taper, n=n_fft, axis=-1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        out[start : start + CLIPS_AT_ONCE] = np.log(power @ bands.T + np.float32(floor)).swapaxes(1, 2)
    return out


def samples_in_frames(frames: int, sample_rate: int, window_ms: float, hop_ms: float, **_: Any) -> int:
    """How many samples ``log_mel`` looks at to give ``frames`` frames; up to a hop more change nothing."""
    window, hop = _window_and_hop(sample_rate, window_ms, hop_ms)
    return window + (frames - 1) * hop


def standardise_sample(x: Array, epsilon: float = 1e-6) -> Float32:
    """Each sample minus its mean, divided by its standard deviation, both over all axes but the first.

    Removes a gain or offset that differs from one recording to the next, as in WiFi amplitude.

    Args:
        x: samples ``[N, ...]``.
        epsilon: smallest divisor, so a constant sample becomes zeros.

    Raises:
        DataError: when epsilon is not positive or the samples are not numbers.
    """
    if epsilon <= 0:
        raise DataError(f"standardise_sample: epsilon is {epsilon}, expected a positive number")
    flat = as_float32(x).reshape(len(x), -1).astype(np.float64)
    centred = flat - flat.mean(axis=1, keepdims=True)
    scaled = centred / np.maximum(centred.std(axis=1, keepdims=True), epsilon)
    result: Float32 = scaled.astype(np.float32).reshape(x.shape)
    return result


def sum_frames(x: Array, frames: int) -> Float32:
    """Sum event counts x over neighbouring time bins: ``[N, T0, ...]`` to ``[N, frames, ...]``.

    Bin ``i`` belongs to frame ``i * frames // T0``, so every event is counted once also where ``frames`` does
    not divide ``T0``.

    Raises:
        DataError: when ``frames`` is not between 1 and T0.
    """
    if x.ndim < 3:
        raise DataError(f"sum_frames: samples have shape {x.shape}, expected event frames [N, T, C, H, W]")
    if not 1 <= frames <= x.shape[1]:
        raise DataError(
            f"sum_frames: frames is {frames}, expected 1 to {x.shape[1]}, the bins in the recording"
        )
    starts = -(-np.arange(frames) * x.shape[1] // frames)  # first bin of each frame: ceil(f * T0 / frames)
    if frames == x.shape[1]:
        return as_float32(x)
    summed: Float32 = np.add.reduceat(x, starts, axis=1, dtype=np.float32)
    return summed


def counted_events(
    x: Array,
    frames: int,
    by: str,
    window_us: int,
    block: int,
    limit: int,
    height: int,
    width: int,
    polarities: int = 2,
) -> Float32:
    """Frames of event counts ``[N, frames, polarities, height / block, width / block]`` as they are: recordings become
    counts where they are read (`shiftlif.data.events.event_frames`, which the parameters belong to).

    Raises:
        DataError: when the samples have another shape or hold anything but whole numbers from 0 to ``limit``.
    """
    shape = (frames, polarities, blocks(height, block), width // block)
    if x.shape[1:] != shape or (x.size and (x.min() < 0 or x.max() > limit or np.any(x != np.floor(x)))):
        raise DataError(
            f"event_frames: samples have shape {x.shape} and values from {x.min(initial=0)} to {x.max(initial=0)}, "
            f"expected [N, {', '.join(map(str, shape))}] of counts from 0 to {limit}"
        )
    return as_float32(x)


def blocks(height: int, block: int) -> int:
    """Rows that a sensor of so many rows has in blocks: one row stays one."""
    return 1 if height == 1 else height // block


def _window_and_hop(sample_rate: int, window_ms: float, hop_ms: float) -> tuple[int, int]:
    return round(sample_rate * window_ms / 1000), round(sample_rate * hop_ms / 1000)


def _mel_bands(sample_rate: int, n_fft: int, n_mels: int, f_min: float) -> Float32:
    try:
        import librosa.filters  # noqa: F401
    except ImportError as error:
        raise DataError(
            "log_mel needs librosa, which is not installed: pip install 'shiftlif[audio]'"
        ) from error
    return _computed_bands(sample_rate, n_fft, n_mels, f_min)


@lru_cache(maxsize=8)  # a stream of windows asks again and again
def _computed_bands(sample_rate: int, n_fft: int, n_mels: int, f_min: float) -> Float32:
    from librosa.filters import mel

    bands: Float32 = mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min).astype(np.float32)
    bands.flags.writeable = False
    return bands
