"""The neuron as pure functions: one step and one sequence (SPEC 2).

State is a value that is passed: ``(current, membrane, parameters) -> (spike, membrane)``. A sequence runs in the fused
kernels where they can (`shiftlif.kernels.use` chooses); the loop over `step` is the reference that defines it.
Currents of half precision are integrated in float32, and their spikes come back in the currents' dtype.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet
from shiftlif.errors import NetworkError
from shiftlif.kernels import Call, channel_size, fused_sequence, mechanism_of, runs_fused
from shiftlif.neuron.emission import emit
from shiftlif.surrogate import Surrogate


class NeuronParameters(NamedTuple):
    """Everything a step needs besides current and state.

    Attributes:
        alphabet: the letters.
        surrogate: the pseudo-derivative g(u).
        scale: s > 0, broadcastable to ``[B, C, ...]``.
        decay: 1 / tau, in [0, 1]; 0 is a neuron without leak.
        decay_input: whether the leak also divides the input by tau.
        reset: ``soft`` subtracts the spike, ``hard`` sets the membrane to 0 (Binary only).
        detach_reset: whether the reset is left out of the gradient.
    """

    alphabet: Alphabet
    surrogate: Surrogate
    scale: Tensor
    decay: Tensor
    decay_input: bool
    reset: str
    detach_reset: bool


def integrate(current: Tensor, membrane: Tensor, parameters: NeuronParameters) -> Tensor:
    """H: ``V + (I - V) / tau`` with ``decay_input``, else ``(1 - 1/tau) V + I``."""
    if parameters.decay_input:
        return membrane + (current - membrane) * parameters.decay
    return membrane - membrane * parameters.decay + current


def step(current: Tensor, membrane: Tensor, parameters: NeuronParameters) -> tuple[Tensor, Tensor]:
    """One time step: integrate and leak, emit, reset.

    Args:
        current: I, ``[B, ...]``.
        membrane: V before the step, same shape; float32 where the current has half precision.
        parameters: see `NeuronParameters`.

    Returns:
        ``(spikes, membrane)`` after the step, each ``[B, ...]``; spikes have the dtype of ``current``.
    """
    h = integrate(current, membrane, parameters)
    spikes = emit(h, parameters.scale, parameters.alphabet, parameters.surrogate)
    fed_back = spikes.detach() if parameters.detach_reset else spikes
    if parameters.reset == "soft":
        membrane = h - fed_back
    else:
        membrane = h * (1 - fed_back / parameters.scale)
    return spikes.to(current.dtype), membrane


def zero_state(currents: Tensor) -> Tensor:
    """V before the first step, ``[B, ...]`` of currents ``[S, B, ...]``."""
    half = currents.dtype in (torch.bfloat16, torch.float16)
    return torch.zeros_like(currents[0], dtype=torch.float32 if half else None)


def sequence(
    currents: Tensor,
    membrane: Tensor | None,
    parameters: NeuronParameters,
    *,
    steps: int | None = None,
    last: bool = True,
    record: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """All time steps.

    Args:
        currents: ``[T, B, ...]``, T >= 1; or ``[1, B, ...]`` with ``steps`` for the same current at every step.
        membrane: V before the first step ``[B, ...]``, or None for the zero state.
        parameters: see `NeuronParameters`.
        steps: T, where it is not the length of ``currents``.
        last: return the last membrane.
        record: return the membranes.

    Returns:
        ``(spikes [T, B, ...], last membrane [B, ...], membranes after each step [T, B, ...])``, each of the latter
        None where it is not asked for.

    Raises:
        NetworkError: when there is no step, the state does not have the shape of one step, or fused kernels were
            demanded and cannot run this neuron.
    """
    if currents.ndim < 2 or len(currents) < 1:
        raise NetworkError(
            f"a neuron needs currents [T, B, ...] with T >= 1, got shape {tuple(currents.shape)}"
        )
    steps = len(currents) if steps is None else steps
    if len(currents) not in (1, steps):
        raise NetworkError(
            f"currents hold {len(currents)} steps, expected {steps} or 1 for a constant current"
        )
    if membrane is not None and membrane.shape != currents.shape[1:]:
        raise NetworkError(
            f"state has shape {tuple(membrane.shape)} but the current of one step has shape "
            f"{tuple(currents.shape[1:])}; pass state=None to start from zero"
        )
    p = parameters
    neuron = mechanism_of(p.alphabet, p.surrogate, p.decay_input, p.reset, p.detach_reset)
    if runs_fused(neuron, currents, membrane, p.scale, p.decay) and neuron is not None:
        shared = channel_size(p.scale, currents) or 1
        scale = p.scale if p.scale.ndim == 1 else p.scale.flatten()
        call = Call(currents, membrane, scale, p.decay, steps, shared, neuron)
        return fused_sequence(call, last, record)
    return reference_sequence(currents, membrane, parameters, steps, record)


def reference_sequence(
    currents: Tensor, membrane: Tensor | None, parameters: NeuronParameters, steps: int, record: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`sequence` as a loop over `step`, which is what the kernels are compared with."""
    membrane = zero_state(currents) if membrane is None else membrane
    spikes, membranes = [], []
    for t in range(steps):
        spike, membrane = step(currents[min(t, len(currents) - 1)], membrane, parameters)
        spikes.append(spike)
        if record:
            membranes.append(membrane)
    return torch.stack(spikes), membrane, torch.stack(membranes) if record else None
