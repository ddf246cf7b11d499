"""GLIF, the gated LIF neuron (arXiv:2210.13768).

Every gate and constant is a sigmoid of a learned number, one per layer or channel; g also has one value per step.
With U the membrane after charging (it is kept unreset: the reset of a spike comes with the next step)::

    k = 1 - alpha (1 - tau)                       exponential leak, gated
    U = k U - (1 - alpha) tau_lin                 leak; the linear leak with the other half of the gate
        + (1 - beta (1 - g_t)) I                  input, with a conductance per step
        - gamma k U S - (1 - gamma) v_re S        hard and soft reset by the spike before, gated
    S = [U >= v_th]

On the right, U and S are those of the step before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shiftlif.alphabet import Alphabet, Binary
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.neuron.dynamics import OtherDynamics
from shiftlif.neuron.emission import emit
from shiftlif.neuron.step import check_state, checked_steps, loop, zero_state
from shiftlif.surrogate import ATan, Surrogate

State = tuple[Tensor, Tensor]
THRESHOLD, RETAINED, CONDUCTANCE = 0.5, 0.25, 0.5  # published initial values of v_th, tau and g


class GatedParameters(NamedTuple):
    """The numbers of one step, each in (0, 1) and broadcastable to ``[B, C, ...]``.

    Attributes:
        alphabet, surrogate: as in `shiftlif.neuron.NeuronParameters`.
        alpha: gate between exponential (1) and linear (0) leak.
        beta: gate of the conductance.
        gamma: gate between hard (1) and soft (0) reset.
        tau: what the exponential leak keeps of the membrane.
        linear: tau_lin, what the linear leak takes.
        reset: v_re, what the soft reset takes.
        threshold: v_th.
    """

    alphabet: Alphabet
    surrogate: Surrogate
    alpha: Tensor
    beta: Tensor
    gamma: Tensor
    tau: Tensor
    linear: Tensor
    reset: Tensor
    threshold: Tensor


def gated_step(
    current: Tensor, state: State, parameters: GatedParameters, conductance: Tensor
) -> tuple[Tensor, State]:
    """One time step of GLIF.

    Args:
        current: I, ``[B, ...]``.
        state: membrane U and spikes S of the step before, each ``[B, ...]``.
        parameters: see `GatedParameters`.
        conductance: g of this step.

    Returns:
        ``(spikes [B, ...], (U, S))``; spikes have the dtype of ``current``.
    """
    p = parameters
    membrane, before = state
    kept = (1 - p.alpha * (1 - p.tau)) * membrane
    h = kept - (1 - p.alpha) * p.linear + (1 - p.beta * (1 - conductance)) * current
    h = h - p.gamma * kept * before - (1 - p.gamma) * p.reset * before
    # A spike of height 1 at any threshold: the table's boundary is 1, so the membrane is moved to it.
    spikes = emit(h - p.threshold + 1, torch.ones_like(p.threshold), p.alphabet, p.surrogate)
    return spikes.to(current.dtype), (h, spikes)


class GLIF(OtherDynamics):
    """The gated LIF neuron (arXiv:2210.13768); the state is ``[B, 3, ...]``: U, S and the number of steps done.

    Args:
        steps: T, at most which it can run: g has a value for each.
        channels: None for one set of gates per layer, else one per channel (the published form).
        surrogate: pseudo-derivative g(u); None is ATan.

    The gates start at random between sigmoid(±0.1), as published, from torch's global generator. Its threshold is a
    learned number of its own, so ``scale`` stays 1.

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    refusal = (
        "its gates multiply the membrane by learned real numbers, which additions and shifts cannot do; train PLIF or "
        "LIF for deployment"
    )
    calibrates = False

    def __init__(
        self, steps: int, *, channels: int | None = None, surrogate: Surrogate | None = None
    ) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ConfigurationError(f"GLIF: steps must be a whole number of at least 1, got {steps!r}")
        super().__init__(Binary(), surrogate=ATan() if surrogate is None else surrogate)
        self.steps = steps
        shape = (1,) if channels is None else (channels,)
        self.gate_channels = channels
        self.alpha, self.beta, self.gamma = (nn.Parameter(0.2 * (torch.rand(shape) - 0.5)) for _ in range(3))
        self.retained = _logit(RETAINED, shape)
        self.threshold = _logit(THRESHOLD, shape)
        self.linear = _logit(THRESHOLD / (2 * steps), shape)
        self.soft_reset = _logit(THRESHOLD, shape)
        # Without channels a vector, not a matrix: optimisers decay matrices.
        self.conductance = _logit(CONDUCTANCE, (steps,) if channels is None else (steps, channels))

    def gates(self, rank: int) -> tuple[GatedParameters, Tensor]:
        """The parameters for currents ``[B, C, ...]`` of the given rank, and g of every step ``[T, ...]``."""
        shape = (-1,) if self.gate_channels is None else (1, -1, *(1,) * (rank - 2))
        raw = (self.alpha, self.beta, self.gamma, self.retained, self.linear, self.soft_reset, self.threshold)
        values = (torch.sigmoid(x).view(shape) for x in raw)
        conductances = torch.sigmoid(self.conductance).view(self.steps, *shape)
        return GatedParameters(self.alphabet, self.surrogate, *values), conductances

    def run(
        self,
        currents: Tensor,
        membrane: Tensor | None,
        *,
        steps: int | None = None,
        last: bool = True,
        record: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Spikes ``[T, B, ...]``, last state ``[B, 3, ...]``, membranes ``[T, B, ...]``, like `SpikingNeuron.run`.

        Raises:
            NetworkError: as there, and beyond the steps that it was built for.
        """
        steps = checked_steps(currents, steps)
        batch, *shape = currents.shape[1:]
        check_state(membrane, (batch, 3, *shape), currents)
        zero = zero_state(currents)
        start = (zero, zero) if membrane is None else (membrane[:, 0], membrane[:, 1])
        done = 0 if membrane is None or not membrane.numel() else int(membrane[:, 2].flatten()[0])
        if done + steps > self.steps:
            raise NetworkError(
                f"GLIF was built for {self.steps} steps and would run {done + steps}: its conductance has one value "
                "a step; start from state=None, or build it with more steps"
            )
        p, g = self.gates(currents.ndim - 1)
        spikes, (h, s), states = loop(
            lambda t, current, state: gated_step(current, state, p, g[done + t]),
            currents,
            start,
            steps,
            record,
        )
        state = torch.stack((h, s, torch.full_like(h, done + steps)), 1) if last else None
        return spikes, state, torch.stack([u for u, _ in states]) if record else None


def _logit(value: float, shape: tuple[int, ...]) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, math.log(value / (1 - value))))
