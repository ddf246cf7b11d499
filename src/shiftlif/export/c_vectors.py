"""Golden vectors for a self-test: frames, and checksums of what the reference interpreter computed from them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.export.c_tables import array, checksum_bytes
from shiftlif.program import IntegerProgram
from shiftlif.program.state import is_sequence
from shiftlif.runtime import Plan

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class CVectors:
    """What the self-test compares.

    Attributes:
        frames: int8 ``[samples, frames, frame size]``; one frame, or one for every step.
        checksums: uint32 ``[samples, steps, layers, 2]``: CRC-32 of the letters and of the membranes (int32, little
            endian) of every neuron and the read-out, as they lie in memory: ``[positions, channels]``.
        scores: int32 ``[samples, classes]``.
        layers: index of each layer's operation in the plan.
    """

    frames: Int8
    checksums: npt.NDArray[np.uint32]
    scores: npt.NDArray[np.int32]
    layers: tuple[int, ...]


def record_for_c(program: IntegerProgram, plan: Plan, x: Int8) -> CVectors:
    """Runs the reference interpreter on ``x`` (``[B, ...]`` or ``[T, B, ...]``) and takes the checksums."""
    result = program.run(x, record=True)
    sequence = is_sequence(program, x)
    samples = x.shape[int(sequence)]
    frames = x.swapaxes(0, 1).reshape(samples, x.shape[0], -1) if sequence else x.reshape(samples, 1, -1)
    layers = tuple(index for index, _, _ in plan.stateful)
    steps = next(iter(result.membranes.values())).shape[0]
    sums = np.zeros((samples, steps, len(layers), 2), np.uint32)
    for at, layer in enumerate(layers):
        name = plan.steps[layer].name
        for b in range(samples):
            for t in range(steps):
                if name in result.letters:
                    sums[b, t, at, 0] = _checksum(result.letters[name][t, b])
                sums[b, t, at, 1] = _checksum(result.membranes[name][t, b])
    return CVectors(np.ascontiguousarray(frames), sums, result.logits, layers)


def _checksum(values: npt.NDArray[Any]) -> int:
    """Of an array ``[C, *spatial]`` in the order ``[positions][channels]``."""
    return zlib.crc32(checksum_bytes(values.reshape(values.shape[0], -1).T))


def random_frames(program: IntegerProgram, samples: int, sequence: bool) -> Int8:
    """Frames for a self-test where there is no data: of normal, silent and extreme values, always the same."""
    rng, low, high = np.random.default_rng(0), program.input.low, program.input.high
    shape = (samples, *program.input_shape)
    x = np.clip(np.round(rng.normal(size=(program.steps, *shape) if sequence else shape) * 32), low, high)
    index = (slice(None),) if sequence else ()
    if samples > 1:
        x[(*index, samples - 1)] = high
    if samples > 2:
        x[(*index, samples - 2)] = low
    return x.astype(np.int8)


def vector_tables(vectors: CVectors) -> str:
    """The arrays of ``vectors.c``."""
    return "\n".join(
        (
            array("frames", vectors.frames),
            array("checksums", vectors.checksums),
            array("scores", vectors.scores),
        )
    )
