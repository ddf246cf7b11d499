"""Fused sequences on CUDA devices: Triton kernels with the arguments and results of `shiftlif.kernels.cpu`.

No value is read back from the device, so a call neither waits nor breaks a CUDA graph.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor

from shiftlif.kernels import triton_sequence
from shiftlif.kernels.call import Call, Gradients, Needs, contiguous, step_rows
from shiftlif.surrogate import lsq_factor

UNROLLED_BOUNDARIES = 16
"""Tables up to this length are compared one by one, longer ones are searched."""

MOST_STEPS = 16
"""Steps whose intermediate values the backward pass keeps in registers."""

BYTES_AHEAD = 64
"""What a thread asks for before it uses the first of it, which hides the latency of memory."""

WARPS = 4
MIN_PROGRAMS = 512
"""Programs that keep a large device busy; with fewer neurons a thread gets fewer of them."""

EXACT = {"enable_fp_fusion": False}
"""Launch option: a * b + c rounds twice, like the reference. Triton fuses it otherwise, and spikes change."""


class Layout(NamedTuple):
    """Which neurons a program has, see `shiftlif.kernels.triton_sequence`."""

    span: int
    blocks: int
    per_lane: bool
    block: int
    warps: int
    programs: int


def layout(neurons: int, channels: int, channel_size: int, per_thread: int) -> Layout:
    """Cut ``neurons`` into programs of at most ``per_thread`` neurons a thread.

    Args:
        neurons: N > 0 of one step.
        channels: how many scales there are.
        channel_size: neurons side by side that share one.
        per_thread: a power of two; times the element size, the bytes of a thread's loads.
    """
    threads = 32 * WARPS
    per_lane = channels > 1 and channel_size < threads
    span = channel_size if channels > 1 and not per_lane else neurons
    groups = neurons // span
    while per_thread > 1 and groups * -(-span // (threads * per_thread)) < MIN_PROGRAMS:
        per_thread //= 2
    block = min(threads * per_thread, max(threads, 1 << (span - 1).bit_length()))
    blocks = -(-span // block)
    return Layout(span, blocks, per_lane, block, max(1, block // (32 * per_thread)), groups * blocks)


def chunk_length(steps: int) -> int:
    """Steps of a chunk: as many as fit; a divisor of ``steps`` if there is one, so that no remainder is compiled."""
    if steps <= MOST_STEPS:
        return steps
    divisors = (n for n in range(MOST_STEPS, MOST_STEPS // 2 - 1, -1) if steps % n == 0)
    return next(divisors, -(-steps // -(-steps // MOST_STEPS)))


@lru_cache(maxsize=256)
def _table(levels: tuple[float, ...], boundaries: tuple[float, ...], device: torch.device) -> tuple[Any, int]:
    """``(table [2, size], size)`` of a long alphabet, ``(None, 0)`` of one that is unrolled."""
    if len(boundaries) <= UNROLLED_BOUNDARIES:
        return None, 0
    size = 1 << (len(levels) - 1).bit_length()
    table = torch.full((2, size), levels[-1])
    table[0] = inf
    table[0, : len(boundaries)] = torch.tensor(boundaries, dtype=torch.float64)
    table[1, : len(levels)] = torch.tensor(levels)
    return table.to(device), size


def _on(tensor: Tensor) -> AbstractContextManager[Any]:
    """Launch on the device that holds the tensor."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def _neuron_arguments(call: Call, cut: Layout) -> dict[str, Any]:
    """What both kernels are told about the call and its layout."""
    table, size = _table(call.mechanism.levels, call.mechanism.boundaries, call.currents.device)
    currents, stride = step_rows(call.currents)
    return {
        "currents": currents,
        "stride": stride,
        "initial": contiguous(call.initial),
        "scale": call.scale.contiguous(),
        "decay": call.decay,
        "table": table,
        "neurons": currents[0].numel(),
        "span": cut.span,
        "blocks": cut.blocks,
        "channels": call.scale.numel(),
        "channel_size": call.channel_size,
        "NEURON": call.mechanism,
        "SIZE": size,
        "STEPS": call.steps,
        "CONSTANT": len(currents) == 1 and call.steps > 1,
        "PER_LANE": cut.per_lane,
        "BLOCK": cut.block,
        "num_warps": cut.warps,
        **EXACT,
    }


def forward(call: Call, last: bool, record: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Spikes, last membrane and membranes of a sequence; see `shiftlif.kernels.cpu.forward`."""
    currents, sample = call.currents, call.currents.shape[1:]
    spikes = currents.new_empty((call.steps, *sample))
    final = currents.new_empty(sample, dtype=torch.float32) if last else None
    membranes = currents.new_empty((call.steps, *sample), dtype=torch.float32) if record else None
    if not sample.numel():
        return spikes, final, membranes
    # 16 bytes a thread: the widest load there is.
    cut = layout(sample.numel(), call.scale.numel(), call.channel_size, 16 // currents.element_size())
    with _on(currents):
        triton_sequence.forward_kernel[(cut.programs,)](
            spikes=spikes,
            last=final,
            membranes=membranes,
            GROUP=BYTES_AHEAD // 16,
            **_neuron_arguments(call, cut),
        )
    return spikes, final, membranes


def backward(
    call: Call, grads: Gradients, needs: Needs
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of currents, initial membrane, scale and decay; see `shiftlif.kernels.cpu.backward`.

    The gradients of scale and decay are sums of the programs' sums in a fixed order: the same call, the same bits.
    """
    currents, scale, decay = call.currents, call.scale, call.decay
    sample = currents.shape[1:]
    neurons = sample.numel()
    grad_currents = currents.new_empty(currents.shape) if needs[0] else None
    grad_initial = currents.new_empty(sample, dtype=torch.float32) if needs[1] else None
    if not neurons:
        grad_scale, grad_decay = (
            torch.zeros_like(x) if need else None for x, need in zip((scale, decay), needs[2:], strict=True)
        )
        return grad_currents, grad_initial, grad_scale, grad_decay
    spike_rows, spike_stride = step_rows(grads[0])
    membrane_rows, membrane_stride = step_rows(grads[2])
    chunk = chunk_length(call.steps)
    # What a long chunk keeps in registers leaves room for two neurons a thread.
    per_thread = 4 if chunk <= MOST_STEPS // 2 else 2
    cut = layout(neurons, scale.numel(), call.channel_size, per_thread)
    float32 = partial(torch.empty, dtype=torch.float32, device=currents.device)
    scale_sums = float32(neurons if cut.per_lane else cut.programs) if needs[2] else None
    decay_sums = float32(cut.programs) if needs[3] else None
    with _on(currents):
        triton_sequence.backward_kernel[(cut.programs,)](
            factor=lsq_factor(sample, scale.numel(), len(call.mechanism.levels)),
            grad_spikes=spike_rows,
            grad_spikes_stride=spike_stride,
            grad_last=contiguous(grads[1]),
            grad_membranes=membrane_rows,
            grad_membranes_stride=membrane_stride,
            grad_currents=grad_currents,
            grad_initial=grad_initial,
            scale_sums=scale_sums,
            decay_sums=decay_sums,
            scratch=float32(-(-call.steps // chunk), neurons) if chunk < call.steps else None,
            CHUNK=chunk,
            GROUP=BYTES_AHEAD // (4 * per_thread),
            **_neuron_arguments(call, cut),
        )
    grad_scale, grad_decay = None, None
    if scale_sums is not None:
        # [samples, channels, programs or neurons of a channel]
        by_channel = scale_sums.view(-1, scale.numel(), call.channel_size if cut.per_lane else cut.blocks)
        grad_scale = by_channel.sum((0, 2), dtype=torch.float64).to(scale.dtype)
    if decay_sums is not None:
        grad_decay = decay_sums.sum(dtype=torch.float64).to(decay.dtype).view(decay.shape)
    return grad_currents, grad_initial, grad_scale, grad_decay
