"""Fused sequences on the CPU: the compiled kernels of ``csrc``, called with pointers.

The extension knows nothing of torch, so one build serves every torch version. It is optional: where it could not be
built, `unavailable` says so and the caller runs the eager reference.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from shiftlif.kernels.call import Call, Gradients, Needs, contiguous, step_rows
from shiftlif.kernels.mechanism import SURROGATE_NAMES, Mechanism
from shiftlif.surrogate import lsq_factor

try:
    _native: Any = import_module("shiftlif.kernels._native")

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


def empty(shape: torch.Size | tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Uninitialised memory; large arrays come from a pool that keeps their pages (``csrc/memory.hpp``)."""
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < _native.POOLED_BYTES:
        return torch.empty(shape, dtype=dtype)
    block: Tensor = _native.empty((n_bytes + 3) // 4)
    return block.view(dtype)[: math.prod(shape)].view(shape)


def forward(call: Call, last: bool, record: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Spikes, last membrane and membranes of a sequence.

    Args:
        call: what runs.
        last: whether the last membrane is wanted.
        record: whether all membranes are wanted.

    Returns:
        Spikes ``[T, B, ...]`` in the dtype of the currents; V after the last step, float32 ``[B, ...]``; V after
        every step, float32 ``[T, B, ...]``; None where it is not wanted.
    """
    described, _alive = _described(call)
    sample = call.currents.shape[1:]
    spikes = empty((call.steps, *sample), call.currents.dtype)
    final = empty(sample, torch.float32) if last else None
    membranes = empty((call.steps, *sample), torch.float32) if record else None
    _native.forward(
        *described,
        spikes.data_ptr(),
        _address(final),
        _address(membranes),
        torch.get_num_threads(),
    )
    return spikes, final, membranes


def backward(
    call: Call, grads: Gradients, needs: Needs
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of currents, initial membrane, scale and decay, each None where ``needs`` says so.

    ``grads`` are those of what `forward` returned. The membranes are computed again, so nothing but the call has to
    be kept. The gradient of a constant frame is summed over the steps; that of the scale has LSQ's factor
    (arXiv:1902.08153).
    """
    described, _alive = _described(call)
    sample = call.currents.shape[1:]
    grad_spikes, spikes_stride = step_rows(grads[0])
    grad_last = contiguous(grads[1])
    grad_membranes, membranes_stride = step_rows(grads[2])
    grad_currents = empty(call.currents.shape, call.currents.dtype) if needs[0] else None
    grad_initial = empty(sample, torch.float32) if needs[1] else None
    scale_sum, reset_sum, decay_sum = _native.backward(
        *described,
        _address(grad_spikes),
        spikes_stride,
        _address(grad_last),
        _address(grad_membranes),
        membranes_stride,
        _address(grad_currents),
        0 if call.currents.shape[0] == 1 else sample.numel(),
        _address(grad_initial),
        needs[2],
        needs[3],
        torch.get_num_threads(),
    )
    grad_scale = grad_decay = None
    if needs[2]:
        factor = lsq_factor(sample, call.scale.numel(), len(call.mechanism.levels))
        grad_scale = call.scale.new_tensor(
            [factor * emitted + reset for emitted, reset in zip(scale_sum, reset_sum, strict=True)]
        )
    if needs[3]:
        grad_decay = call.decay.new_tensor(decay_sum)
    return grad_currents, grad_initial, grad_scale, grad_decay


def _described(call: Call) -> tuple[tuple[Any, ...], tuple[Tensor | None, ...]]:
    """A call as both native functions take it, and the tensors behind the addresses, to be held while they run."""
    currents, stride = step_rows(call.currents)
    initial, scale = contiguous(call.initial), call.scale.contiguous()
    described = (
        _neuron(call.mechanism),
        call.steps,
        currents.shape[1:].numel(),
        currents.dtype == torch.bfloat16,
        currents.data_ptr(),
        stride,
        _address(initial),
        scale.data_ptr(),
        scale.numel(),
        call.channel_size,
        call.decay.item(),
    )
    return described, (currents, initial, scale)


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
