"""Program to plan: layouts, fused neurons, digit planes, proven widths and places in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from shiftlif.errors import ProgramError
from shiftlif.program import (
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    IntegerProgram,
    Linear,
    MaxPool,
    Neuron,
    Operation,
    SumPool,
)
from shiftlif.program.events import count_limit
from shiftlif.program.operations import label, sources_of
from shiftlif.program.shift_add import signed_digits
from shiftlif.runtime.plan import (
    ADD,
    HEADER_BYTES,
    LANES,
    MAX_POOL,
    MAX_ROWS,
    NEURON,
    NO_LEAK,
    NONE,
    OFFSETS,
    PLACES,
    READOUT,
    RESHAPE,
    SUM_POOL,
    SYNAPSE,
    Int8,
    NeuronTable,
    Pair,
    Plan,
    Readout,
    Step,
    Synapse,
    Window,
    Wire,
    aligned,
    place,
)
from shiftlif.runtime.segments import segment

ELEMENTS = 2**28  # of a wire or of one synapse's rows


@dataclass
class _Lowering:
    """What is known while operations are lowered one after the other."""

    program: IntegerProgram
    cached: bool
    rows: int
    lists: int | None
    packed: bool
    wires: list[Wire] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)  # of a view: the wire whose memory it is
    steps: list[Step] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    static: set[str] = field(default_factory=set)
    letters: dict[str, frozenset[int]] = field(default_factory=dict)
    state: int = HEADER_BYTES

    def add(self, wire: Wire, view_of: int | None = None) -> int:
        self.wires.append(wire)
        self.owner.append(len(self.owner) if view_of is None else self.owner[view_of])
        self.index[wire.name] = len(self.wires) - 1
        return len(self.wires) - 1

    def reserve(self, size: int) -> int:
        at = self.state
        self.state += aligned(size)
        return at


def lower(
    program: IntegerProgram,
    *,
    cached: bool | None = None,
    rows: int = MAX_ROWS,
    lists: int | None = None,
    packed: bool = False,
) -> Plan:
    """The plan of a program; every plan of a program computes the same integers.

    Args:
        program: what is to be run.
        cached: keep the currents that depend on the frame only, which saves their computation at every step but the
            first and costs their memory; default: where an inference shows one frame at more than one step.
        rows: how many rows of weights are added up at most before a flush (1 to 256); fewer need less memory.
        lists: bytes that the lists of events may take; None: 8192. Small ones are flushed more often.
        packed: two weights in a byte, where all weights of the program have 4 bits; the engine of this package takes a
            byte for each from such a plan too.

    Raises:
        ProgramError: when the program is larger than the runtime can address, naming the operation.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ProgramError(f"lower: rows is {rows}, expected 1 to {MAX_ROWS}")
    if cached is None:
        cached = program.steps > 1 and not program.metadata.get("temporal", False)
    known = _Lowering(program, cached, rows, lists, packed and all_of_4_bits(program))
    readers = _readers(program.operations)
    fused: set[str] = set()
    for op in program.operations:
        if op.name in fused:
            continue
        if isinstance(op, (Linear, Conv)):
            follower = readers[op.name][0] if len(readers[op.name]) == 1 else None
            cache = known.cached and all(source in known.static for source in sources_of(op))
            if isinstance(follower, (Neuron, Accumulate)) and not cache:
                _lower_synapse(known, op, follower)
                fused.add(follower.name)
            else:
                _lower_synapse(known, op, None)
        else:
            _lower(known, op, readers[op.name])
    return _finish(known)


def all_of_4_bits(program: IntegerProgram) -> bool:
    """Whether it has weights, and all of them 4 bits."""
    bits = {op.weight_bits for op in program.operations if isinstance(op, (Linear, Conv))}
    return bits == {4}


def identity_of(program: IntegerProgram) -> int:
    """What a state is marked with: the first 4 bytes of the program's digest."""
    return int(program.digest()[:8], 16)


def _readers(operations: Sequence[Operation]) -> dict[str, list[Operation]]:
    readers: dict[str, list[Operation]] = {op.name: [] for op in operations}
    for op in operations:
        for source in dict.fromkeys(sources_of(op)):
            readers[source].append(op)
    return readers


def _wire(known: _Lowering, op: Operation, bytes_: int | None = None) -> Wire:
    shape = known.program.shapes()[op.name]
    if bytes_ is None:
        reach = known.program.ranges[op.name]
        bytes_ = next(
            (b for b in (1, 2) if -(2 ** (8 * b - 1)) <= reach.low and reach.high < 2 ** (8 * b - 1)), 4
        )
    if prod(shape) >= ELEMENTS:
        raise ProgramError(
            f"{label(op)}: shape is {shape}, expected fewer than {ELEMENTS} values; use program.run, the interpreter"
        )
    return Wire(op.name, prod(shape[1:]), shape[0], bytes_)


def _lower(known: _Lowering, op: Operation, readers: Sequence[Operation]) -> None:
    sources = [known.index[source] for source in sources_of(op)]
    static = all(source in known.static for source in sources_of(op))
    if static and not isinstance(op, (Neuron, Accumulate)):
        known.static.add(op.name)
    match op:
        case Input():
            wire = replace(_wire(known, op, 1), limit=count_limit(known.program))
            if all(isinstance(reader, Flatten) for reader in readers):  # as it comes
                wire = replace(wire, positions=1, channels=wire.positions * wire.channels)
            known.add(wire)
        case Neuron():
            table = _neuron(known, op)
            known.steps.append(
                Step(op.name, NEURON, sources[0], known.add(_wire(known, op, 1)), neuron=table)
            )
        case Accumulate():
            known.steps.append(Step(op.name, READOUT, sources[0], readout=_readout(known, op)))
        case SumPool():  # MaxPool too
            largest = isinstance(op, MaxPool)
            if (largest or prod(op.kernel) == 1) and op.source in known.letters:
                known.letters[op.name] = known.letters[op.source]
            extent, outputs = _pair(known.program.shapes()[op.source]), _pair(known.program.shapes()[op.name])
            channels = known.wires[sources[0]].channels
            window = Window(extent, outputs, _axes(op.kernel), _axes(op.stride), channels)
            target = known.add(_wire(known, op, known.wires[sources[0]].bytes if largest else None))
            kind = MAX_POOL if largest else SUM_POOL
            known.steps.append(Step(op.name, kind, sources[0], target, is_static=static, window=window))
        case Flatten():
            source = known.wires[sources[0]]
            if op.source in known.letters:
                known.letters[op.name] = known.letters[op.source]
            wire = replace(_wire(known, op, source.bytes), positions=1)
            if source.positions == 1 or source.channels == 1 or all(isinstance(r, Linear) for r in readers):
                known.add(
                    wire, view_of=sources[0]
                )  # a Linear behind it reads its columns in the order of the rows
            else:
                target = known.add(wire)
                known.steps.append(Step(op.name, RESHAPE, sources[0], target, is_static=static))
        case Add(shifts=(left, right)):
            target = known.add(_wire(known, op))
            known.steps.append(Step(op.name, ADD, sources[0], target, sources[1], left, right, static))
        case _:
            raise ProgramError(f"{label(op)}: the runtime has no such operation")


def _axes(values: tuple[int, ...], fill: int = 1) -> Pair:
    both = (fill,) * (2 - len(values)) + values
    return both[0], both[1]


def _pair(shape: tuple[int, ...]) -> Pair:
    return _axes(shape[1:])


def _neuron(known: _Lowering, op: Neuron) -> NeuronTable:
    known.letters[op.name] = frozenset(op.letters.tolist())
    shape = known.program.shapes()[op.name]
    if len(op.letters) > 255:
        raise ProgramError(f"{label(op)}: has {len(op.letters)} letters, expected at most 255")
    size = op.membrane_bits // 8
    return NeuronTable(
        op.bias,
        op.thresholds,
        None if op.reset == "hard" else op.resets,
        op.letters.astype(np.int8),
        shape[0],
        prod(shape[1:]),
        known.reserve(prod(shape) * size),
        NO_LEAK if op.leak_shift is None else op.leak_shift,
        op.current_shift,
        size,
    )


def _readout(known: _Lowering, op: Accumulate) -> Readout:
    return Readout(op.bias, len(op.bias), known.reserve(4 * len(op.bias)), op.current_shift)


def _lower_synapse(known: _Lowering, op: Linear | Conv, follower: Operation | None) -> None:
    source = known.index[op.source]
    synapse = _synapse(known, op)
    static = op.source in known.static
    if follower is None:
        if static:
            known.static.add(op.name)
        target = known.add(replace(_wire(known, op), bytes=max(_wire(known, op).bytes, 2)))
        known.steps.append(Step(op.name, SYNAPSE, source, target, is_static=static, synapse=synapse))
    elif isinstance(follower, Neuron):
        table = _neuron(known, follower)
        target = known.add(_wire(known, follower, 1))
        known.steps.append(Step(follower.name, SYNAPSE, source, target, synapse=synapse, neuron=table))
    elif isinstance(follower, Accumulate):
        table_ = _readout(known, follower)
        known.steps.append(Step(follower.name, SYNAPSE, source, synapse=synapse, readout=table_))


def _digits(known: _Lowering, name: str) -> tuple[int, bool]:
    """How many digits the values of a wire have, and whether one of them can be negative."""
    if name in known.letters:
        masks = [signed_digits(value) for value in known.letters[name]]
        return max(1, *(max(plus, minus).bit_length() for plus, minus in masks)), any(
            minus for _, minus in masks
        )
    reach = known.program.ranges[name]
    largest = max(-reach.low, reach.high)
    return max((3 * largest).bit_length() - 1, 1), reach.low < 0 or largest >= 3


def _permuted(known: _Lowering, op: Linear) -> Int8:
    """The columns in the order in which a flattened wire lies in memory: [positions][channels]."""
    behind = next(o for o in known.program.operations if o.name == op.source)
    if not isinstance(behind, Flatten) or known.wires[known.index[behind.source]].positions == 1:
        return op.weight
    if known.owner[known.index[op.source]] == known.index[op.source]:
        return op.weight
    shape = known.program.shapes()[behind.source]
    columns = op.weight.reshape(len(op.weight), shape[0], -1)
    return np.ascontiguousarray(columns.transpose(0, 2, 1)).reshape(op.weight.shape)


def _synapse(known: _Lowering, op: Linear | Conv) -> Synapse:
    shapes = known.program.shapes()
    if isinstance(op, Conv):
        groups = op.groups
        extent, outputs = _pair(shapes[op.source]), _pair(shapes[op.name])
        kernel, stride, dilation = _axes(op.kernel), _axes(op.stride), _axes(op.dilation)
        padding = _axes(op.padding, 0)
        weight = op.weight.reshape(groups, -1, op.weight.shape[1], prod(op.kernel))
    else:
        groups, extent, outputs, kernel, stride, dilation, padding = 1, *((1, 1),) * 5, (0, 0)
        weight = _permuted(known, op)[None, :, :, None]
    out, inputs, taps = weight.shape[1:]
    padded = -(-out // LANES) * LANES
    rows = np.zeros((groups, taps, inputs, padded), np.int8)
    rows[..., :out] = weight.transpose(0, 3, 2, 1)
    planes, negative = _digits(known, op.source)
    chunk = min(taps * inputs, known.rows, OFFSETS * LANES // padded)
    places = PLACES if known.lists is None else known.lists // 2
    width = inputs * groups
    # Distances are 32-bit numbers, and the walk over the windows goes one step past the last.
    reach = [extent[i] + 2 * padding[i] + stride[i] + dilation[i] for i in range(2)]
    if chunk < 1 or rows.size >= ELEMENTS or (reach[0] * extent[1] + reach[1]) * width >= 2**31:
        raise ProgramError(
            f"{label(op)}: {rows.size} weights on {extent[0] * extent[1]} positions with padding {padding} are more "
            "than the runtime addresses; use program.run, the interpreter"
        )
    if planes > 31:
        raise ProgramError(
            f"{label(op)}: reads values of more than 31 bits, expected at most 31; use program.run, the interpreter"
        )
    made = Synapse(
        rows,
        inputs,
        out,
        groups,
        extent,
        outputs,
        kernel,
        stride,
        padding,
        dilation,
        chunk,
        planes,
        1,
        negative,
        max(1, min(chunk, places // (planes * (1 + negative)))),
        known.packed,
    ).sliding(known.rows, places)
    return replace(made, segment=segment(made))


def _lives(known: _Lowering, owner: int) -> tuple[int, int]:
    """First and last step that touch a wire's memory, through it or a view of it."""
    writes = [
        at for at, step in enumerate(known.steps) if step.target != NONE and known.owner[step.target] == owner
    ]
    reads = [
        at
        for at, step in enumerate(known.steps)
        if any(wire != NONE and known.owner[wire] == owner for wire in (step.source, step.other))
    ]
    if known.wires[owner].name in known.static and any(not known.steps[at].is_static for at in reads):
        return 0, len(known.steps)  # computed at the first step, read at every step
    return min(writes, default=0), max(reads)


def _finish(known: _Lowering) -> Plan:
    program = known.program
    owners = [i for i, owner in enumerate(known.owner) if i == owner]
    offsets, scratch = place([known.wires[i].size for i in owners], [_lives(known, i) for i in owners])
    at = dict(zip(owners, offsets, strict=True))
    wires = tuple(replace(wire, offset=at[known.owner[i]]) for i, wire in enumerate(known.wires))
    readout = next(step.readout for step in known.steps if step.readout is not None)
    arena = scratch + max(_scratch(step, wires) for step in known.steps)
    if max(len(wires), len(known.steps), len(program.classes)) >= NONE or max(known.state, arena) >= 2**32:
        raise ProgramError(
            f"program: {len(wires)} wires, {len(program.classes)} classes, {known.state} bytes of state and {arena} of "
            f"arena, expected fewer than {NONE} and 2^32; use program.run, the interpreter"
        )
    return Plan(
        wires,
        tuple(known.steps),
        identity_of(program),
        len(program.classes),
        known.state,
        arena,
        scratch,
        readout.membrane,
        program.steps,
        program.max_steps,
        all(step.synapse is None or step.synapse.outputs == (1, 1) for step in known.steps),
    )


def _scratch(step: Step, wires: Sequence[Wire]) -> int:
    row = 4 * max(wires[w].channels for w in (step.source, step.target) if w != NONE)
    return aligned(step.synapse.scratch if step.synapse is not None else row)
