"""How shapes pass through a graph of operations, and whether the graph is one."""

from __future__ import annotations

from collections.abc import Sequence

from shiftlif.errors import ProgramError
from shiftlif.program.checks import fail
from shiftlif.program.operations import (
    KINDS,
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    Linear,
    MaxPool,
    Neuron,
    Operation,
    SumPool,
    label,
    sources_of,
)

Shape = tuple[int, ...]


def window_count(size: int, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> int:
    """Complete windows along one axis: ``(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def propagate(operations: Sequence[Operation]) -> dict[str, Shape]:
    """The shape ``(C, *spatial)`` of every wire, by operation name, in program order.

    Raises:
        ProgramError: when the graph is not: unique names; one Input, first; one Accumulate, last;
            sources defined earlier; every wire read; channels and lengths that fit.
    """
    if not operations:
        raise ProgramError("program: operations is empty, expected an Input first and an Accumulate last")
    shapes: dict[str, Shape] = {}
    for position, operation in enumerate(operations):
        if type(operation) not in KINDS.values():
            raise ProgramError(
                f"program: operations[{position}] is a {type(operation).__name__}, "
                f"expected one of {list(KINDS)}"
            )
        _check_place(position, len(operations), operation, shapes)
        inputs = tuple(shapes[source] for source in sources_of(operation))
        shapes[operation.name] = (
            operation.shape if isinstance(operation, Input) else _shape(operation, inputs)
        )
    read = {source for operation in operations for source in sources_of(operation)}
    for operation in operations[:-1]:
        if operation.name not in read:
            raise ProgramError(f"{label(operation)}: nobody reads its wire; remove it or connect it")
    return shapes


def _check_place(position: int, count: int, operation: Operation, shapes: dict[str, Shape]) -> None:
    where = label(operation)
    if operation.name in shapes:
        raise fail(
            where, "name", operation.name, "a name that no earlier operation has", "rename one of them"
        )
    if isinstance(operation, Input) != (position == 0):
        raise fail(where, "position", position, "exactly one Input, as operation 0")
    if isinstance(operation, Accumulate) != (position == count - 1):
        raise fail(where, "position", position, f"exactly one Accumulate, as the last operation {count - 1}")
    for source in sources_of(operation):
        if source not in shapes:
            raise fail(
                where, "source", source, f"an earlier operation, one of {list(shapes)}", "reorder or rename"
            )


def _shape(operation: Operation, inputs: tuple[Shape, ...]) -> Shape:
    where, shape = label(operation), inputs[0]
    match operation:
        case Linear():
            if shape != (operation.weight.shape[1],):
                expected = f"({operation.weight.shape[1]},) as weight has that many columns"
                raise fail(where, "input shape", shape, expected, "flatten first or fix the weight")
            return (operation.weight.shape[0],)
        case Conv():
            return _conv_shape(operation, shape)
        case Neuron() | Accumulate():
            if operation.bias.shape[0] != shape[0]:
                raise fail(
                    where, "bias length", operation.bias.shape[0], f"{shape[0]}, the channels of its input"
                )
            if isinstance(operation, Accumulate) and len(shape) != 1:
                raise fail(where, "input shape", shape, "(classes,)", "flatten or pool before the read-out")
            return shape
        case SumPool() | MaxPool():
            if len(shape) != 1 + len(operation.kernel):
                raise fail(where, "kernel", operation.kernel, f"one number per spatial axis of {shape}")
            out = tuple(
                window_count(n, k, s)
                for n, k, s in zip(shape[1:], operation.kernel, operation.stride, strict=True)
            )
            return _positive(where, "kernel", operation.kernel, shape, (shape[0], *out))
        case Flatten():
            size = 1
            for extent in shape:
                size *= extent
            return (size,)
        case Add():
            if inputs[0] != inputs[1]:
                raise fail(where, "source shapes", inputs, "two equal shapes")
            return shape
        case _:
            raise fail(where, "kind", type(operation).__name__, f"one of {list(KINDS)}")


def _conv_shape(operation: Conv, shape: Shape) -> Shape:
    where = label(operation)
    if len(shape) != 1 + len(operation.kernel):
        raise fail(
            where, "weight shape", operation.weight.shape, f"one kernel axis per spatial axis of {shape}"
        )
    channels = operation.weight.shape[1] * operation.groups
    if channels != shape[0]:
        expected = (
            f"{channels} (weight axis 1 times groups = {operation.weight.shape[1]} x {operation.groups})"
        )
        raise fail(where, "input channels", shape[0], expected)
    settings = zip(
        shape[1:], operation.kernel, operation.stride, operation.padding, operation.dilation, strict=True
    )
    out = tuple(window_count(*axis) for axis in settings)
    return _positive(where, "kernel", operation.kernel, shape, (operation.weight.shape[0], *out))


def _positive(where: str, field: str, kernel: Shape, source: Shape, out: Shape) -> Shape:
    if min(out) < 1:
        raise fail(
            where, field, kernel, f"a window that fits into {source}", "use a smaller kernel or more padding"
        )
    return out
