"""The reference interpreter: the definition that every other rendering is compared with (SPEC 6, 7).

State is passed, never hidden, and never changed in place. All wires are int32 (letters int8); the
range proof made when the program was built is why nothing here checks for overflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
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
    sources_of,
)
from shiftlif.program.program import IntegerProgram
from shiftlif.program.shift_add import convolve, linear, windows
from shiftlif.program.state import State, check_frames, check_input, check_state, initial_state

IntArray = npt.NDArray[Any]
Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gives.

    Attributes:
        logits: int32 ``[B, classes]``, the read-out after the last step.
        predictions: int64 ``[B]``, the largest logit; the lowest index on ties.
        state: continues the run.
        letters: when recorded, int8 ``[T, B, C, ...]`` per Neuron.
        membranes: when recorded, int32 ``[T, B, C, ...]`` after reset, per Neuron and for the Accumulate.
    """

    logits: Int32
    predictions: npt.NDArray[np.int64]
    state: State
    letters: dict[str, Int8]
    membranes: dict[str, Int32]


def _column(values: Int32, like: IntArray) -> Int32:
    """Per-channel values ``[C]`` broadcast against ``[B, C, *spatial]``."""
    return values.reshape(-1, *([1] * (like.ndim - 2)))


def fire(neuron: Neuron, membrane: Int32, x: Int32) -> tuple[Int8, Int32]:
    """One step of a Neuron, as its docstring defines it: letters and the membrane after reset."""
    v = membrane
    if neuron.leak_shift is not None:
        v = v - (v >> neuron.leak_shift)
    v = v + (x << neuron.current_shift) + _column(neuron.bias, v)
    k = np.zeros(v.shape, np.uint8)
    for threshold in neuron.thresholds.T:
        k += v >= _column(threshold, v)
    letters = neuron.letters.astype(np.int8)[k]
    if neuron.reset == "hard":
        return letters, np.where(letters != 0, np.int32(0), v)
    channel = _column(np.arange(v.shape[1], dtype=np.int32), v)
    return letters, v - neuron.resets[channel, k]


def _evaluate(operation: Operation, inputs: list[IntArray]) -> IntArray:
    """The operations without state."""
    match operation:
        case Linear():
            return linear(operation.weight, inputs[0]).astype(np.int32)
        case Conv(weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups):
            return convolve(weight, inputs[0], stride, padding, dilation, groups).astype(np.int32)
        case MaxPool() | SumPool():
            axes = tuple(range(-len(operation.kernel), 0))
            view = windows(inputs[0], operation.kernel, operation.stride)
            largest = isinstance(operation, MaxPool)
            return np.asarray(view.max(axis=axes) if largest else view.sum(axis=axes, dtype=np.int32))
        case Flatten():
            return np.asarray(inputs[0].reshape(inputs[0].shape[0], -1))
        case Add(shifts=(left, right)):
            a, b = inputs[0].astype(np.int32), inputs[1].astype(np.int32)
            return np.asarray((a << left) + (b << right))
        case _:
            raise ProgramError(f"operation {operation!r} has no stateless evaluation")


def advance(
    program: IntegerProgram, known: dict[str, IntArray], state: State
) -> tuple[Int32, State, dict[str, IntArray]]:
    """One step, unchecked; ``known`` holds the input wire and whatever else has been computed already.

    Returns:
        The read-out, the new state, and every wire by operation name.
    """
    wires, new = dict(known), {"steps": state["steps"] + 1}
    for op in program.operations:
        if op.name in wires:
            continue
        inputs = [wires[source] for source in sources_of(op)]
        if isinstance(op, Neuron):
            wires[op.name], new[op.name] = fire(op, state[op.name], inputs[0].astype(np.int32))
        elif isinstance(op, Accumulate):
            current = (inputs[0].astype(np.int32) << op.current_shift) + op.bias
            wires[op.name] = new[op.name] = state[op.name] + current
        else:
            wires[op.name] = _evaluate(op, inputs)
    return wires[program.output], new, wires


def static_wires(program: IntegerProgram, frame: Int8) -> dict[str, IntArray]:
    """The wires that depend on the input only: computed once and reused when every frame is the same."""
    wires: dict[str, IntArray] = {program.input.name: frame}
    for op in program.operations[1:]:
        if not isinstance(op, (Neuron, Accumulate)) and all(source in wires for source in sources_of(op)):
            wires[op.name] = _evaluate(op, [wires[source] for source in sources_of(op)])
    return wires


def step(program: IntegerProgram, frame: Int8, state: State) -> tuple[Int32, State, dict[str, IntArray]]:
    """One step of the program; a pure function.

    Args:
        program: what to run.
        frame: int8 ``[B, *input_shape]``.
        state: from `initial_state` or an earlier step; left unchanged.

    Returns:
        The read-out int32 ``[B, classes]``, the new state, and every wire by operation name.

    Raises:
        ProgramError: on a wrong dtype or shape, a state that does not fit, or beyond ``max_steps``.
    """
    check_input(program, frame, 0)
    check_state(program, state, frame.shape[0], 1)
    return advance(program, {program.input.name: frame}, state)


def run(
    program: IntegerProgram,
    x: Int8,
    steps: int | None = None,
    *,
    record: bool = False,
    state: State | None = None,
) -> Result:
    """Runs a batch.

    Args:
        program: what to run.
        x: int8 ``[B, *input_shape]``, shown at every step, or ``[T, B, *input_shape]``, a frame per step.
        steps: default ``program.steps``, or T for a sequence.
        record: keep letters and membranes of every step.
        state: continue from here; default is a fresh state.

    Raises:
        ProgramError: on a wrong dtype or shape, a wrong number of steps, or a state that does not fit.
    """
    sequence, count = check_frames(program, x, steps)
    batch = x.shape[int(sequence)]
    state = initial_state(program, batch) if state is None else state
    check_state(program, state, batch, count)
    known = {} if sequence else static_wires(program, x)
    steps_of = ({program.input.name: x[t]} if sequence else known for t in range(count))
    return run_steps(program, steps_of, state, record)


def run_steps(
    program: IntegerProgram, steps: Iterable[dict[str, IntArray]], state: State, record: bool
) -> Result:
    """`advance` for each step, unchecked.

    Args:
        program: what to run.
        steps: the ``known`` wires of each.
        state: before the first.
        record: keep letters and membranes of every step.
    """
    letters: dict[str, list[Int8]] = {op.name: [] for op in program.neurons if record}
    membranes: dict[str, list[Int32]] = {name: [] for name in state if record and name != "steps"}
    logits = state[program.output]
    for known in steps:
        logits, state, wires = advance(program, known, state)
        for name, kept in letters.items():
            kept.append(wires[name])
        for name, kept_membranes in membranes.items():
            kept_membranes.append(state[name])
    return Result(
        logits,
        np.argmax(logits, axis=1),
        state,
        {name: np.stack(kept) for name, kept in letters.items()},
        {name: np.stack(kept) for name, kept in membranes.items()},
    )
