"""Fused sequences on the CPU: the compiled kernels of ``csrc``, called with pointers.

The extension knows nothing of torch, so one build serves every torch version. It is optional: where it could not be
built, `unavailable` says so and the caller runs the eager reference.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, overload

import torch
from torch import Tensor

from shiftlif.kernels.mechanism import SURROGATE_NAMES, Mechanism
from shiftlif.surrogate import lsq_factor

try:
    from shiftlif.kernels import _native  # type: ignore[attr-defined]

    unavailable: str | None = None
except ImportError as _error:  # pragma: no cover - depends on how the package was installed
    _native = None
    unavailable = (
        f"the CPU kernels were not built ({_error}); install a C++ compiler and reinstall shiftlif "
        "(pip install --force-reinstall --no-deps shiftlif)"
    )


@lru_cache(maxsize=256)
def _neuron(mechanism: Mechanism) -> Any:
    return _native.Neuron(
        list(mechanism.levels),
        list(mechanism.boundaries),
        SURROGATE_NAMES.index(mechanism.surrogate),
        *mechanism[3:],
    )


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _stride(tensor: Tensor | None) -> int:
    """Elements from one step to the next; 0 repeats one step."""
    return 0 if tensor is None or tensor.shape[0] == 1 else tensor.stride(0)


@overload
def _steps_contiguous(tensor: Tensor) -> Tensor: ...
@overload
def _steps_contiguous(tensor: None) -> None: ...
@overload
def _steps_contiguous(tensor: Tensor | None) -> Tensor | None: ...
def _steps_contiguous(tensor: Tensor | None) -> Tensor | None:
    """``tensor`` with every step's slice contiguous; the steps may lie anywhere."""
    if tensor is None or tensor.is_contiguous() or tensor[0].is_contiguous():
        return tensor
    return tensor.contiguous()


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def empty(shape: torch.Size | tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Uninitialised memory; large arrays come from a pool that keeps their pages (``csrc/memory.hpp``)."""
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < _native.POOLED_BYTES:
        return torch.empty(shape, dtype=dtype)
    block: Tensor = _native.empty((n_bytes + 3) // 4)
    return block.view(dtype)[: math.prod(shape)].view(shape)


def forward(
    mechanism: Mechanism,
    currents: Tensor,
    initial: Tensor | None,
    scale: Tensor,
    decay: Tensor,
    steps: int,
    channel_size: int,
    last: bool,
    record: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Spikes, last membrane and membranes of a sequence.

    Args:
        mechanism: the neuron.
        currents: ``[steps, B, ...]``, or ``[1, B, ...]`` for the same frame at every step; float32 or bfloat16.
        initial: V before the first step, float32 ``[B, ...]``, or None for zero.
        scale: float32 ``[1]`` or ``[C]``; neuron j of a step's N has channel ``j // channel_size % C``.
        decay: 1 / tau, float32 scalar.
        steps: T.
        channel_size: neurons side by side that share a channel.
        last: whether the last membrane is wanted.
        record: whether all membranes are wanted.

    Returns:
        Spikes ``[T, B, ...]`` in the dtype of ``currents``; V after the last step, float32 ``[B, ...]``; V after
        every step, float32 ``[T, B, ...]``; None where it is not wanted.
    """
    currents, initial, scale = _steps_contiguous(currents), _contiguous(initial), scale.contiguous()
    sample = currents.shape[1:]
    spikes = empty((steps, *sample), currents.dtype)
    final = empty(sample, torch.float32) if last else None
    membranes = empty((steps, *sample), torch.float32) if record else None
    _native.forward(
        _neuron(mechanism),
        steps,
        sample.numel(),
        currents.dtype == torch.bfloat16,
        currents.data_ptr(),
        _stride(currents),
        _address(initial),
        scale.data_ptr(),
        scale.numel(),
        channel_size,
        decay.item(),
        spikes.data_ptr(),
        _address(final),
        _address(membranes),
        torch.get_num_threads(),
    )
    return spikes, final, membranes


def backward(
    mechanism: Mechanism,
    currents: Tensor,
    initial: Tensor | None,
    scale: Tensor,
    decay: Tensor,
    steps: int,
    channel_size: int,
    grad_spikes: Tensor | None,
    grad_last: Tensor | None,
    grad_membranes: Tensor | None,
    needs: tuple[bool, bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of currents, initial membrane, scale and decay, each None where ``needs`` says so.

    The arguments are those of `forward` and the gradients of what it returned (None: zero). The membranes are
    computed again, so nothing but the arguments of `forward` has to be kept. The gradient of a constant frame is
    summed over the steps; that of the scale has LSQ's factor (arXiv:1902.08153).
    """
    currents, initial, scale = _steps_contiguous(currents), _contiguous(initial), scale.contiguous()
    grad_last = _contiguous(grad_last)
    grad_spikes, grad_membranes = _steps_contiguous(grad_spikes), _steps_contiguous(grad_membranes)
    sample = currents.shape[1:]
    grad_currents = empty(currents.shape, currents.dtype) if needs[0] else None
    grad_initial = empty(sample, torch.float32) if needs[1] else None
    scale_sum, reset_sum, decay_sum = _native.backward(
        _neuron(mechanism),
        steps,
        sample.numel(),
        currents.dtype == torch.bfloat16,
        currents.data_ptr(),
        _stride(currents),
        _address(initial),
        scale.data_ptr(),
        scale.numel(),
        channel_size,
        decay.item(),
        _address(grad_spikes),
        _stride(grad_spikes),
        _address(grad_last),
        _address(grad_membranes),
        _stride(grad_membranes),
        _address(grad_currents),
        _stride(grad_currents),
        _address(grad_initial),
        needs[2],
        needs[3],
        torch.get_num_threads(),
    )
    grad_scale = grad_decay = None
    if needs[2]:
        factor = lsq_factor(sample, scale.numel(), len(mechanism.levels))
        grad_scale = scale.new_tensor(
            [factor * emitted + reset for emitted, reset in zip(scale_sum, reset_sum, strict=True)]
        )
    if needs[3]:
        grad_decay = decay.new_tensor(decay_sum)
    return grad_currents, grad_initial, grad_scale, grad_decay


def max_pool(x: Tensor, window: tuple[int, int]) -> Tensor:
    """See `shiftlif.kernels.pooling.max_pool`; ``x`` is contiguous."""
    height, width = x.shape[-2:]
    y = empty((*x.shape[:-2], height // window[0], width // window[1]), torch.float32)
    _native.max_pool(*_pooling_shape(x, window), x.data_ptr(), y.data_ptr(), 0, 0, torch.get_num_threads())
    return y


def max_pool_backward(x: Tensor, grad: Tensor, window: tuple[int, int]) -> Tensor:
    """The gradient of ``x`` from that of `max_pool`; both are contiguous."""
    grad_x = empty(x.shape, torch.float32)
    _native.max_pool(
        *_pooling_shape(x, window),
        x.data_ptr(),
        0,
        grad.data_ptr(),
        grad_x.data_ptr(),
        torch.get_num_threads(),
    )
    return grad_x


def _pooling_shape(x: Tensor, window: tuple[int, int]) -> tuple[int, ...]:
    return (math.prod(x.shape[:-2]), *x.shape[-2:], *window)
