"""The neuron as pure functions: one step and one sequence (SPEC 2).

State is a value that is passed: ``(current, membrane, parameters) -> (spike, membrane)``. A sequence runs in the fused
kernels where they can (`shiftlif.kernels.use` chooses); the loop over `step` is the reference that defines it.
Currents of half precision are integrated in float32, and their spikes come back in the currents' dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet, Binary
from shiftlif.errors import NetworkError
from shiftlif.kernels import Call, Mechanism, channel_size, fused_sequence, mechanism_of, runs_fused
from shiftlif.neuron.emission import emit
from shiftlif.neuron.straight_through import straight_through
from shiftlif.surrogate import Surrogate

S = TypeVar("S")


class NeuronParameters(NamedTuple):
    """Everything a step needs besides current and state.

    Attributes:
        alphabet: the letters.
        surrogate: the pseudo-derivative g(u).
        scale: s > 0, broadcastable to ``[B, C, ...]``.
        decay: 1 / tau, in [0, 1]; 0 is a neuron without leak.
        decay_input: whether the leak also divides the input by tau.
        reset: ``soft`` subtracts the spike, ``hard`` sets the membrane to 0 where one was emitted (Binary, Ternary).
        detach_reset: whether the reset is left out of the gradient.
        reset_gain: what a soft reset multiplies the spike by, > 0.
        input_gain: what the current is multiplied by before anything else, > 0.
    """

    alphabet: Alphabet
    surrogate: Surrogate
    scale: Tensor
    decay: Tensor
    decay_input: bool
    reset: str
    detach_reset: bool
    reset_gain: float = 1.0
    input_gain: float = 1.0


def integrate(current: Tensor, membrane: Tensor, parameters: NeuronParameters) -> Tensor:
    """H ``[B, ...]``: ``V + (I - V) / tau`` with ``decay_input``, else ``(1 - 1/tau) V + I``; arguments as `step`."""
    if parameters.input_gain != 1:
        current = current * parameters.input_gain
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
        membrane = h - (fed_back if parameters.reset_gain == 1 else parameters.reset_gain * fed_back)
    else:
        membrane = h * (1 - _cleared(h, fed_back, parameters))
    return spikes.to(current.dtype), membrane


def _cleared(h: Tensor, fed_back: Tensor, parameters: NeuronParameters) -> Tensor:
    """1 where a hard reset clears the membrane, else 0.

    For two letters that is the letter. For three it is ``[u >= 1] + [u <= -1]``, whose derivative falls at the lower
    boundary: not that of ``|q|`` by the chain rule, which would lose every neuron that is silent. The scale learns
    from the spikes alone there, because the factor of its gradient is defined for them.
    """
    if not parameters.alphabet.signed:
        return fed_back / parameters.scale
    cleared = (fed_back != 0).to(h.dtype)
    if parameters.detach_reset:
        return cleared
    scale = parameters.scale.detach()
    up, down = (emit(x, scale, Binary(), parameters.surrogate) for x in (h, -h))
    return straight_through((up + down) / scale, cleared)


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
    steps = checked_steps(currents, steps)
    check_state(membrane, currents.shape[1:], currents)
    p = parameters
    neuron = mechanism_of(p.alphabet, p.surrogate, p.decay_input, p.reset, p.detach_reset, p.reset_gain)
    if runs_fused(neuron, currents, membrane, p.scale, p.decay) and isinstance(neuron, Mechanism):
        shared = channel_size(p.scale, currents) or 1
        scale = p.scale if p.scale.ndim == 1 else p.scale.flatten()
        if p.input_gain != 1:
            currents = currents * p.input_gain
        call = Call(currents, membrane, scale, p.decay, steps, shared, neuron)
        return fused_sequence(call, last, record)
    return reference_sequence(currents, membrane, parameters, steps, record)


def reference_sequence(
    currents: Tensor, membrane: Tensor | None, parameters: NeuronParameters, steps: int, record: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`sequence` as a loop over `step`, which is what the kernels are compared with."""
    start = zero_state(currents) if membrane is None else membrane
    spikes, last, membranes = loop(lambda _, i, v: step(i, v, parameters), currents, start, steps, record)
    return spikes, last, torch.stack(membranes) if record else None


def loop(
    advance: Callable[[int, Tensor, S], tuple[Tensor, S]],
    currents: Tensor,
    state: S,
    steps: int,
    record: bool,
) -> tuple[Tensor, S, list[S]]:
    """Spikes ``[T, B, ...]``, the last state and, where recorded, the state after each step.

    Args:
        advance: one step, ``(t, current [B, ...], state) -> (spike [B, ...], state)``.
        currents: ``[T, B, ...]``, or ``[1, B, ...]`` for the same current at every step.
        state: before the first step.
        steps: T.
        record: keep the states.
    """
    spikes, states = [], []
    for t in range(steps):
        spike, state = advance(t, currents[min(t, len(currents) - 1)], state)
        spikes.append(spike)
        if record:
            states.append(state)
    return torch.stack(spikes), state, states


def checked_steps(currents: Tensor, steps: int | None) -> int:
    """T of ``currents [T, B, ...]``, or ``steps`` where they hold one step for all.

    Raises:
        NetworkError: there is no step, or the two do not fit each other.
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
    return steps


def check_state(state: Tensor | None, expected: tuple[int, ...], currents: Tensor) -> None:
    """Raise a NetworkError unless ``state`` is None or has the shape that belongs to ``currents [T, B, ...]``."""
    if state is not None and state.shape != expected:
        raise NetworkError(
            f"state has shape {tuple(state.shape)}, expected {tuple(expected)} for a current of one step of shape "
            f"{tuple(currents.shape[1:])}; pass state=None to start from zero"
        )
