"""How often neurons fire during training, and a penalty on it."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftlif.network import Observation
from shiftlif.neuron import SpikingNeuron


def has_letters(seen: Observation) -> bool:
    """Whether the layer emits letters (a read-out that sums does not)."""
    return hasattr(seen.layer, "alphabet")


def event_rate(seen: Observation) -> Tensor:
    """Events per neuron per step, a scalar with a gradient.

    The value is the exact share of letters other than 0. Counting has no derivative, so the gradient is
    that of the mean letter relative to the top letter, ``mean |q| / q_L``, through the surrogate: pushing
    the rate down makes letters smaller until they vanish. Letters of both signs are in units of a scale that
    receives its gradient too, see `shiftlif.training.synaptic.SynapticPenalty`; else the scale is left to the task.
    """
    spikes = seen.outputs
    exact = torch.count_nonzero(spikes.detach()).to(spikes.dtype) / spikes.numel()
    alphabet = seen.layer.alphabet
    if isinstance(seen.layer, SpikingNeuron):
        scale = seen.layer.effective_scale()
        if not seen.layer.alphabet.signed:
            scale = scale.detach()
        if seen.layer.channels is not None:
            scale = scale.view(-1, *(1,) * (spikes.ndim - 3))
        q = spikes / scale
    else:
        q = spikes * 2.0**-alphabet.fraction_bits  # type: ignore[union-attr, operator]
    if alphabet.signed:  # type: ignore[union-attr]
        q = q.abs()
    amplitude = q.mean() / alphabet.levels[-1]  # type: ignore[union-attr, index]
    return amplitude + (exact - amplitude).detach()


def rate_penalty(rates: list[Tensor], target: float, kind: str) -> Tensor:
    """Mean over layers of the squared distance to ``target``, or of the excess above it (``hinge``)."""
    distance = torch.stack(rates) - target
    return (distance**2).mean() if kind == "squared" else distance.clamp(min=0).mean()
