"""Coarser weight units with which a layer's membranes fit 16 bits: half the memory of a program's state."""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT16 = 2**15 - 1
MOST = 4.0
"""A unit grows by no more: that would cost a channel over two bits of its weights."""
ROUNDS = 8
MARGIN = 1.002


def narrow_units(
    weight: Tensor,
    delta: Tensor,
    largest_weight: int,
    inputs: tuple[int, int],
    bias: Tensor,
    leak_shift: int,
) -> Tensor | None:
    """Units of at least ``delta`` with which no membrane can leave int16, whatever the inputs.

    A membrane that leaks by ``v - (v >> m)`` stays within ``2^m`` times its largest inflow (SPEC 6); of the inputs each
    weight takes the end that it likes best.

    Args:
        weight: real, ``[out, ...]``.
        delta: the unit of each channel's weights, positive, ``[out]``.
        largest_weight: the largest magnitude of an integer weight.
        inputs: the smallest and the largest integer on the wire before; 0 lies between them.
        bias: real, in units of the wire's integers times weights, ``[out]``.
        leak_shift: m.

    Returns:
        ``[out]``, or None where a channel would need more than `MOST` times its unit.
    """
    rows, low, high = weight.detach().double().flatten(1), *inputs
    start = delta.double()
    unit = start.clone()
    for _ in range(ROUNDS):
        integers = torch.floor(rows / unit.unsqueeze(1) + 0.5).clamp(-largest_weight, largest_weight)
        shifted = torch.floor(bias.double() / unit + 0.5)
        up, down = integers.clamp(min=0).sum(1), integers.clamp(max=0).sum(1)
        inflow = torch.maximum(
            (up * high + down * low + shifted).abs(), (up * low + down * high + shifted).abs()
        )
        over = inflow * 2**leak_shift / LIMIT16
        if bool((over <= 1).all()):
            return unit.to(delta.dtype)
        unit = torch.where(over > 1, unit * over * MARGIN, unit)
        if bool((unit > MOST * start).any()):
            return None
    return None
