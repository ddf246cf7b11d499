"""The fused sequence as a differentiable operation: ``torch.ops.shiftlif.sequence`` and its short cut.

Two entries to the same kernels. `torch.compile` and `torch.export` see the operator, which has a fake implementation
(shapes without data) and a registered gradient, so that a graph holds one node per layer. Eager calls go through an
autograd function, because an operator defined in Python costs more per call than a small layer takes to compute.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from shiftlif.kernels import cpu
from shiftlif.kernels.mechanism import Mechanism
from shiftlif.surrogate import first_derivative_only

_NEURON = (
    "Tensor currents, Tensor? initial, Tensor scale, Tensor decay, SymInt steps, SymInt channel_size, "
    "float[] levels, float[] boundaries, str surrogate, float alpha, bool decay_input, bool hard_reset, "
    "bool detach_reset"
)
LIBRARY: Any = torch.library.Library("shiftlif", "FRAGMENT")  # type: ignore[no-untyped-call]
LIBRARY.define(f"sequence({_NEURON}, bool last, bool record) -> (Tensor, Tensor, Tensor)")
LIBRARY.define(
    f"sequence_backward({_NEURON}, Tensor? grad_spikes, Tensor? grad_last, Tensor? grad_membranes, bool[] needs)"
    " -> (Tensor, Tensor, Tensor, Tensor)"
)

N_TENSORS = 4  # currents, initial, scale, decay: what gradients may be asked of


def backend(device: str) -> ModuleType:
    """The kernels of a device type; both modules have the same ``forward`` and ``backward``."""
    if device == "cpu":
        return cpu
    from shiftlif.kernels import gpu

    return gpu


def _mechanism(fields: tuple[Any, ...]) -> Mechanism:
    levels, boundaries, *rest = fields
    return Mechanism(tuple(levels), tuple(boundaries), *rest)


def _sequence(
    currents: Tensor,
    initial: Tensor | None,
    scale: Tensor,
    decay: Tensor,
    steps: int,
    channel_size: int,
    *neuron: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    *fields, last, record = neuron
    spikes, final, membranes = backend(currents.device.type).forward(
        _mechanism(tuple(fields)), currents, initial, scale, decay, steps, channel_size, last, record
    )
    absent = [
        scale.new_empty(0) if x is None else x for x in (final, membranes)
    ]  # an operator returns tensors
    return spikes, absent[0], absent[1]


def _sequence_backward(
    currents: Tensor,
    initial: Tensor | None,
    scale: Tensor,
    decay: Tensor,
    steps: int,
    channel_size: int,
    *rest: Any,
) -> tuple[Tensor, ...]:
    *fields, grad_spikes, grad_last, grad_membranes, needs = rest
    grads = backend(currents.device.type).backward(
        _mechanism(tuple(fields)),
        currents,
        initial,
        scale,
        decay,
        steps,
        channel_size,
        grad_spikes,
        grad_last,
        grad_membranes,
        tuple(needs),
    )
    return tuple(scale.new_empty(0) if grad is None else grad for grad in grads)


def _fake_sequence(
    currents: Tensor,
    initial: Tensor | None,
    scale: Tensor,
    decay: Tensor,
    steps: int,
    channel_size: int,
    *neuron: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    sample = currents.shape[1:]
    last, record = neuron[-2:]
    return (
        currents.new_empty((steps, *sample)),
        currents.new_empty(sample if last else (0,), dtype=torch.float32),
        currents.new_empty((steps, *sample) if record else (0,), dtype=torch.float32),
    )


def _fake_sequence_backward(
    currents: Tensor, initial: Tensor | None, scale: Tensor, decay: Tensor, *rest: Any
) -> tuple[Tensor, ...]:
    like = (
        currents.new_empty(currents.shape),
        currents.new_empty(currents.shape[1:], dtype=torch.float32),
        scale.new_empty(scale.shape),
        decay.new_empty(decay.shape),
    )
    return tuple(
        tensor if needed else scale.new_empty(0) for tensor, needed in zip(like, rest[-1], strict=True)
    )


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:N_TENSORS])
    ctx.rest = inputs[N_TENSORS:-2]
    ctx.needs = [isinstance(x, Tensor) and x.requires_grad for x in inputs[:N_TENSORS]]
    ctx.returned = inputs[-2:]
    ctx.set_materialize_grads(False)


def _gradient(
    ctx: Any, grad_spikes: Tensor | None, grad_last: Tensor | None, grad_membranes: Tensor | None
) -> tuple[Tensor | None, ...]:
    last, record = ctx.returned
    grads = torch.ops.shiftlif.sequence_backward(
        *ctx.saved_tensors,
        *ctx.rest,
        grad_spikes,
        grad_last if last else None,
        grad_membranes if record else None,
        ctx.needs,
    )
    wanted = tuple(grad if needed else None for grad, needed in zip(grads, ctx.needs, strict=True))
    return wanted + (None,) * (len(ctx.rest) + 2)


def _no_second_derivative(*_: Any) -> None:
    with torch.enable_grad():
        first_derivative_only()


for _key in ("CPU", "CUDA"):
    LIBRARY.impl("sequence", _sequence, _key)
    LIBRARY.impl("sequence_backward", _sequence_backward, _key)
torch.library.register_fake("shiftlif::sequence", _fake_sequence, lib=LIBRARY)
torch.library.register_fake("shiftlif::sequence_backward", _fake_sequence_backward, lib=LIBRARY)
torch.library.register_autograd("shiftlif::sequence", _gradient, setup_context=_setup, lib=LIBRARY)
torch.library.register_autograd("shiftlif::sequence_backward", _no_second_derivative, lib=LIBRARY)


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        currents: Tensor,
        initial: Tensor | None,
        scale: Tensor,
        decay: Tensor,
        mechanism: Mechanism,
        steps: int,
        channel_size: int,
        last: bool,
        record: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        ctx.save_for_backward(currents, initial, scale, decay)
        ctx.neuron = mechanism, steps, channel_size
        ctx.set_materialize_grads(False)
        result: tuple[Tensor, Tensor | None, Tensor | None] = backend(currents.device.type).forward(
            mechanism, currents, initial, scale, decay, steps, channel_size, last, record
        )
        return result

    @staticmethod
    def backward(
        ctx: Any, grad_spikes: Tensor | None, grad_last: Tensor | None, grad_membranes: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        first_derivative_only()
        currents, initial, scale, decay = ctx.saved_tensors
        mechanism, steps, channel_size = ctx.neuron
        grads: tuple[Tensor | None, ...] = backend(currents.device.type).backward(
            mechanism,
            currents,
            initial,
            scale,
            decay,
            steps,
            channel_size,
            grad_spikes,
            grad_last,
            grad_membranes,
            ctx.needs_input_grad[:N_TENSORS],
        )
        return (*grads, None, None, None, None, None)


def is_traced(tensor: Tensor) -> bool:
    """Whether something records operations instead of, or besides, computing them."""
    return (
        torch.compiler.is_compiling()
        or type(tensor) not in (Tensor, torch.nn.Parameter)
        or torch._C._len_torch_dispatch_stack() > 0
    )


def fused_sequence(
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
    """A differentiable sequence; arguments and results are those of `shiftlif.kernels.cpu.forward`.

    Raises:
        NetworkError: in a backward pass with ``create_graph=True``.
    """
    if is_traced(currents):
        spikes, final, membranes = torch.ops.shiftlif.sequence(
            currents,
            initial,
            scale,
            decay,
            steps,
            channel_size,
            list(mechanism.levels),
            list(mechanism.boundaries),
            *mechanism[2:],
            last,
            record,
        )
        return spikes, final if last else None, membranes if record else None
    results: tuple[Tensor, Tensor | None, Tensor | None] = _Sequence.apply(  # type: ignore[no-untyped-call]
        currents, initial, scale, decay, mechanism, steps, channel_size, last, record
    )
    return results
