"""A slow reference of the neuron: every pseudo-derivative as the derivative of an antiderivative.

Autograd differentiates ``G(u)`` with ``G' = g``, replaces the value by the letter, and follows scale,
input, tau and reset by itself; no custom backward pass is involved.
"""

import math

import torch

from shiftlif.alphabet import Binary
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


def smooth_letter(u, alphabet, surrogate):
    """The letter going forward, the pseudo-derivative going backward, by autograd alone."""
    levels = torch.tensor(alphabet.levels, dtype=u.dtype)
    boundaries = torch.tensor(alphabet.boundaries, dtype=u.dtype)
    letter = levels[(u.detach().unsqueeze(-1) >= boundaries).sum(-1)]
    smooth = antiderivative(surrogate, u, alphabet)
    return letter + (smooth - smooth.detach())


def _cleared(h, letter, scale, surrogate):
    """Of a hard reset: the binary letter, or for ternary letters ``[u >= 1] + [u <= -1]``."""
    u = h / scale.detach()
    smooth = sum(antiderivative(surrogate, x, Binary()) for x in (u, -u))
    return (letter.detach() != 0).to(h.dtype) + (smooth - smooth.detach())


def reference_sequence(
    currents,
    scale,
    decay,
    alphabet,
    surrogate,
    *,
    decay_input,
    reset,
    detach_reset,
    reset_gain=1.0,
    input_gain=1.0,
):
    """Spikes and membranes [T, B, ...], with ``scale`` broadcastable to [B, ...]."""
    sharing = currents[0, 0].numel() / scale.numel()
    scale = ScaleGradient.apply(scale, 1 / math.sqrt(sharing * (alphabet.n_levels - 1)))
    v = torch.zeros_like(currents[0])
    spikes, membranes = [], []
    for current in currents * input_gain:
        h = v + (current - v) * decay if decay_input else v - v * decay + current
        s = scale * smooth_letter(h / scale, alphabet, surrogate)
        fed_back = s.detach() if detach_reset else s
        if reset == "soft":
            v = h - reset_gain * fed_back
        elif alphabet.signed:
            cleared = _cleared(h, s, scale, surrogate)
            v = h * (1 - (cleared.detach() if detach_reset else cleared))
        else:
            v = h * (1 - fed_back / scale)
        spikes.append(s)
        membranes.append(v)
    return torch.stack(spikes), torch.stack(membranes)
