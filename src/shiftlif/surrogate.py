"""Pseudo-derivatives g(u) of the emission table (SPEC 3).

The derivative of a letter table is zero almost everywhere, so training replaces dQ/du by a function
g of the normalised membrane ``u = H / s`` and the alphabet. A surrogate is a frozen value with one
method; the neuron decides what to do with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet
from shiftlif.errors import ConfigurationError, NetworkError


class Surrogate(Protocol):
    """Anything that maps normalised membranes and an alphabet to a pseudo-derivative."""

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        ...


def _check_alpha(name: str, alpha: float) -> None:
    if not (math.isfinite(alpha) and alpha > 0):
        raise ConfigurationError(f"{name}: alpha must be a positive finite number, got {alpha!r}")


@dataclass(frozen=True)
class ReLSGET:
    """Rectified-linear surrogate gradient with exponential tails (arXiv:2604.25688).

    ``g(u) = exp(-alpha d)`` with d the distance of u to the range ``[q_0, q_L]``: 1 inside, a tail
    outside, so neither a dead nor a saturated neuron loses its gradient. The published text leaves
    the exact formula open; this reading is ours.

    ``periodic=True`` is the form of the description this project started from: a bump at every
    letter, ``g(u) = alpha exp(-alpha |u - nearest letter|)``.
    """

    alpha: float = 8.0
    periodic: bool = False

    def __post_init__(self) -> None:
        _check_alpha("ReLSGET", self.alpha)

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        if not self.periodic:
            outside = u - u.clamp(alphabet.levels[0], alphabet.levels[-1])
            return torch.exp(-self.alpha * outside.abs())
        distance = torch.full_like(u, math.inf)
        for level in alphabet.levels:
            distance = torch.minimum(distance, (u - level).abs())
        return self.alpha * torch.exp(-self.alpha * distance)


@dataclass(frozen=True)
class Rectangle:
    """Straight-through on the range: ``g(u) = 1`` for ``q_0 <= u <= q_L``, else 0."""

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        return ((u >= alphabet.levels[0]) & (u <= alphabet.levels[-1])).to(u.dtype)


def at_boundaries(u: Tensor, alphabet: Alphabet, bump: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum over boundaries of (jump of the letter) x bump(u - boundary): one bump for a binary neuron.

    Args:
        u: normalised membranes, any shape; the result has it too.
        alphabet: whose boundaries and letters.
        bump: a function of the distance to a boundary, elementwise.
    """
    total = torch.zeros_like(u)
    for i, boundary in enumerate(alphabet.boundaries):
        jump = alphabet.levels[i + 1] - alphabet.levels[i]
        total = total + jump * bump(u - boundary)
    return total


@dataclass(frozen=True)
class ATan:
    """``g = alpha / 2 / (1 + (pi alpha d / 2)^2)`` at every boundary (Fang et al., arXiv:2007.05785)."""

    alpha: float = 2.0

    def __post_init__(self) -> None:
        _check_alpha("ATan", self.alpha)

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        half = self.alpha / 2
        return at_boundaries(u, alphabet, lambda d: half / (1 + (math.pi * half * d) ** 2))


@dataclass(frozen=True)
class Triangle:
    """``g = alpha max(0, 1 - alpha |d|)`` at every boundary (Bellec et al., arXiv:1803.09574)."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_alpha("Triangle", self.alpha)

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        return at_boundaries(u, alphabet, lambda d: self.alpha * (1 - self.alpha * d.abs()).clamp(min=0))


@dataclass(frozen=True)
class SuperSpike:
    """``g = 1 / (1 + alpha |d|)^2`` at every boundary (Zenke and Ganguli, arXiv:1705.11146)."""

    alpha: float = 10.0

    def __post_init__(self) -> None:
        _check_alpha("SuperSpike", self.alpha)

    def __call__(self, u: Tensor, alphabet: Alphabet) -> Tensor:
        """Return g(u), same shape and dtype as ``u``."""
        return at_boundaries(u, alphabet, lambda d: (1 + self.alpha * d.abs()) ** -2)


def first_derivative_only() -> None:
    """Refuse ``create_graph=True``: g stands for dQ/du, and nothing is declared to stand for the derivative of g.

    Raises:
        NetworkError: the backward pass is itself being recorded.
    """
    if torch.is_grad_enabled():
        raise NetworkError(
            "a spiking neuron has no second derivative: its pseudo-derivative is a stand-in, not a function to "
            "differentiate; call backward without create_graph=True"
        )


def lsq_factor(sample: torch.Size, scales: int, n_levels: int) -> float:
    """What the gradient of a scale is multiplied by: ``1 / sqrt(N L)`` of LSQ (arXiv:1902.08153).

    Args:
        sample: shape ``[B, ...]`` of one step.
        scales: how many scale entries there are; N = neurons of one sample that share an entry.
        n_levels: number of letters, L + 1.
    """
    sharing = math.prod(sample[1:]) / scales if sample[0] else 1.0
    return 1.0 / math.sqrt(max(sharing, 1.0) * (n_levels - 1))


SURROGATES: dict[str, Callable[..., Surrogate]] = {
    "relsget": ReLSGET,
    "rectangle": Rectangle,
    "atan": ATan,
    "triangle": Triangle,
    "superspike": SuperSpike,
}
"""Names a configuration file may use."""
