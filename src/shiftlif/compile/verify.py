"""Proof by comparison: prepared network, interpreter and engine, every letter and membrane (SPEC 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shiftlif.errors import CompileError, NetworkError
from shiftlif.network import Network, Observation, direct_code, evaluating, require_network
from shiftlif.program import IntegerProgram, compare_traces
from shiftlif.quantize import IntegerInput, IntegerReadout
from shiftlif.runtime import Comparison

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Verification:
    """What was compared and found equal.

    Attributes:
        samples: how many.
        steps: time steps of each.
        letters: how many letters were compared.
        membranes: how many membranes, sums of the read-out included.
        agreement: share of samples on which everything is equal; 1.0, since a difference raises.
        predictions: class index of each sample, int64 ``[samples]``.
        compared: what was found equal; it says so where there was no engine to compare.
    """

    samples: int
    steps: int
    letters: int
    membranes: int
    agreement: float
    predictions: npt.NDArray[np.int64]
    compared: str

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form without the predictions."""
        return {k: v for k, v in asdict(self).items() if k != "predictions"}


def verify(
    prepared: Network,
    program: IntegerProgram,
    x: Int8,
    *,
    steps: int | None = None,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Run all on int8 frames and compare letters and membranes at every step and layer.

    The prepared network is compared with the program in the reference interpreter, and the interpreter with the engine,
    in its fastest and its portable path, where it is built.

    Args:
        prepared: the network that the program was converted from.
        program: the integer program.
        x: ``[N, *shape]`` presented at every step, or ``[N, T, *shape]``, a frame for every step.
        steps: T of direct coding; the program's own when None.
        batch_size: samples compared at once.
        progress: called with (samples done, samples in all), first with none done.

    Returns:
        A `Verification`.

    Raises:
        VerificationError: at the first difference, naming layer, step, sample, channel and values.
        NetworkError: no samples, or a shape that does not fit.
        CompileError: ``prepared`` is not a prepared network.
    """
    require_network(prepared)
    if not isinstance(dict(prepared.layers.items()).get("input"), IntegerInput):
        raise CompileError("verify compares a prepared network; pass what prepare(absorbed, ...) returned")
    rank = len(program.input_shape)
    if x.ndim not in (rank + 1, rank + 2) or len(x) == 0:
        raise NetworkError(
            f"verify needs int8 samples [N, {', '.join(map(str, program.input_shape))}] or with a time axis behind N, "
            f"at least one; got shape {x.shape}"
        )
    temporal = x.ndim == rank + 2
    steps = x.shape[1] if temporal else (program.steps if steps is None else steps)
    counts = {"letters": 0, "membranes": 0}
    predictions = []
    engines = Comparison(program)
    if progress is not None:
        progress(0, len(x))
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        frames = np.ascontiguousarray(batch.swapaxes(0, 1)) if temporal else batch
        result = program.run(frames, None if temporal else steps, record=True)
        letters, membranes = trace(prepared, frames, steps, program.quantizer.exponent, temporal)
        compare_traces(
            "the prepared network", (letters, membranes), "the program", (result.letters, result.membranes)
        )
        engines.require_equal(frames, result, None if temporal else steps)
        counts["letters"] += sum(array.size for array in result.letters.values())
        counts["membranes"] += sum(array.size for array in result.membranes.values())
        predictions.append(result.predictions)
        if progress is not None:
            progress(start + len(batch), len(x))
    return Verification(
        len(x),
        steps,
        counts["letters"],
        counts["membranes"],
        1.0,
        np.concatenate(predictions).astype(np.int64),
        engines.verdict("prepared network", "interpreter"),
    )


def trace(
    prepared: Network, frames: Int8, steps: int, exponent: int, temporal: bool
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """Letters and membranes ``[T, B, ...]`` of a prepared network in evaluation mode, by layer name.

    Args:
        prepared: the prepared network.
        frames: int8 ``[B, *shape]``, or ``[T, B, *shape]`` when ``temporal``.
        steps: T of direct coding.
        exponent: the quantizer's.
        temporal: whether the frames have a time axis.
    """
    letters: dict[str, npt.NDArray[Any]] = {}
    membranes: dict[str, npt.NDArray[Any]] = {}

    def keep(observation: Observation) -> None:
        membranes[observation.name] = observation.membranes.cpu().numpy()
        if not isinstance(observation.layer, IntegerReadout):
            letters[observation.name] = observation.outputs.cpu().numpy()

    device = next(prepared.parameters()).device
    x = torch.from_numpy(np.ascontiguousarray(frames)).to(device).float() * 2.0**-exponent
    with evaluating(prepared), torch.no_grad():
        prepared.run(x if temporal else direct_code(x, steps), observer=keep)
    return letters, membranes
