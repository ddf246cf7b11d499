"""The neuron as pure functions: one step and one sequence (SPEC 2).

State is a value that is passed: ``(current, membrane, parameters) -> (spike, membrane)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet
from shiftlif.errors import NetworkError
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
        membrane: V before the step, same shape.
        parameters: see `NeuronParameters`.

    Returns:
        ``(spikes, membrane)`` after the step, each ``[B, ...]``.
    """
    h = integrate(current, membrane, parameters)
    spikes = emit(h, parameters.scale, parameters.alphabet, parameters.surrogate)
    fed_back = spikes.detach() if parameters.detach_reset else spikes
    if parameters.reset == "soft":
        return spikes, h - fed_back
    return spikes, h * (1 - fed_back / parameters.scale)


def sequence(
    currents: Tensor, membrane: Tensor | None, parameters: NeuronParameters
) -> tuple[Tensor, Tensor, Tensor]:
    """All time steps.

    Args:
        currents: ``[T, B, ...]``, T >= 1.
        membrane: V before the first step ``[B, ...]``, or None for the zero state.
        parameters: see `NeuronParameters`.

    Returns:
        ``(spikes [T, B, ...], last membrane [B, ...], membranes after each step [T, B, ...])``.

    Raises:
        NetworkError: when there is no step, or the state does not have the shape of one step.
    """
    if currents.ndim < 2 or len(currents) < 1:
        raise NetworkError(
            f"a neuron needs currents [T, B, ...] with T >= 1, got shape {tuple(currents.shape)}"
        )
    if membrane is None:
        membrane = torch.zeros_like(currents[0])
    elif membrane.shape != currents.shape[1:]:
        raise NetworkError(
            f"state has shape {tuple(membrane.shape)} but the current of one step has shape "
            f"{tuple(currents.shape[1:])}; pass state=None to start from zero"
        )
    spikes, membranes = [], []
    for current in currents.unbind(0):
        spike, membrane = step(current, membrane, parameters)
        spikes.append(spike)
        membranes.append(membrane)
    return torch.stack(spikes), membrane, torch.stack(membranes)
