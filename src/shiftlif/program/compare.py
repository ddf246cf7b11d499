"""Equality of two renderings on letters and membranes, at every step and layer (SPEC 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import VerificationError

Array = npt.NDArray[Any]
Trace = tuple[Mapping[str, Array], Mapping[str, Array]]  # (letters, membranes), each [T, B, ...] by layer


def first_mismatch(a: Array, b: Array) -> tuple[int, ...] | None:
    """The first index, in C order, at which a and b, two arrays of one shape, differ; None when they are equal."""
    different = np.asarray(a != b)
    if not different.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(different)), different.shape))


def _text(value: Any) -> str:
    number = value.item() if hasattr(value, "item") else value
    return str(int(number)) if float(number).is_integer() else repr(number)


def _channel(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else str(index)


def compare_traces(name_a: str, trace_a: Trace, name_b: str, trace_b: Trace) -> None:
    """Walks steps first, then layers in program order, letters before membranes.

    Args:
        name_a: what messages call the first rendering, for example ``the prepared network``.
        trace_a: its letters and membranes, each ``[T, B, C, ...]`` by layer name in program order.
        name_b: the second rendering.
        trace_b: its traces; any number dtype.

    Raises:
        VerificationError: at the first difference, with layer, step, sample, channel and both values;
            or when layers or shapes differ.
    """
    steps = 0
    for what, a, b in zip(("letters", "membranes"), trace_a, trace_b, strict=True):
        if set(a) != set(b):
            only = sorted(set(a) ^ set(b))
            raise VerificationError(
                f"{what}: {only} exist in one of {name_a} and {name_b} only; record the same layers"
            )
        for layer in a:
            if a[layer].shape != b[layer].shape:
                raise VerificationError(
                    f"layer {layer}: {what} have shape {a[layer].shape} in {name_a} "
                    f"and {b[layer].shape} in {name_b}"
                )
            steps = max(steps, a[layer].shape[0])
    layers = list(trace_a[1]) + [layer for layer in trace_a[0] if layer not in trace_a[1]]
    for step in range(steps):
        for layer in layers:
            for what, a, b in zip(("letter", "membrane"), trace_a, trace_b, strict=True):
                if layer in a and step < a[layer].shape[0]:
                    _compare_step(layer, step, what, (name_a, a[layer][step]), (name_b, b[layer][step]))


def _compare_step(layer: str, step: int, what: str, a: tuple[str, Array], b: tuple[str, Array]) -> None:
    index = first_mismatch(a[1], b[1])
    if index is not None:
        raise VerificationError(
            f"layer {layer}, step {step}, sample {index[0]}, channel {_channel(index[1:])}: {what} is "
            f"{_text(a[1][index])} in {a[0]} and {_text(b[1][index])} in {b[0]}"
        )
