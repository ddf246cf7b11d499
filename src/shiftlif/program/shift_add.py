"""Synapses by shifts and adds: ``W n = sum_p (W d_p) << p`` over the binary digits of ``n`` (SPEC 6).

A digit plane ``d_p`` holds -1, 0 and 1, so it only selects weights and negates them: the deployed code
adds, subtracts and shifts. Here the selection sums run as matrix products because they are exact: with
planes of -1, 0, 1 no partial sum of any order exceeds ``sum |w|``, far below 2^53 (2^24 for float32).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

IntArray = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]


def digit_planes(n: IntArray) -> Iterator[tuple[int, npt.NDArray[np.int8]]]:
    """Sign-magnitude binary digits: yields ``(p, plane)`` with ``n = sum_p plane << p``.

    Args:
        n: integers of any shape.

    Yields:
        Every power ``p`` that occurs, lowest first, with its plane of -1, 0, 1 (int8, the shape of n).
    """
    wide = n.astype(np.int64)  # |-128| does not fit int8
    magnitude, sign = np.abs(wide), np.sign(wide).astype(np.int8)
    for p in range(int(magnitude.max(initial=0)).bit_length()):
        bit = ((magnitude >> p) & 1).astype(np.int8)
        if bit.any():
            yield p, np.where(sign < 0, -bit, bit)


def signed_digits(value: int) -> tuple[int, int]:
    """Bit masks of the positive and the negative digits of the non-adjacent form.

    ``value = sum 2^p over the first - sum 2^p over the second``, with the fewest digits (Reitwiesner, 1960).
    """
    magnitude = abs(value)
    plus, minus = (3 * magnitude & ~magnitude) >> 1, (magnitude & ~(3 * magnitude)) >> 1
    return (minus, plus) if value < 0 else (plus, minus)


def count_digits(n: IntArray) -> Int64:
    """Set bits of ``|n|``, elementwise: the adds that one event costs per connection."""
    total = np.zeros(n.shape, np.int64)
    for _, plane in digit_planes(n):
        total += np.abs(plane)
    return total


def _selection_dtype(weight: IntArray) -> type:
    rows = np.abs(weight.astype(np.int64)).reshape(weight.shape[0], -1).sum(axis=1)
    return np.float32 if int(rows.max()) < 2**24 else np.float64


def linear(weight: npt.NDArray[np.int8], n: IntArray) -> Int64:
    """Dense current: ``[out, in]`` and ``[B, in]`` to int64 ``[B, out]``."""
    dtype = _selection_dtype(weight)
    columns: IntArray = weight.T.astype(dtype)
    total = np.zeros((n.shape[0], weight.shape[0]), np.int64)
    for p, plane in digit_planes(n):
        total += (plane.astype(dtype) @ columns).astype(np.int64) << p
    return total


def windows(
    n: IntArray, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...] | None = None
) -> IntArray:
    """All complete windows as a view: ``[B, C, *spatial]`` to ``[B, C, *out, *kernel]``."""
    dilation = dilation or (1,) * len(kernel)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    view: IntArray = sliding_window_view(n, reach, axis=tuple(range(2, n.ndim)))
    steps = [slice(None)] * 2 + [slice(None, None, s) for s in (*stride, *dilation)]
    selected: IntArray = view[tuple(steps)]
    return selected


def convolve(
    weight: npt.NDArray[np.int8],
    n: IntArray,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Int64:
    """Convolution current.

    Args:
        weight: ``[out, in / groups, *kernel]``.
        n: integers ``[B, in, *spatial]``.
        stride: per spatial axis, like padding and dilation.
        padding: zeros on both sides.
        dilation: distance of neighbouring taps.
        groups: divides ``in`` and ``out``.

    Returns:
        int64 ``[B, out, *positions]``.
    """
    batch, channels = n.shape[:2]
    axes, kernel = n.ndim - 2, weight.shape[2:]
    dtype = _selection_dtype(weight)
    # [groups, taps, out / groups]: one matrix product per group
    columns: IntArray = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(0, 2, 1).astype(dtype)
    padded = np.pad(n, [(0, 0), (0, 0), *((p, p) for p in padding)])
    total: Int64 | int = 0
    positions: tuple[int, ...] = windows(padded, kernel, stride, dilation).shape[2 : 2 + axes]
    for p, plane in digit_planes(padded):
        view = windows(plane.astype(dtype), kernel, stride, dilation)
        grouped = view.reshape(batch, groups, channels // groups, *view.shape[2:])
        spatial, taps = range(3, 3 + axes), range(3 + axes, 3 + 2 * axes)
        rows = grouped.transpose(1, 0, *spatial, 2, *taps).reshape(groups, -1, columns.shape[1])
        total = total + ((rows @ columns).astype(np.int64) << p)  # [groups, B * positions, out / groups]
    if isinstance(total, int):  # every input was 0
        return np.zeros((batch, weight.shape[0], *positions), np.int64)
    shaped = total.reshape(groups, batch, *positions, -1)
    moved = shaped.transpose(1, 0, 2 + axes, *range(2, 2 + axes))
    return moved.reshape(batch, weight.shape[0], *positions)
