"""Max pooling on the CPU by the compiled kernels: torch's values and gradients, bit for bit, without indices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from shiftlif.kernels import cpu
from shiftlif.kernels.dispatch import choice
from shiftlif.kernels.operator import is_traced


def pools_fused(x: Tensor) -> bool:
    """Whether `max_pool` runs this input, ``[B, C, ...]``; elsewhere torch's pooling gives the same."""
    return (
        cpu.unavailable is None
        and x.is_cpu
        and x.dtype == torch.float32
        and not is_traced(x)
        and choice() != "reference"
    )


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, window: tuple[int, int]) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x)
        ctx.window = window
        return cpu.max_pool(x, window)

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return cpu.max_pool_backward(x, grads[0].contiguous(), ctx.window), None


def max_pool(x: Tensor, window: tuple[int, int]) -> Tensor:
    """The largest element of each window, windows side by side; what is left at an edge belongs to none.

    Args:
        x: ``[..., H, W]``, float32, on the CPU.
        window: ``(height, width)``, at most ``(H, W)``.

    Returns:
        ``[..., H // height, W // width]``. The gradient goes to the first of equals, or to the last NaN.
    """
    pooled: Tensor = _MaxPool.apply(x, window)  # type: ignore[no-untyped-call]
    return pooled
