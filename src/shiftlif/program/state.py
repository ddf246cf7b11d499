"""The interpreter's state and the checks on what is handed to it; nothing is ever re-created silently."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program.checks import check_int
from shiftlif.program.operations import Accumulate, Neuron
from shiftlif.program.program import IntegerProgram

State = dict[str, npt.NDArray[Any]]


def initial_state(program: IntegerProgram, batch: int) -> State:
    """Zero membranes int32 ``[batch, C, ...]`` per Neuron and Accumulate of a program, and the counter ``steps``."""
    check_int("initial_state", "batch", batch, 1, 2**31 - 1)
    stateful = (op.name for op in program.operations if isinstance(op, (Neuron, Accumulate)))
    state: State = {name: np.zeros((batch, *program.shapes()[name]), np.int32) for name in stateful}
    state["steps"] = np.asarray(0, np.int64)
    return state


def check_input(program: IntegerProgram, x: Any, time_axes: int) -> None:
    """Whether ``x`` is int8 ``[B, *input_shape]`` with ``time_axes`` (0 or 1) axes before.

    Raises:
        ProgramError: when it is not.
    """
    shape = program.input_shape
    if not isinstance(x, np.ndarray) or x.dtype != np.int8:
        was = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise ProgramError(
            f"input: dtype is {was}, expected an int8 array; use program.quantizer.quantize(raw)"
        )
    if x.ndim != len(shape) + 1 + time_axes or x.shape[1 + time_axes :] != shape or x.size == 0:
        text = ", ".join(map(str, shape))
        raise ProgramError(
            f"input: shape is {x.shape}, expected [B, {text}] or [T, B, {text}], none of them 0"
        )
    check_values(program, x)


def check_values(program: IntegerProgram, x: npt.NDArray[np.int8]) -> None:
    """Whether int8 frames hold what the program's Input may hold only.

    Raises:
        ProgramError: when one does not.
    """
    entry = program.input
    if not entry.whole and (int(x.min()) < entry.low or int(x.max()) > entry.high):
        raise ProgramError(
            f"input: values reach from {x.min()} to {x.max()}, expected {entry.low} to {entry.high}, for which the "
            "program is proven; use program.quantizer.quantize(raw)"
        )


def is_sequence(program: IntegerProgram, x: Any) -> bool:
    """Whether ``x`` has a frame for every step, ``[T, B, *input_shape]``, and not one that is shown at all of them."""
    return isinstance(x, np.ndarray) and x.ndim == len(program.input_shape) + 2


def check_frames(program: IntegerProgram, x: Any, steps: int | None) -> tuple[bool, int]:
    """Whether ``x`` is a sequence, and how many steps it is run for: by default ``program.steps``, or its own.

    Raises:
        ProgramError: on a wrong dtype or shape, or a wrong number of steps.
    """
    sequence = is_sequence(program, x)
    check_input(program, x, int(sequence))
    count = (x.shape[0] if sequence else program.steps) if steps is None else steps
    check_int("run", "steps", count, 1, program.max_steps)
    if sequence and count != x.shape[0]:
        raise ProgramError(f"run: steps is {count}, expected {x.shape[0]}, one per frame of the sequence")
    return sequence, count


def check_state(program: IntegerProgram, state: State, batch: int, steps: int) -> None:
    """Whether ``state`` belongs to this program and batch and leaves room for ``steps`` more steps.

    Raises:
        ProgramError: when it does not; a state is never re-created silently.
    """
    expected = {name: array.shape for name, array in initial_state(program, batch).items()}
    if set(state) != set(expected):
        raise ProgramError(f"state: holds {sorted(state)}, expected {sorted(expected)}; use initial_state")
    for name, shape in expected.items():
        if state[name].shape != shape or state[name].dtype != (np.int64 if name == "steps" else np.int32):
            raise ProgramError(
                f"state: '{name}' is {state[name].dtype} {state[name].shape}, expected {shape} for a batch "
                f"of {batch}; start another batch with initial_state(program, {batch})"
            )
    done = int(state["steps"])
    if done < 0 or done + steps > program.max_steps:
        raise ProgramError(
            f"run: {done} steps made and {steps} more asked for, expected at most "
            f"max_steps={program.max_steps} in all, for which overflow is ruled out; start afresh or build "
            "the program with a larger max_steps"
        )
