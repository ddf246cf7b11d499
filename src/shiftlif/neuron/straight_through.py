"""The straight-through estimator (Bengio et al., arXiv:1308.3432)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, replaced: Tensor) -> Tensor:
        return replaced.view_as(replaced)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def straight_through(value: Tensor, replaced: Tensor) -> Tensor:
    """Exactly ``replaced`` going forward, the gradient of ``value`` going backward.

    Unlike ``value + (replaced - value).detach()`` this never rounds, so a power of two stays one.
    """
    result: Tensor = _StraightThrough.apply(value, replaced.detach())  # type: ignore[no-untyped-call]
    return result
