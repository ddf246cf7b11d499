"""Max pooling as torch's modules, faster on the CPU where windows lie side by side."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from shiftlif.kernels import max_pool, pools_fused


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """A torch size argument (value: a number or a tuple) as one whole number for each of ``rank`` spatial axes."""
    if isinstance(value, int):
        return (value,) * rank
    return tuple(int(v) for v in value)


def _window(layer: nn.MaxPool1d | nn.MaxPool2d, x: Tensor) -> tuple[int, int] | None:
    """``(height, width)`` of windows that lie side by side, or None for any other pooling; 1d rows are one high."""
    rank = 1 if isinstance(layer, nn.MaxPool1d) else 2
    window = per_axis(layer.kernel_size, rank)
    simple = (
        x.ndim == rank + 2
        and per_axis(layer.stride, rank) == window
        and per_axis(layer.padding, rank) == (0,) * rank
        and per_axis(layer.dilation, rank) == (1,) * rank
        and not layer.ceil_mode
        and not layer.return_indices
        and all(0 < w <= n for w, n in zip(window, x.shape[2:], strict=True))
    )
    if not simple:
        return None
    return (1, window[0]) if rank == 1 else (window[0], window[1])


def _pooled(layer: nn.MaxPool1d | nn.MaxPool2d, x: Tensor) -> Tensor | None:
    """The pooled input where our kernel runs, else None."""
    window = _window(layer, x) if pools_fused(x) else None
    return None if window is None else max_pool(x, window)


class MaxPool1d(nn.MaxPool1d):
    """``torch.nn.MaxPool1d``: the same values and gradients, in a kernel of our own where one can run."""

    def forward(self, x: Tensor) -> Any:
        """``[B, C, L]`` to ``[B, C, L // window]``."""
        y = _pooled(self, x)
        return super().forward(x) if y is None else y


class MaxPool2d(nn.MaxPool2d):
    """``torch.nn.MaxPool2d``: the same values and gradients, in a kernel of our own where one can run."""

    def forward(self, x: Tensor) -> Any:
        """``[B, C, H, W]`` to ``[B, C, H // height, W // width]``."""
        y = _pooled(self, x)
        return super().forward(x) if y is None else y
