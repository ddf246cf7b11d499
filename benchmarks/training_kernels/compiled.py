"""LIF and ShiftLIF as a competent user writes them for torch.compile, the formulations that came out fastest.

``steps``: an autograd function per step in a loop. ``sequence``: one autograd function for all steps that keeps only
its input and integrates again in the backward pass, so that inductor makes one loop of each pass; letters are sums of
comparisons, which vectorise, and the scale's gradient is reduced once. Both are unrolled over time by the tracer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from shiftlif.alphabet import PowerOfTwo

DECAY = 0.5
ALPHABET = PowerOfTwo(3)
STEEPNESS = 8.0  # of ReLSG-ET


def _charge(current: Tensor, membrane: Tensor) -> Tensor:
    return membrane + (current - membrane) * DECAY


def _atan(h: Tensor) -> Tensor:
    return 1 / (1 + (math.pi * (h - 1)) ** 2)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        ctx.save_for_backward(h)
        return (h >= 1).to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (h,) = ctx.saved_tensors
        return grads[0] * _atan(h)


def lif_steps(x: Tensor) -> Tensor:
    """LIF, a step at a time: spikes ``[T, B, ...]`` of currents ``[T, B, ...]``."""
    membrane = torch.zeros_like(x[0])
    spikes = []
    for t in range(x.shape[0]):
        h = _charge(x[t], membrane)
        spike = _Spike.apply(h)  # type: ignore[no-untyped-call]
        membrane = h - spike
        spikes.append(spike)
    return torch.stack(spikes)


def _lif_forward(x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    membrane = torch.zeros_like(x[0])
    charged, spikes = [], []
    for t in range(x.shape[0]):
        h = _charge(x[t], membrane)
        spike = (h >= 1).to(h.dtype)
        membrane = h - spike
        charged.append(h)
        spikes.append(spike)
    return charged, spikes


class _LIFSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.stack(_lif_forward(x)[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        charged, _ = _lif_forward(x)
        carry = torch.zeros_like(x[0])
        found = []
        for t in reversed(range(x.shape[0])):
            g = _atan(charged[t])
            grad_h = (grads[0][t] - carry) * g + carry
            carry = grad_h * DECAY
            found.append(carry)
        return torch.stack(found[::-1])


def lif_sequence(x: Tensor) -> Tensor:
    """LIF, all steps at once."""
    spikes: Tensor = _LIFSequence.apply(x)  # type: ignore[no-untyped-call]
    return spikes


def _letters(u: Tensor) -> Tensor:
    levels = ALPHABET.levels
    total = torch.full_like(u, levels[0])
    for low, high, boundary in zip(levels, levels[1:], ALPHABET.boundaries, strict=False):
        total = total + (high - low) * (u >= boundary).to(u.dtype)
    return total


def _shiftlif_forward(x: Tensor, scale: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    membrane = torch.zeros_like(x[0])
    normalised, letters, spikes = [], [], []
    for t in range(x.shape[0]):
        h = _charge(x[t], membrane)
        u = h / scale
        q = _letters(u)
        spike = q * scale
        membrane = h - spike
        normalised.append(u)
        letters.append(q)
        spikes.append(spike)
    return normalised, letters, spikes


class _ShiftLIFSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale)
        return torch.stack(_shiftlif_forward(x, scale)[2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, scale = ctx.saved_tensors
        normalised, letters, _ = _shiftlif_forward(x, scale)
        low, high = ALPHABET.levels[0], ALPHABET.levels[-1]
        factor = 1 / math.sqrt(x[0, 0].numel() * (len(ALPHABET.levels) - 1))
        carry, total = torch.zeros_like(x[0]), torch.zeros_like(x[0])
        found = []
        for t in reversed(range(x.shape[0])):
            u, q = normalised[t], letters[t]
            g = torch.exp(-STEEPNESS * (u - u.clamp(low, high)).abs())
            grad_spike = grads[0][t] - carry
            total = total + grad_spike * (q - u * g)
            grad_h = grad_spike * g + carry
            carry = grad_h * DECAY
            found.append(carry)
        return torch.stack(found[::-1]), (factor * total.sum()).reshape(1)


def shiftlif_sequence(x: Tensor, scale: Tensor) -> Tensor:
    """ShiftLIF (K=3, learnable scale ``[1]``), all steps at once."""
    spikes: Tensor = _ShiftLIFSequence.apply(x, scale)  # type: ignore[no-untyped-call]
    return spikes
