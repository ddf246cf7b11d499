"""WAV files as int16 PCM clips, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_no_device
from shiftlif.errors import DataError

Int16 = npt.NDArray[np.int16]


def read_wav(path: Path, mix: bool) -> tuple[Int16, int]:
    """One clip ``[channels, samples]`` and its sample rate in Hz; ``mix`` averages the channels to one.

    Raises:
        DataError: when the file cannot be read or is empty, or soundfile (``pip install 'shiftlif[audio]'``)
            is not installed.
    """
    try:
        import soundfile
    except ImportError as error:
        raise DataError(
            "WAV files need soundfile, which is not installed: pip install 'shiftlif[audio]'"
        ) from error
    if not path.exists():
        raise DataError(f"{path}: there is no such file; check the path")
    check_no_device(str(path), path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, floating = file.samplerate, file.subtype in ("FLOAT", "DOUBLE")
            clip = file.read(dtype="float64" if floating else "int16", always_2d=True)
    except (RuntimeError, OSError) as error:
        raise DataError(f"{path}: cannot be read as WAV ({error}); convert it to 16-bit PCM") from error
    if len(clip) == 0:
        raise DataError(f"{path}: holds no samples; remove it")
    if floating:  # libsndfile would turn -1..1 into -1, 0 and 1
        clip = np.clip(np.round(clip * 32768), -32768, 32767).astype(np.int16)
    if mix:
        clip = np.round(clip.mean(axis=1, keepdims=True)).astype(np.int16)
    return clip.T, int(rate)


def fit_length(clips: list[Int16], length: int) -> npt.NDArray[Any]:
    """Clips ``[channels, samples]`` as ``[N, channels, length]``: zeros at the end, or the end cut off."""
    out = np.zeros((len(clips), len(clips[0]), length), np.int16)
    for row, clip in zip(out, clips, strict=True):
        row[:, : clip.shape[1]] = clip[:, :length]
    return out
