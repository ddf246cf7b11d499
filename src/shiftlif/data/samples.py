"""Samples without labels, for inference: from a ``.npy``, ``.npz`` or CSV file, or a CSV stream."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.checks import check_finite
from shiftlif.data.csv_table import Source, Table, cut_windows, read_csv
from shiftlif.data.features import as_float32
from shiftlif.data.npz import read_array, read_arrays
from shiftlif.errors import DataError

Float32 = npt.NDArray[np.float32]


def read_samples(source: Source, sample_shape: Sequence[int]) -> Float32:
    """Read samples of a known shape; the file's form decides how, and nothing is guessed.

    ``.npy``, and ``.npz`` with an array ``x`` or a single array: shape ``[N, *sample_shape]``, or
    ``sample_shape`` for one sample; where ``sample_shape`` begins with one channel that axis may be left out.

    CSV (``.csv``, ``.txt`` or a stream):

    - as many columns as a sample has values: each line is one sample, flattened in C order;
    - else, for samples ``[C, time]``, exactly C columns and a multiple of ``time`` rows: rows are time steps,
      windows follow one another;
    - anything else is an error.

    Args:
        source: a path, or an open stream (text or bytes) that holds CSV, such as standard input.
        sample_shape: shape of one sample, such as ``dataset.sample_shape``; for event frames
            ``[T, C, H, W]``.

    Returns:
        float32 ``[N, *sample_shape]``, all finite.

    Raises:
        DataError: when the source cannot be read or has another form; the message names file, line and what
            was expected.
    """
    shape = tuple(int(size) for size in sample_shape)
    if not shape or min(shape) < 1:
        raise DataError(f"sample shape is {shape}, expected positive sizes such as (C, time)")
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        suffix = path.suffix.lower()
        if suffix in (".npy", ".npz"):
            return _from_array(str(path), read_one_array(path), shape)
        if suffix not in (".csv", ".txt"):
            raise DataError(f"{path}: expected a .npy, .npz, .csv or .txt file; convert it to one of them")
        return _from_table(read_csv(path), shape)
    return _from_table(read_csv(source), shape)


def read_one_array(path: Path) -> npt.NDArray[Any]:
    """The array of a ``.npy`` file, or of an ``.npz`` file the array ``x`` or the only one.

    Raises:
        DataError: when the file cannot be read, or holds several arrays.
    """
    if path.suffix.lower() == ".npy":
        return read_array(path)
    arrays = read_arrays(path)
    if "x" in arrays:
        return arrays["x"]
    if len(arrays) != 1:
        raise DataError(
            f"{path}: holds {', '.join(arrays) or 'nothing'}; expected an array x, or one array only"
        )
    return next(iter(arrays.values()))


def _from_array(where: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> Float32:
    forms = (shape, shape[1:]) if shape[0] == 1 and len(shape) > 1 else (shape,)
    for form in forms:
        if array.shape == form or (array.shape[1:] == form and array.ndim == len(form) + 1):
            samples = as_float32(array).reshape(-1, *shape)
            break
    else:
        raise DataError(
            f"{where}: has shape {array.shape}, expected [N, {', '.join(map(str, shape))}] or {shape}"
        )
    if len(samples) == 0:
        raise DataError(f"{where}: holds no sample (shape {array.shape}); expected at least one")
    check_finite(where, samples)
    return samples


def _from_table(table: Table, shape: tuple[int, ...]) -> Float32:
    columns = table.values.shape[1]
    if columns == prod(shape):
        return table.values.reshape(-1, *shape)
    if len(shape) == 2 and columns == shape[0]:
        return cut_windows(table, shape[1])
    windows = f"{shape[0]} (channels; {shape[1]} rows, one per time step, are a sample), or " * (
        len(shape) == 2
    )
    raise DataError(
        f"{table.where}: {columns} columns, expected {windows}{prod(shape)} (one sample of shape {shape} per line, C "
        f"order)"
    )
