"""CLIF, the complementary LIF neuron (arXiv:2402.04663).

With q = S / s the letter, per step::

    H = V + (I - V) / tau  or  (1 - 1/tau) V + I
    S = s Q(H / s)
    M = M sigmoid(H / tau) + q
    V = H - q (s + sigmoid(M))

The complementary potential M remembers recent spikes and deepens the reset, which gives the gradient a second path
through time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from shiftlif.alphabet import Binary
from shiftlif.neuron.dynamics import OtherDynamics
from shiftlif.neuron.emission import emit
from shiftlif.neuron.step import NeuronParameters, check_state, checked_steps, integrate, loop, zero_state
from shiftlif.surrogate import ATan

State = tuple[Tensor, Tensor]


def complementary_step(current: Tensor, state: State, parameters: NeuronParameters) -> tuple[Tensor, State]:
    """One time step of CLIF.

    Args:
        current: I, ``[B, ...]``.
        state: membrane V and complementary potential M, each ``[B, ...]``.
        parameters: see `NeuronParameters`; ``reset`` and ``reset_gain`` are not used.

    Returns:
        ``(spikes [B, ...], (V, M))``; spikes have the dtype of ``current``.
    """
    membrane, complementary = state
    h = integrate(current, membrane, parameters)
    spikes = emit(h, parameters.scale, parameters.alphabet, parameters.surrogate)
    fed_back = spikes.detach() if parameters.detach_reset else spikes
    q = fed_back / parameters.scale
    complementary = complementary * torch.sigmoid(h * parameters.decay) + q
    membrane = h - (fed_back + q * torch.sigmoid(complementary))
    return spikes.to(current.dtype), (membrane, complementary)


class CLIF(
    OtherDynamics,
    defaults={"surrogate": ATan(), "decay_input": False},
    fixed={"reset": "soft", "reset_gain": 1.0},
):
    """The complementary LIF neuron (arXiv:2402.04663); the state is ``[B, 2, ...]``: V and M.

    The published surrogate is a window of width 1 around the threshold; ATan is used here unless another is given.
    """

    refusal = (
        "its reset and its memory multiply by sigmoids of the membrane, which additions and shifts cannot do; "
        "train LIF for deployment"
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(Binary(), **self.with_settings(options))

    def run(
        self,
        currents: Tensor,
        membrane: Tensor | None,
        *,
        steps: int | None = None,
        last: bool = True,
        record: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Spikes ``[T, B, ...]``, last state ``[B, 2, ...]``, membranes ``[T, B, ...]``, like `SpikingNeuron.run`."""
        steps = checked_steps(currents, steps)
        batch, *shape = currents.shape[1:]
        check_state(membrane, (batch, 2, *shape), currents)
        zero = zero_state(currents)
        start = (zero, zero) if membrane is None else (membrane[:, 0], membrane[:, 1])
        p = self.parameters_for(currents.ndim - 1)
        spikes, state, states = loop(
            lambda _, current, state: complementary_step(current, state, p), currents, start, steps, record
        )
        membranes = torch.stack([v for v, _ in states]) if record else None
        return spikes, torch.stack(state, 1) if last else None, membranes
