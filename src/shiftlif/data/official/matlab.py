"""MATLAB files (version 5 to 7.2), with errors that name the file and what it holds."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]


def read_mat(path: Path, expected: Mapping[str, Shape]) -> dict[str, Array]:
    """The named numeric arrays of a ``.mat`` file.

    Args:
        path: the file.
        expected: shape of each array; None is any size.

    Raises:
        DataError: when the file cannot be read, an array is missing or of another shape or kind, or SciPy
            (``pip install 'shiftlif[train]'`` brings it) is not installed.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise DataError(
            f"{path}: .mat files need SciPy, which is not installed: pip install scipy"
        ) from error
    try:
        content = loadmat(path, appendmat=False, variable_names=list(expected))
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; unpack the set's archive again") from error
    except NotImplementedError as error:
        raise DataError(f"{path}: is a MATLAB 7.3 file; save it with -v7 in MATLAB") from error
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        IndexError,
        zlib.error,
        MatReadError,
    ) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}); copy it again") from error
    arrays = {}
    for name, shape in expected.items():
        if name not in content:
            raise DataError(
                f"{path}: holds no array {name}, expected {', '.join(expected)}; is it another file?"
            )
        array = np.asarray(content[name])
        fits = array.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in "fiu":
            form = ", ".join("N" if size is None else str(size) for size in shape)
            raise DataError(
                f"{path}: {name} is {array.dtype} {array.shape}, expected numbers [{form}]; copy it again"
            )
        arrays[name] = array
    return arrays
