"""What an inference costs, counted from real runs (SPEC 8): events, shifts, adds, compares and bytes.

Counting rules, all averages per inference:

- A synapse layer adds one weight per set digit of ``|n|`` and connection, and shifts it unless the digit is
  the lowest. Connections are counted exactly: borders, stride, dilation and groups. Zero weights count.
- A layer that depends on the input only is counted once per inference when the input is the same at every
  step, and at every step otherwise. It is never free.
- A neuron pays at every step: leak (shift, subtraction), current (shift when not 0, add), bias where not 0,
  one compare per threshold, and one subtraction per letter emitted with a soft reset.
- No rule contains a multiplication, so there is none to count. Operations are not joules;
  `shiftlif.program.energy` prices them by published models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.program.interpreter import run, step
from shiftlif.program.operations import (
    Accumulate,
    Add,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    Neuron,
    Operation,
    SumPool,
    arrays_of,
    kind_of,
    sources_of,
    weight_bytes_of,
)
from shiftlif.program.program import IntegerProgram
from shiftlif.program.shapes import Shape, window_count
from shiftlif.program.shift_add import count_digits
from shiftlif.program.state import initial_state, is_sequence

IntArray = npt.NDArray[Any]
CHUNK = 64  # samples at a time: bounds memory


@dataclass
class LayerCost:
    """One operation's cost, averaged per inference over the samples.

    Attributes:
        name: the operation.
        kind: its kind.
        channels: of its output.
        neurons: how many integrators with a threshold it has.
        events: of a Neuron, non-zero letters emitted; of a synapse, non-zero inputs that arrive.
        synaptic_operations: events times connections.
        adds: additions and subtractions.
        shifts: shifts by one or more.
        compares: comparisons.
        weight_bytes: weights as deployed, stored once.
        table_bytes: bias, thresholds, resets and letters as int32, stored once.
        state_bytes: membranes or read-out sums, stored once.
        weight_bytes_read: weight bytes fetched when every synaptic operation fetches its weight.
        state_bytes_moved: state bytes read and written.
        dense_operations: of a synapse, connections times evaluations: the products of an evaluation that skips none.
        values_read: of a synapse, values that arrive, zeros included.
        values_written: values that leave, zeros included.
        evaluations: how often it is computed per inference: once where its input does not change, else at every step.
        direct: it depends on the program's input through no neuron: the direct-coded first layer.
        weight_bits: of a synapse.
        input_bits: of a synapse, the code of a value that arrives: of letters their index, else two's complement.
        event_bits: as ``input_bits``, of a value known not to be 0; at least 1.
        value_bits: as ``input_bits``, of the value itself: a multiplier's operand.
    """

    name: str
    kind: str
    channels: int = 0
    neurons: int = 0
    events: float = 0.0
    synaptic_operations: float = 0.0
    adds: float = 0.0
    shifts: float = 0.0
    compares: float = 0.0
    weight_bytes: int = 0
    table_bytes: int = 0
    state_bytes: int = 0
    weight_bytes_read: float = 0.0
    state_bytes_moved: float = 0.0
    dense_operations: float = 0.0
    values_read: float = 0.0
    values_written: float = 0.0
    evaluations: int = 0
    direct: bool = False
    weight_bits: int = 0
    input_bits: int = 0
    event_bits: int = 0
    value_bits: int = 0


COUNTS = ("events", "synaptic_operations", "adds", "shifts", "compares", "weight_bytes_read")
"""Fields of `LayerCost` that depend on the samples."""
DESCRIPTIONS = (
    *("name", "kind", "channels", "evaluations", "direct"),
    *("weight_bits", "input_bits", "event_bits", "value_bits"),
)
"""Fields of `LayerCost` that have no sum over layers."""


@dataclass(frozen=True)
class Cost:
    """The cost of one inference.

    Attributes:
        layers: one entry per operation but the Input, in program order.
        steps: steps per inference.
        samples: how many samples the averages are over.
        multiplications: 0, by the counting rules.
    """

    layers: tuple[LayerCost, ...]
    steps: int
    samples: int
    multiplications: int = field(default=0, init=False)

    def total(self, name: str) -> float:
        """The sum of one numeric `LayerCost` field over all layers."""
        return float(sum(getattr(layer, name) for layer in self.layers))

    @property
    def totals(self) -> dict[str, float]:
        """Every field of `LayerCost` that is a count, summed; ``events`` counts emitted letters only."""
        names = [f.name for f in fields(LayerCost) if f.name not in DESCRIPTIONS]
        return {**{name: self.total(name) for name in names}, "events": self._emitted()}

    def _emitted(self) -> float:
        return float(sum(layer.events for layer in self.layers if layer.kind == "Neuron"))

    @property
    def events_per_neuron_step(self) -> float:
        """Letters emitted per neuron and step over the whole program; 0 without neurons."""
        count = sum(layer.neurons for layer in self.layers) * self.steps
        return self._emitted() / count if count else 0.0

    @property
    def layer_rates(self) -> dict[str, float]:
        """Letters emitted per neuron and step, by Neuron."""
        return {
            layer.name: layer.events / (layer.neurons * self.steps)
            for layer in self.layers
            if layer.kind == "Neuron"
        }

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "steps": self.steps,
            "samples": self.samples,
            "multiplications": self.multiplications,
            "totals": self.totals,
            "events_per_neuron_step": self.events_per_neuron_step,
            "layer_rates": self.layer_rates,
        }


def fan_out(operation: Linear | Conv, source: Shape) -> npt.NDArray[np.int64]:
    """Connections that leave each position of the source wire: int64, shape ``[C, *spatial]``.

    Along one axis, input ``i`` meets tap ``t`` of output ``o`` where ``o stride - padding + t dilation = i``;
    axes are independent, so the count is a product over axes and the output channels of a group.
    """
    if isinstance(operation, Linear):
        return np.full(source, operation.weight.shape[0], np.int64)
    count = np.full(source, operation.weight.shape[0] // operation.groups, np.int64)
    settings = zip(operation.kernel, operation.stride, operation.padding, operation.dilation, strict=True)
    for axis, (kernel, stride, padding, dilation) in enumerate(settings, start=1):
        size = source[axis]
        outputs = np.arange(window_count(size, kernel, stride, padding, dilation))[:, None]
        met = outputs * stride - padding + np.arange(kernel) * dilation
        met = met[(met >= 0) & (met < size)]
        count *= np.bincount(met, minlength=size).reshape(-1, *([1] * (len(source) - 1 - axis)))
    return count


def measure(program: IntegerProgram, x: npt.NDArray[np.int8], steps: int | None = None) -> Cost:
    """Runs the samples and counts.

    Args:
        program: what to run.
        x: int8 ``[B, *input_shape]`` or ``[T, B, *input_shape]``, as for `run`.
        steps: as for `run`.

    Raises:
        ProgramError: as `run`.
    """
    sequence = is_sequence(program, x)
    run(
        program, x[:, :1] if sequence else x[:1], steps
    )  # refuses what cannot be run before anything is counted
    count = x.shape[0] if sequence else (steps or program.steps)
    samples = x.shape[1] if sequence else x.shape[0]
    direct = direct_operations(program)
    costs = {
        op.name: _fixed(program, op, count, op.name in direct, sequence) for op in program.operations[1:]
    }
    for start in range(0, samples, CHUNK):
        chunk = x[:, start : start + CHUNK] if sequence else x[start : start + CHUNK]
        _count_chunk(program, chunk, sequence, count, costs)
    for cost in costs.values():
        for name in COUNTS:
            setattr(cost, name, getattr(cost, name) / samples)
    return Cost(tuple(costs.values()), count, samples)


def _count_chunk(
    program: IntegerProgram, x: npt.NDArray[np.int8], sequence: bool, steps: int, costs: dict[str, LayerCost]
) -> None:
    state = initial_state(program, x.shape[1] if sequence else x.shape[0])
    for t in range(steps):
        _, state, wires = step(program, x[t] if sequence else x, state)
        for operation in program.operations[1:]:
            if t < costs[operation.name].evaluations:
                _count(program, operation, wires, costs[operation.name])


def direct_operations(program: IntegerProgram) -> frozenset[str]:
    """The operations that depend on the input through no Neuron or Accumulate, the Input included."""
    names = {program.input.name}
    for op in program.operations[1:]:
        if not isinstance(op, (Neuron, Accumulate)) and names.issuperset(sources_of(op)):
            names.add(op.name)
    return frozenset(names)


def _fixed(
    program: IntegerProgram, operation: Operation, steps: int, direct: bool, sequence: bool
) -> LayerCost:
    """What does not depend on the samples."""
    cost = LayerCost(operation.name, kind_of(operation), weight_bytes=weight_bytes_of(operation))
    cost.channels = program.shapes()[operation.name][0]
    cost.direct, cost.evaluations = direct, 1 if direct and not sequence else steps
    cost.table_bytes = sum(
        4 * array.size for field, array in arrays_of(operation).items() if field != "weight"
    )
    elements = prod(program.shapes()[operation.name])
    if isinstance(operation, Neuron):
        cost.neurons = elements
        cost.state_bytes = elements * operation.membrane_bits // 8
    elif isinstance(operation, Accumulate):
        cost.state_bytes = 4 * elements
    cost.state_bytes_moved = float(2 * steps * cost.state_bytes)
    cost.values_written = float(elements * cost.evaluations)
    if isinstance(operation, (Linear, Conv)):
        source = program.shapes()[operation.source]
        cost.dense_operations = float(fan_out(operation, source).sum() * cost.evaluations)
        cost.values_read = float(prod(source) * cost.evaluations)
        cost.weight_bits = operation.weight_bits
        cost.input_bits, cost.event_bits, cost.value_bits = _widths(program, operation.source)
    return cost


def _widths(program: IntegerProgram, wire: str) -> tuple[int, int, int]:
    """Bits of a value on a wire: its code, its code when it is not 0, and the value itself."""
    reached = program.ranges[wire]
    value = max(reached.high.bit_length(), (-reached.low - 1).bit_length() if reached.low < 0 else 0)
    value = max(1, value + (reached.low < 0))
    letters = _letters(program, wire)
    if letters is None:
        return value, value, value
    return (letters - 1).bit_length(), max(1, (letters - 2).bit_length()), value


def _letters(program: IntegerProgram, wire: str) -> int | None:
    """How many letters can be on a wire; None where it carries sums or the input."""
    operation = next(op for op in program.operations if op.name == wire)
    if isinstance(operation, Neuron):
        return len(operation.letters)
    # a sum of letters is none, and MaxPool is a SumPool by inheritance
    return _letters(program, operation.source) if isinstance(operation, (MaxPool, Flatten)) else None


def _count(
    program: IntegerProgram, operation: Operation, wires: Mapping[str, IntArray], cost: LayerCost
) -> None:
    """Adds one evaluation of one operation, summed over the samples of the batch."""
    inputs = [wires[source] for source in sources_of(operation)]
    output = wires[operation.name]
    match operation:
        case Linear() | Conv():
            connections = fan_out(operation, program.shapes()[operation.source])
            digits = count_digits(inputs[0])
            events = inputs[0] != 0
            operations = float((events * connections).sum())
            cost.events += float(np.count_nonzero(events))
            cost.synaptic_operations += operations
            cost.adds += float((digits * connections).sum())
            # every digit but the lowest, 2^0, is a shifted one
            cost.shifts += float(((digits - (inputs[0] & 1)) * connections).sum())
            cost.weight_bytes_read += operations * operation.weight_bits / 8
        case Neuron():
            _count_integrator(operation, output, cost)
            emitted = float(np.count_nonzero(output))
            cost.events += emitted
            cost.compares += float(operation.thresholds.shape[1] * output.size)
            cost.adds += emitted if operation.reset == "soft" else 0.0
            if operation.leak_shift:  # a leak of 0 clears the membrane, which is no arithmetic
                cost.shifts += output.size
                cost.adds += output.size
        case Accumulate():
            _count_integrator(operation, output, cost)
        case MaxPool():
            cost.compares += float((prod(operation.kernel) - 1) * output.size)
        case SumPool():
            cost.adds += float((prod(operation.kernel) - 1) * output.size)
        case Add():
            cost.adds += output.size
            cost.shifts += float(output.size * sum(shift > 0 for shift in operation.shifts))
        case _:
            pass


def _count_integrator(operation: Neuron | Accumulate, output: IntArray, cost: LayerCost) -> None:
    biased = np.count_nonzero(operation.bias) * (output.size // operation.bias.size)
    cost.adds += float(output.size + biased)
    cost.shifts += float(output.size if operation.current_shift else 0)
