"""Checks that every reader shares: on a file before it is read, and on samples by their own number."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError


def check_no_device(where: str, file: Path | int) -> None:
    """Whether a path or an open descriptor is something that ends; a terminal passes, a user ends it.

    Raises:
        DataError: for a character or block device, such as ``/dev/zero``, which may never end.
    """
    try:
        mode = os.stat(file).st_mode
    except OSError:
        return  # the reader says what is wrong
    device = stat.S_ISBLK(mode) or stat.S_ISCHR(mode)
    if device and not (isinstance(file, int) and os.isatty(file)):
        raise DataError(f"{where}: is a device, expected a file; check the path")


def check_finite(where: str, samples: npt.NDArray[Any]) -> None:
    """Whether samples ``[N, ...]`` hold finite numbers only.

    Raises:
        DataError: when they do not; the message names the first such sample by its number in ``samples``.
    """
    if samples.dtype.kind != "f" or not samples.ndim:
        return
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.argmin(finite.reshape(len(samples), -1).all(axis=1)))
        raise DataError(
            f"{where}: sample {first} (counted from 0) is the first that holds NaN or infinity; repair or "
            f"remove such samples"
        )


def check_labels(where: str, labels: npt.NDArray[Any], classes: int) -> None:
    """Whether integer labels ``[N]`` are indices into the classes.

    Raises:
        DataError: when one is not; the message names the first by its number in ``labels``.
    """
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            f"{where}: sample {first} (counted from 0) has label {int(labels[first])}, expected 0 to "
            f"{classes - 1} (indices into {classes} classes); labels count from 0"
        )
