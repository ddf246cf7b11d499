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
from shiftlif.kernels.call import N_TENSORS, Call
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


def backend(device: str) -> ModuleType:
    """The kernels of a device type; both modules have the same ``forward`` and ``backward``."""
    if device == "cpu":
        return cpu
    from shiftlif.kernels import gpu

    return gpu


def _call(arguments: list[Any]) -> Call:
    """The operator's arguments, in whose schema the mechanism's fields stand one by one."""
    currents, initial, scale, decay, steps, channel_size, levels, boundaries, *rest = arguments
    neuron = Mechanism(tuple(levels), tuple(boundaries), *rest)
    return Call(currents, initial, scale, decay, steps, channel_size, neuron)


def _sequence(*arguments: Any) -> tuple[Tensor, ...]:
    *fields, last, record = arguments
    call = _call(fields)
    results = backend(call.currents.device.type).forward(call, last, record)
    return _present(results, call.scale)


def _sequence_backward(*arguments: Any) -> tuple[Tensor, ...]:
    *fields, grad_spikes, grad_last, grad_membranes, needs = arguments
    call, grads = _call(fields), (grad_spikes, grad_last, grad_membranes)
    results = backend(call.currents.device.type).backward(call, grads, tuple(needs))
    return _present(results, call.scale)


def _present(results: tuple[Tensor | None, ...], like: Tensor) -> tuple[Tensor, ...]:
    """An operator returns tensors: an empty one stands for what is absent."""
    return tuple(like.new_empty(0) if x is None else x for x in results)


def _fake_sequence(*arguments: Any) -> tuple[Tensor, ...]:
    *fields, last, record = arguments
    call = _call(fields)
    currents, sample = call.currents, call.currents.shape[1:]
    return (
        currents.new_empty((call.steps, *sample)),
        currents.new_empty(sample if last else (0,), dtype=torch.float32),
        currents.new_empty((call.steps, *sample) if record else (0,), dtype=torch.float32),
    )


def _fake_sequence_backward(*arguments: Any) -> tuple[Tensor, ...]:
    currents, _, scale, decay, *_ = arguments
    like = (
        currents.new_empty(currents.shape),
        currents.new_empty(currents.shape[1:], dtype=torch.float32),
        scale.new_empty(scale.shape),
        decay.new_empty(decay.shape),
    )
    wanted = (x if needed else None for x, needed in zip(like, arguments[-1], strict=True))
    return _present(tuple(wanted), scale)


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


_NO_GRADIENTS = (None, None, None)  # of the call, last and record


class _Sequence(torch.autograd.Function):
    """A call, and before it its tensors: autograd looks for them among the arguments only."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        *tensors, call, last, record = arguments
        ctx.save_for_backward(*tensors)
        ctx.numbers = call[N_TENSORS:]
        ctx.set_materialize_grads(False)
        result: tuple[Tensor, Tensor | None, Tensor | None]
        result = backend(call.currents.device.type).forward(call, last, record)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        first_derivative_only()
        call = Call(*ctx.saved_tensors, *ctx.numbers)
        found: tuple[Tensor | None, ...]
        found = backend(call.currents.device.type).backward(call, grads, ctx.needs_input_grad[:N_TENSORS])
        return found + _NO_GRADIENTS


def is_traced(tensor: Tensor) -> bool:
    """Whether something records operations instead of, or besides, computing them."""
    return (
        torch.compiler.is_compiling()
        or type(tensor) not in (Tensor, torch.nn.Parameter)
        or torch._C._len_torch_dispatch_stack() > 0
    )


def fused_sequence(call: Call, last: bool, record: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """A differentiable sequence; arguments and results are those of `shiftlif.kernels.cpu.forward`.

    Raises:
        NetworkError: in a backward pass with ``create_graph=True``.
    """
    if is_traced(call.currents):
        *plain, (levels, boundaries, *rest) = call
        spikes, final, membranes = torch.ops.shiftlif.sequence(
            *plain, list(levels), list(boundaries), *rest, last, record
        )
        return spikes, final if last else None, membranes if record else None
    results: tuple[Tensor, Tensor | None, Tensor | None]
    results = _Sequence.apply(*call[:N_TENSORS], call, last, record)  # type: ignore[no-untyped-call]
    return results
