"""Pooling as integer networks need it."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from shiftlif.errors import CompileError
from shiftlif.network import per_axis


class SumPool(nn.Module):
    """Sum over windows ``[B, C, *spatial]``, no padding, incomplete windows dropped.

    It stands for average pooling once the divisor has been absorbed into the following weights, so
    that integers stay integers.

    Args:
        kernel: the window, one extent per spatial axis.
        stride: its steps, likewise.
    """

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Sums, ``[B, C, *pooled]``; exact for integers below 2^24 (float32)."""
        if len(self.kernel) == 1:
            y = F.avg_pool2d(x.unsqueeze(-2), (1, *self.kernel), (1, *self.stride), divisor_override=1)
            return y.squeeze(-2)
        return F.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)

    def extra_repr(self) -> str:
        """What ``print(network)`` shows."""
        return f"kernel={self.kernel}, stride={self.stride}"


AVERAGE = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
MAXIMUM = (nn.MaxPool1d, nn.MaxPool2d)


def pooling_window(
    name: str, layer: nn.Module, spatial: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Kernel and stride of a torch pooling layer on inputs with the given spatial shape.

    Raises:
        CompileError: the layer pads, dilates, rounds up, or (adaptive) has unequal windows.
    """
    rank = len(spatial)
    if isinstance(layer, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d):
        size: Any = layer.output_size
        target = (size,) * rank if size is None or isinstance(size, int) else size
        sizes = [n if t is None else int(t) for t, n in zip(target, spatial, strict=True)]
        if any(n % t for t, n in zip(sizes, spatial, strict=True)):
            raise CompileError(
                f"layer {name}: adaptive pooling of {spatial} to {tuple(sizes)} has unequal windows; "
                "choose a divisor of the input size, or AvgPool with a fixed kernel"
            )
        kernel = tuple(n // t for t, n in zip(sizes, spatial, strict=True))
        return kernel, kernel
    kernel = per_axis(layer.kernel_size, rank)
    stride = per_axis(layer.stride, rank)
    padding = per_axis(getattr(layer, "padding", 0), rank)
    dilation = per_axis(getattr(layer, "dilation", 1), rank)
    if any(padding) or any(d != 1 for d in dilation) or getattr(layer, "ceil_mode", False):
        raise CompileError(
            f"layer {name}: pooling with padding, dilation or ceil_mode cannot be compiled; "
            "use padding=0, dilation=1 and ceil_mode=False"
        )
    if getattr(layer, "divisor_override", None) or getattr(layer, "return_indices", False):
        raise CompileError(
            f"layer {name}: pooling with divisor_override or return_indices cannot be compiled"
        )
    return kernel, stride
