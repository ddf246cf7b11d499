"""Surrogate functions of SpikingJelly as surrogates of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shiftlif.alphabet import Alphabet
from shiftlif.surrogate import ATan, Surrogate, at_boundaries


@dataclass(frozen=True)
class Foreign:
    """The derivative of a SpikingJelly surrogate function at every boundary, times the letter's jump there.

    SpikingJelly differentiates by ``v - v_threshold``, a surrogate here by ``u = H / s``: the bump is
    ``s f'(s (u - boundary))``, which gives a binary neuron the gradient that SpikingJelly gives it.

    Attributes:
        function: maps ``v - v_threshold`` to spikes, with a gradient.
        threshold: s.
    """

    function: Any
    threshold: float = 1.0

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        return at_boundaries(u, alphabet, self._bump)

    def _bump(self, distance: Tensor) -> Tensor:
        with torch.enable_grad():
            below = (distance.detach() * self.threshold).requires_grad_()
            (slope,) = torch.autograd.grad(self.function(below).sum(), below)
        return self.threshold * slope


def translated(function: Any, threshold: float) -> Surrogate:
    """A surrogate of this package for a surrogate function of either.

    Args:
        function: a `shiftlif.surrogate.Surrogate`, which is returned as it is, or a SpikingJelly surrogate function
            (a torch module). Its ATan becomes ours, for which there are kernels.
        threshold: the membrane that corresponds to u = 1.
    """
    if not isinstance(function, nn.Module):
        ours: Surrogate = function
        return ours
    if type(function).__name__ == "ATan" and type(function).__module__.startswith("spikingjelly."):
        alpha: Any = function.alpha
        return ATan(float(alpha) * threshold)
    return Foreign(function, threshold)
