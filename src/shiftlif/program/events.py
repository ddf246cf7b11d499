"""Steps from lists of events: the first layer adds one row of weights for each event and tap, and no frame is made.

An event is an entry of a structured array with the columns ``x``, ``y`` and ``p``, as `shiftlif.data.events` makes
them: ``p`` is the channel of a frame ``[C, H, W]`` or ``[C, W]``, and of a frame ``[C]`` it is ``x``. A list holds the
events of one step of one stream, in any order; an event that is there twice counts twice. Letters and membranes are
those of the frames that count the lists' events, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program.cost import fan_out
from shiftlif.program.interpreter import Result, advance, run_steps
from shiftlif.program.operations import Conv, Flatten, Linear, Operation, sources_of
from shiftlif.program.program import IntegerProgram
from shiftlif.program.shapes import Shape, window_count
from shiftlif.program.state import State, check_state, initial_state

Events = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]


def count_limit(program: IntegerProgram) -> int:
    """The largest count of a place where the program's frames are counts of events as they are; else 0."""
    quantizer = program.quantizer
    plain = not (
        quantizer.low or quantizer.exponent or np.any(quantizer.offset) or np.any(quantizer.scale != 1)
    )
    return program.input.high if plain else 0


def indices_of(program: IntegerProgram, events: Events) -> Int64:
    """Where each event is in a frame (C order), int64 ``[E]``, in the order of the list.

    Raises:
        ProgramError: when the array has other columns, an event lies outside the frame, or the Input holds no counts.
    """
    shape = program.input_shape
    names = events.dtype.names if isinstance(events, np.ndarray) else None
    if not names or events.ndim != 1 or not {"x", "y", "p"}.issubset(names):
        was = f"{events.dtype} {events.shape}" if isinstance(events, np.ndarray) else type(events).__name__
        raise ProgramError(f"events: are {was}, expected a structured array [E] with the columns x, y and p")
    if not count_limit(program):
        quantizer = program.quantizer
        raise ProgramError(
            f"events: the quantizer makes integers from {quantizer.low} to {program.input.high} (exponent "
            f"{quantizer.exponent}), expected counts as they are; train on a folder of recordings, or use "
            "InputQuantizer.counts"
        )
    axes = {1: ("x",), 2: ("p", "x"), 3: ("p", "y", "x")}[len(shape)]
    index = tuple(events[name].astype(np.int64) for name in axes)
    for name, values, size in zip(axes, index, shape, strict=True):
        if len(values) and (int(values.min()) < 0 or int(values.max()) >= size):
            first = int(np.argmax((values < 0) | (values >= size)))
            raise ProgramError(
                f"events: event {first} (counted from 0) has {name} = {int(values[first])}, expected 0 to {size - 1}; "
                f"bring them to the frame of {shape} as in training"
            )
    indices: Int64 = np.ravel_multi_index(index, shape).astype(np.int64, copy=False)
    return indices


def addresses_of(program: IntegerProgram, events: Events) -> Int64:
    """`indices_of` in ascending order; those beyond the Input's ``high`` at one place are left out."""
    addresses = np.sort(indices_of(program, events))
    starts = np.searchsorted(addresses, addresses)  # of the events at the same place
    return addresses[np.arange(len(addresses)) - starts < program.input.high]


def frame_of(program: IntegerProgram, events: Events) -> npt.NDArray[np.int8]:
    """The frame that counts a list's events, int8 ``[1, *input_shape]``; errors as `indices_of`."""
    size = int(np.prod(program.input_shape))
    counts = np.bincount(addresses_of(program, events), minlength=size)
    return counts.astype(np.int8).reshape(1, *program.input_shape)


def event_current(operation: Linear | Conv, source: Shape, addresses: Int64) -> npt.NDArray[np.int32]:
    """The current of a synapse that reads a frame, by adding the weights that each event asks for.

    Args:
        operation: the synapse.
        source: shape of the frame, ``(C, *spatial)``.
        addresses: of the events in it.

    Returns:
        int32 ``[1, out, *positions]``.
    """
    if isinstance(operation, Linear):
        columns: npt.NDArray[np.int32] = operation.weight[:, addresses].sum(axis=1, dtype=np.int32)
        return columns[None]
    groups, (out, inputs) = operation.groups, operation.weight.shape[:2]
    axes = zip(
        source[1:], operation.kernel, operation.stride, operation.padding, operation.dilation, strict=True
    )
    outputs = tuple(window_count(*axis) for axis in axes)
    currents = np.zeros((int(np.prod(outputs)), groups, out // groups), np.int64)
    rows = operation.weight.reshape(groups, out // groups, inputs, *operation.kernel)
    channel, *places = np.unravel_index(addresses, source)
    group, within = channel // inputs, channel % inputs
    for tap in product(*(range(kernel) for kernel in operation.kernel)):
        met, at = np.ones(len(addresses), bool), np.zeros(len(addresses), np.int64)
        for axis, place in enumerate(places):
            shifted = place + operation.padding[axis] - tap[axis] * operation.dilation[axis]
            position, rest = np.divmod(shifted, operation.stride[axis])
            met &= (rest == 0) & (position >= 0) & (position < outputs[axis])
            at = at * outputs[axis] + position
        np.add.at(currents, (at[met], group[met]), rows[(group[met], slice(None), within[met], *tap)])
    moved = currents.reshape(len(currents), out).T
    return np.ascontiguousarray(moved.reshape(1, out, *outputs)).astype(np.int32)


def step_events(
    program: IntegerProgram, events: Events, state: State | None = None
) -> tuple[npt.NDArray[np.int32], State]:
    """One step of one stream with the events of that step; otherwise as `IntegerProgram.step`.

    Args:
        program: its Input holds counts (``low`` is 0).
        events: of this step, a structured array ``[E]``; it may be empty.
        state: what the previous call returned; None starts afresh.

    Returns:
        The read-out so far, int32 ``[1, classes]``, and the state for the next call.

    Raises:
        ProgramError: as `indices_of`, for a state that does not fit, or beyond ``max_steps``.
    """
    state = initial_state(program, 1) if state is None else state
    check_state(program, state, 1, 1)
    logits, new, _ = advance(program, _currents(program, events), state)
    return logits, new


def run_events(
    program: IntegerProgram, lists: Sequence[Events], *, record: bool = False, state: State | None = None
) -> Result:
    """A step for each list of events of one stream.

    Args:
        program: its Input holds counts (``low`` is 0).
        lists: events of each step, structured arrays ``[E]``, which may be empty.
        record: keep letters and membranes of every step.
        state: to go on from; None starts afresh.

    Returns:
        What `shiftlif.program.run` returns for the frames that the lists make, bit for bit.

    Raises:
        ProgramError: there is no list, or as `step_events`.
    """
    if not len(lists):
        raise ProgramError("events: there is no list, expected one for every step")
    state = initial_state(program, 1) if state is None else state
    check_state(program, state, 1, len(lists))
    return run_steps(program, (_currents(program, events) for events in lists), state, record)


def event_adds(program: IntegerProgram, lists: Sequence[Events]) -> int:
    """Adds of the layers that read the frame, when it comes as lists: events times their exact fan-out.

    Args:
        program: its Input holds counts.
        lists: events of each step, structured arrays ``[E]``.

    Raises:
        ProgramError: as `step_events`.
    """
    shape = program.input_shape
    fans = sum(fan_out(op, _source(op, shape)).reshape(-1) for op in _first_layers(program))
    return sum(int(np.sum(np.asarray(fans)[addresses_of(program, events)])) for events in lists)


def _first_layers(program: IntegerProgram) -> list[Linear | Conv]:
    """The synapses that read the frame, flattened or not; all that reads it has to be one.

    Raises:
        ProgramError: when something else reads the frame.
    """
    wires: set[str] = {program.input.name}
    found: list[Linear | Conv] = []
    for op in program.operations[1:]:
        if not wires.intersection(sources_of(op)):
            continue
        if isinstance(op, Flatten):
            wires.add(op.name)
        elif isinstance(op, (Linear, Conv)):
            found.append(op)
        else:
            raise ProgramError(
                f"events: the frame is read by '{op.name}', expected a Linear or Conv; make frames, and use program.run"
            )
    return found


def _source(operation: Operation, shape: Shape) -> Shape:
    return (int(np.prod(shape)),) if isinstance(operation, Linear) else shape


def _currents(program: IntegerProgram, events: Events) -> dict[str, npt.NDArray[Any]]:
    """What a step has computed when the first layers are done: their currents, and nothing of the frame."""
    addresses, shape = addresses_of(program, events), program.input_shape
    known: dict[str, npt.NDArray[Any]] = {program.input.name: np.zeros((1, *shape), np.int8)}
    for op in _first_layers(program):
        known[op.name] = event_current(op, shape, addresses)
    return known
