"""Choosing the real value of one weight unit (symmetric quantisation, SPEC 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftlif.errors import ConfigurationError

WEIGHT_BITS = (4, 8)
MEMBRANE_BITS = (16, 32)


def check_membrane_bits(bits: int) -> None:
    """Raise a ConfigurationError unless ``bits`` is 16 or 32."""
    if bits not in MEMBRANE_BITS:
        raise ConfigurationError(f"membrane_bits must be one of {MEMBRANE_BITS}, got {bits!r}")


def check_bits(bits: int) -> None:
    """Raise a ConfigurationError unless ``bits`` is 4 or 8."""
    if bits not in WEIGHT_BITS:
        raise ConfigurationError(f"weight_bits must be one of {WEIGHT_BITS}, got {bits!r}")


def weight_unit(weight: Tensor, bits: int, *, per_channel: bool) -> Tensor:
    """The unit delta that minimises ``|W - delta round(W / delta)|^2``.

    Args:
        weight: ``[out, ...]``.
        bits: 8 or 4: integers from ``-(2^(bits-1) - 1)`` to ``2^(bits-1) - 1``.
        per_channel: one unit per output channel, else one for the tensor.

    Returns:
        ``[out]`` (all equal when not per channel); 0 where all weights are 0.
    """
    check_bits(bits)
    largest = 2 ** (bits - 1) - 1
    rows = weight.detach().double().flatten(1)
    if not per_channel:
        rows = rows.reshape(1, -1)
    full = rows.abs().amax(1, keepdim=True) / largest
    best, least = full.clone(), torch.full_like(full, torch.inf)
    for factor in torch.linspace(0.3, 1.0, 36, dtype=rows.dtype).tolist():
        delta = (full * factor).clamp(min=torch.finfo(rows.dtype).tiny)
        rounded = torch.floor(rows / delta + 0.5).clamp(-largest, largest) * delta
        error = ((rows - rounded) ** 2).sum(1, keepdim=True)
        best = torch.where(error < least, full * factor, best)
        least = torch.minimum(least, error)
    unit: Tensor = best.flatten().expand(len(weight)).contiguous()
    return unit
