"""PSN, the parallel spiking neuron (arXiv:2304.12760).

``H = W I + b`` over the time axis, ``S = s Q(H / s)``: W is a learned matrix ``[T, T]``, b one number per step, and
nothing is reset. The published neuron fires where ``W I >= B``; with s = 1 that is ``b = 1 - B``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from shiftlif.alphabet import Binary
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.neuron.dynamics import OtherDynamics
from shiftlif.neuron.emission import emit
from shiftlif.neuron.step import NeuronParameters, checked_steps
from shiftlif.surrogate import ATan, Surrogate


def parallel_sequence(
    currents: Tensor, weight: Tensor, bias: Tensor, parameters: NeuronParameters
) -> tuple[Tensor, Tensor]:
    """All steps of PSN at once.

    Args:
        currents: I, ``[T, B, ...]``.
        weight: W, ``[T, T]``; row t makes step t of the currents of all steps.
        bias: b, ``[T]``.
        parameters: scale, alphabet and surrogate are used.

    Returns:
        ``(spikes, H)``, each ``[T, B, ...]``; spikes have the dtype of ``currents``.
    """
    flat = currents.flatten(1).to(weight.dtype)
    h = torch.addmm(bias.unsqueeze(1), weight, flat).view(currents.shape)
    # A step's share of the neurons decides the factor of the scale's gradient: steps count as batch.
    scale = parameters.scale
    spikes = emit(h.flatten(0, 1), scale, parameters.alphabet, parameters.surrogate).view(currents.shape)
    return spikes.to(currents.dtype), h


class PSN(OtherDynamics):
    """The parallel spiking neuron (arXiv:2304.12760), for exactly T steps.

    Args:
        steps: T. The matrix W is ``[T, T]`` and dense: step t sees the currents of all steps, later ones included, so
            the neuron can neither stream nor run another number of steps. A network trained with it belongs to its T.
        scale: threshold and height of the spike, see `SpikingNeuron`.
        channels: None for one scale per layer, else the length of the channel axis.
        learnable_scale: whether the scale is trained.
        surrogate: pseudo-derivative g(u); None is ATan.

    W starts uniform in ``±1 / sqrt(T)``, as published, from torch's global generator; b starts at 0.

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    refusal = (
        "its T x T matrix multiplies currents of all steps by learned real numbers, which additions and shifts cannot "
        "do one step at a time; train LIF or ShiftLIF for deployment"
    )
    calibrates = False

    def __init__(
        self,
        steps: int,
        *,
        scale: float = 1.0,
        channels: int | None = None,
        learnable_scale: bool = False,
        surrogate: Surrogate | None = None,
    ) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ConfigurationError(f"PSN: steps must be a whole number of at least 1, got {steps!r}")
        super().__init__(
            Binary(),
            scale=scale,
            channels=channels,
            learnable_scale=learnable_scale,
            surrogate=ATan() if surrogate is None else surrogate,
        )
        self.steps = steps
        self.weight = nn.Parameter((2 * torch.rand(steps, steps) - 1) / math.sqrt(steps))
        self.bias = nn.Parameter(torch.zeros(steps))

    def run(
        self,
        currents: Tensor,
        membrane: Tensor | None,
        *,
        steps: int | None = None,
        last: bool = True,
        record: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Spikes and H ``[T, B, ...]`` like `SpikingNeuron.run`; the state is empty, since nothing is carried over.

        Raises:
            NetworkError: the currents do not hold T steps, or a state is passed.
        """
        steps = checked_steps(currents, steps)
        if membrane is not None or steps != self.steps:
            got = "a state to go on from" if membrane is not None else f"{steps} steps"
            raise NetworkError(
                f"PSN needs all of its {self.steps} steps in one call and cannot stream, got {got}; call the network "
                f"on [{self.steps}, B, ...], or take a neuron with a membrane (LIF, ShiftLIF)"
            )
        currents = currents.expand(steps, *currents.shape[1:])
        spikes, h = parallel_sequence(
            currents, self.weight, self.bias, self.parameters_for(currents.ndim - 1)
        )
        empty = h.new_zeros(currents.shape[1], 0) if last else None
        return spikes, empty, h if record else None
