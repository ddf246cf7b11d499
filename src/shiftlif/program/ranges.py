"""The range proof: interval analysis of every wire and accumulator of a program (SPEC 6).

Sound by induction over the graph: the input is int8, from its low to its high; a synapse's interval is the sum of its
taps' intervals per output channel (a tap that can fall on padding also takes 0); neurons iterate their
recurrence (`membrane`); the read-out grows by at most one current per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shiftlif.errors import RangeError
from shiftlif.program.checks import check_int
from shiftlif.program.membrane import Interval, membrane_range
from shiftlif.program.operations import (
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
from shiftlif.program.shapes import Shape, propagate

if TYPE_CHECKING:
    from shiftlif.program.program import IntegerProgram

Int64 = npt.NDArray[np.int64]
WIRE_BITS = 32
STEPS_LIMIT = 2**20  # keeps the analysis itself within int64
ADVICE = "use fewer weight bits, a smaller current_shift, smaller resets or bias, or a smaller max_steps"


@dataclass(frozen=True, eq=False)
class WireRange:
    """What one operation can produce within ``max_steps`` steps.

    Attributes:
        name: the operation.
        output: the interval of the emitted wire, per channel.
        accumulator: the largest magnitude that any accumulator inside can take, in any order of summation.
        current: of a Neuron or Accumulate: ``(x << current_shift) + bias``, per channel.
        before: of a Neuron: the membrane when it meets its thresholds.
        after: of a Neuron: the membrane after reset, the initial 0 included; of an Accumulate: its sum.
    """

    name: str
    output: Interval
    accumulator: int
    current: Interval | None = None
    before: Interval | None = None
    after: Interval | None = None

    @property
    def low(self) -> int:
        """The smallest value on the wire."""
        return int(self.output.low.min())

    @property
    def high(self) -> int:
        """The largest value on the wire."""
        return int(self.output.high.max())


def analyse(
    program: IntegerProgram | Sequence[Operation], max_steps: int | None = None
) -> dict[str, WireRange]:
    """The proven range of every operation, by name in program order.

    Args:
        program: a program, or its operations (they are checked as a graph first).
        max_steps: for how many steps the proof must hold; default is the program's own.

    Raises:
        ProgramError: when the operations are no valid graph or ``max_steps`` is out of range.
        RangeError: when a value could leave 32 bits, or a membrane its ``membrane_bits``.
    """
    if isinstance(program, Sequence):
        operations: Sequence[Operation] = program
    else:
        operations = program.operations
        max_steps = program.max_steps if max_steps is None else max_steps
    check_int("range analysis", "max_steps", max_steps, 1, STEPS_LIMIT)
    return _analyse(operations, propagate(operations), int(max_steps or 0))


def _analyse(
    operations: Sequence[Operation], shapes: dict[str, Shape], max_steps: int
) -> dict[str, WireRange]:
    ranges: dict[str, WireRange] = {}
    for operation in operations:
        inputs = [ranges[source].output for source in sources_of(operation)]
        source_shapes = [shapes[source] for source in sources_of(operation)]
        result = _range(operation, inputs, source_shapes, max_steps)
        # Checked before anybody downstream computes with it, so that int64 suffices for the analysis.
        _check(operation, "its accumulator", result.accumulator, WIRE_BITS, max_steps)
        if isinstance(operation, Neuron) and result.before is not None and result.after is not None:
            bits = operation.membrane_bits
            _check(operation, "its membrane before emission", result.before.magnitude, bits, max_steps)
            _check(operation, "its membrane after reset", result.after.magnitude, bits, max_steps)
        ranges[operation.name] = result
    return ranges


def _check(operation: Operation, what: str, magnitude: int, bits: int, max_steps: int) -> None:
    limit = 2 ** (bits - 1) - 1
    if magnitude > limit:
        raise RangeError(
            f"{label(operation)}: {what} can reach a magnitude of {magnitude} within {max_steps} steps, "
            f"expected at most {limit} for {bits} bits; {ADVICE}"
        )


def _range(operation: Operation, inputs: list[Interval], shapes: list[Shape], max_steps: int) -> WireRange:
    name = operation.name
    match operation:
        case Input():
            channels = operation.shape[0]
            frame = Interval(
                np.full(channels, operation.low, np.int64), np.full(channels, operation.high, np.int64)
            )
            return WireRange(name, frame, frame.magnitude)
        case Linear() | Conv():
            return _synapse(operation, inputs[0])
        case Neuron():
            return _neuron(operation, inputs[0], max_steps)
        case Accumulate():
            return _readout(operation, inputs[0], max_steps)
        case MaxPool():
            return WireRange(name, inputs[0], inputs[0].magnitude)
        case SumPool():
            size = prod(operation.kernel)
            total = Interval(inputs[0].low * size, inputs[0].high * size)
            return WireRange(name, total, inputs[0].magnitude * size)
        case Flatten():
            repeats = prod(shapes[0][1:])
            flat = Interval(np.repeat(inputs[0].low, repeats), np.repeat(inputs[0].high, repeats))
            return WireRange(name, flat, flat.magnitude)
        case Add():
            a, b = inputs[0].scaled(operation.shifts[0]), inputs[1].scaled(operation.shifts[1])
            return WireRange(name, a.plus(b), a.magnitude + b.magnitude)


def _synapse(operation: Linear | Conv, source: Interval) -> WireRange:
    groups = operation.groups if isinstance(operation, Conv) else 1
    padded = isinstance(operation, Conv) and any(operation.padding)
    out, fan_in = operation.weight.shape[:2]
    weight = operation.weight.astype(np.int64).reshape(groups, out // groups, fan_in, -1)
    low = source.low.reshape(groups, 1, fan_in, 1)
    high = source.high.reshape(groups, 1, fan_in, 1)
    lowest, highest = np.minimum(weight * low, weight * high), np.maximum(weight * low, weight * high)
    if padded:
        lowest, highest = np.minimum(lowest, 0), np.maximum(highest, 0)
    total = Interval(lowest.sum(axis=(2, 3)).reshape(out), highest.sum(axis=(2, 3)).reshape(out))
    # In floating point: exact while it fits 32 bits, and no number of taps makes it wrap back into them.
    largest = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    accumulator = int((np.abs(weight) * largest).sum(axis=(2, 3)).max())
    return WireRange(operation.name, total, accumulator)


def _neuron(operation: Neuron, source: Interval, max_steps: int) -> WireRange:
    shifted = source.scaled(operation.current_shift)
    current = source.scaled(operation.current_shift, operation.bias.astype(np.int64))
    pieces = shifted.magnitude + int(np.abs(operation.bias.astype(np.int64)).max())
    _check(operation, "its shifted current plus bias", pieces, WIRE_BITS, max_steps)
    reached = membrane_range(operation, current, max_steps)
    # leaked membrane + shifted current + bias, added in whichever order
    accumulator = max(reached.after.magnitude + pieces, reached.before.magnitude)
    return WireRange(operation.name, reached.letters, accumulator, current, reached.before, reached.after)


def _readout(operation: Accumulate, source: Interval, max_steps: int) -> WireRange:
    shifted = source.scaled(operation.current_shift)
    current = source.scaled(operation.current_shift, operation.bias.astype(np.int64))
    pieces = shifted.magnitude + int(np.abs(operation.bias.astype(np.int64)).max())
    _check(operation, "its shifted current plus bias", pieces, WIRE_BITS, max_steps)
    total, earlier = current.per_step(max_steps), current.per_step(max_steps - 1)
    return WireRange(operation.name, total, earlier.magnitude + pieces, current, None, total)


def with_proven_widths(operations: Sequence[Operation], max_steps: int) -> tuple[Operation, ...]:
    """The same operations, each Neuron with 16 membrane bits where proven and 32 elsewhere.

    Raises:
        ProgramError, RangeError: as `analyse`, for 32-bit membranes.
    """
    wide = tuple(replace(op, membrane_bits=32) if isinstance(op, Neuron) else op for op in operations)
    ranges = analyse(wide, max_steps)
    return tuple(_narrowed(operation, ranges[operation.name]) for operation in wide)


def _narrowed(operation: Operation, reached: WireRange) -> Operation:
    if not isinstance(operation, Neuron) or reached.before is None or reached.after is None:
        return operation
    fits = max(reached.before.magnitude, reached.after.magnitude) < 2**15
    return replace(operation, membrane_bits=16) if fits else operation


def largest_safe_steps(operations: Sequence[Operation], limit: int = 2**16) -> int:
    """The largest ``max_steps <= limit`` for which the range proof holds.

    Args:
        operations: a valid graph.
        limit: 1 to 2^20.

    Raises:
        ProgramError: when the operations are no valid graph or the limit is out of range.
        RangeError: when the proof fails for a single step.
    """
    check_int("largest_safe_steps", "limit", limit, 1, STEPS_LIMIT)
    shapes = propagate(operations)

    def holds(steps: int) -> bool:
        try:
            _analyse(operations, shapes, steps)
        except RangeError:
            return False
        return True

    if holds(limit):
        return limit
    _analyse(operations, shapes, 1)
    good, bad = 1, limit
    while bad - good > 1:  # intervals only grow with steps, so the proof is monotone
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good
