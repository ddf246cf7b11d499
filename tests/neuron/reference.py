"""A slow reference of the neuron: every pseudo-derivative as the derivative of an antiderivative.

Autograd differentiates ``G(u)`` with ``G' = g``, replaces the value by the letter, and follows scale,
input, tau and reset by itself; no custom backward pass is involved.
"""

import math

import torch

from shiftlif.surrogate import ATan, Rectangle, ReLSGET, SuperSpike, Triangle

SURROGATES = [
    ReLSGET(),
    ReLSGET(2.0),
    ReLSGET(2.0, periodic=True),
    Rectangle(),
    ATan(),
    Triangle(),
    SuperSpike(),
]


def _antiderivative_at_boundaries(u, alphabet, bump):
    total = torch.zeros_like(u)
    for i, boundary in enumerate(alphabet.boundaries):
        total = total + (alphabet.levels[i + 1] - alphabet.levels[i]) * bump(u - boundary)
    return total


def _laplace(d, alpha):
    """Antiderivative of exp(-alpha |d|)."""
    return torch.sign(d) * (1 - torch.exp(-alpha * d.abs())) / alpha


def _nearest_letter_antiderivative(u, alphabet, alpha):
    """Piecewise between midpoints of letters; constants are irrelevant to the gradient."""
    levels = torch.tensor(alphabet.levels, dtype=u.dtype)
    nearest = levels[torch.bucketize(u.detach(), (levels[1:] + levels[:-1]) / 2, right=True)]
    return alpha * _laplace(u - nearest, alpha)


def antiderivative(surrogate, u, alphabet):
    low, high = alphabet.levels[0], alphabet.levels[-1]
    if isinstance(surrogate, ReLSGET) and not surrogate.periodic:
        inside = torch.minimum(torch.maximum(u, torch.full_like(u, low)), torch.full_like(u, high))
        above = (1 - torch.exp(-surrogate.alpha * torch.relu(u - high))) / surrogate.alpha
        below = (1 - torch.exp(-surrogate.alpha * torch.relu(low - u))) / surrogate.alpha
        return inside + above - below
    if isinstance(surrogate, ReLSGET):
        return _nearest_letter_antiderivative(u, alphabet, surrogate.alpha)
    if isinstance(surrogate, Rectangle):
        return torch.clamp(u, low, high)
    if isinstance(surrogate, ATan):
        half = surrogate.alpha / 2
        return _antiderivative_at_boundaries(u, alphabet, lambda d: torch.atan(math.pi * half * d) / math.pi)
    if isinstance(surrogate, Triangle):
        a = surrogate.alpha

        def triangle(d):
            z = torch.clamp(a * d, -1, 1)
            return z - torch.sign(z) * z**2 / 2

        return _antiderivative_at_boundaries(u, alphabet, triangle)
    if isinstance(surrogate, SuperSpike):
        a = surrogate.alpha
        return _antiderivative_at_boundaries(u, alphabet, lambda d: d / (1 + a * d.abs()))
    raise AssertionError(surrogate)


class ScaleGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by LSQ's factor."""

    @staticmethod
    def forward(ctx, scale, factor):
        ctx.factor = factor
        return scale.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def reference_sequence(currents, scale, decay, alphabet, surrogate, *, decay_input, reset, detach_reset):
    """Spikes and membranes [T, B, ...], with ``scale`` broadcastable to [B, ...]."""
    sharing = currents[0, 0].numel() / scale.numel()
    scale = ScaleGradient.apply(scale, 1 / math.sqrt(sharing * (alphabet.n_levels - 1)))
    levels = torch.tensor(alphabet.levels, dtype=currents.dtype)
    boundaries = torch.tensor(alphabet.boundaries, dtype=currents.dtype)
    v = torch.zeros_like(currents[0])
    spikes, membranes = [], []
    for current in currents:
        h = v + (current - v) * decay if decay_input else v - v * decay + current
        u = h / scale
        letter = levels[(u.detach().unsqueeze(-1) >= boundaries).sum(-1)]
        smooth = antiderivative(surrogate, u, alphabet)
        s = scale * (letter + (smooth - smooth.detach()))
        fed_back = s.detach() if detach_reset else s
        v = h - fed_back if reset == "soft" else h * (1 - fed_back / scale)
        spikes.append(s)
        membranes.append(v)
    return torch.stack(spikes), torch.stack(membranes)
