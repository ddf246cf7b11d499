"""The C runtime in Python: the interpreter's calls and results, at the speed of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program import IntegerProgram, Result
from shiftlif.program.checks import check_choice, check_int
from shiftlif.program.state import (
    State,
    check_frames,
    check_input,
    check_state,
    check_values,
    initial_state,
)
from shiftlif.runtime.lower import identity_of, lower
from shiftlif.runtime.plan import HEADER_BYTES, NONE, Plan, Step
from shiftlif.runtime.stream import Stream, array_of, steps_of

try:
    _engine: Any = import_module("shiftlif.runtime._engine")
except ImportError as error:  # installed without a compiler
    _engine, _missing = None, str(error)

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]


def unavailable() -> str | None:
    """Why there is no engine in this installation; None where there is one."""
    if _engine is not None:
        return None
    return f"the C runtime is not built ({_missing}); install a C++ compiler and shiftlif again"


def paths() -> tuple[str, ...]:
    """The engine's paths on this machine, the fastest first; ``portable`` is what a microcontroller runs."""
    return tuple(_engine.paths()) if _engine is not None else ()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine:
    """Runs one program; equal to the reference interpreter in every letter and membrane.

    An engine holds no state and may be used by several threads at once. It takes int8 numpy arrays and torch tensors on
    the CPU, without copying them where they are contiguous.

    Args:
        program: what to run.
        path: one of `paths`; default is the fastest.
        threads: how many threads share a batch; 0 for as many as there are processors.
        plan: of this program, for example one that needs less memory; default is ``lower(program)``.

    Attributes:
        program, path, threads, plan: what it was made with.

    Raises:
        ProgramError: no engine in this installation, a program beyond its limits, an unknown path, or the plan of
            another program.
    """

    def __init__(
        self,
        program: IntegerProgram,
        *,
        path: str | None = None,
        threads: int = 1,
        plan: Plan | None = None,
    ) -> None:
        if reason := unavailable():
            raise ProgramError(f"engine: {reason}, or use program.run, the interpreter")
        check_int("engine", "threads", threads, 0, 1024)
        path = paths()[0] if path is None else path
        check_choice("engine", "path", path, paths())
        self.program = program
        self.path = path
        self.threads = threads or _processors()
        self.plan = lower(program) if plan is None else plan
        self._any_frame = (
            program.input.whole
        )  # else the runtime, which does not look at what enters, must not see it
        _check_plan(program, self.plan)
        try:
            self._native = _engine.Program(self.plan, program.input_shape, path)
        except ValueError as error:
            raise ProgramError(f"engine: the plan is refused ({error}); use lower(program)") from error

    def logits(self, frames: Any, steps: int | None = None) -> Int32:
        """The read-out after the last step, the shortest way from frames to answers.

        Args:
            frames: int8 ``[B, *input_shape]``, shown at every step, or ``[T, B, *input_shape]``, a frame per step.
            steps: default ``program.steps``, or T for a sequence.

        Returns:
            int32 ``[B, classes]``.

        Raises:
            ProgramError: on a wrong dtype or shape, or a wrong number of steps.
        """
        if steps is not None:  # 0 would ask the runtime for the program's own
            check_int("run", "steps", steps, 1, self.program.max_steps)
        if not self._any_frame:
            frames, steps, _ = self._checked(frames, steps)
        try:
            logits: Int32 = self._native.logits(frames, 0 if steps is None else steps, self.threads)
        except (TypeError, ValueError):  # not contiguous, or wrong: to be copied, or to be told what is wrong
            frames, steps, _ = self._checked(frames, steps)
            logits = self._native.logits(frames, steps, self.threads)
        return logits

    def predict(self, frames: Any, steps: int | None = None) -> npt.NDArray[np.int64]:
        """The class index of each sample, int64 ``[B]``; arguments and errors as `logits`."""
        answers: npt.NDArray[np.int64] = np.argmax(self.logits(frames, steps), axis=1)
        return answers

    def bind(self, frames: Any, steps: int | None = None) -> Callable[[], Int32]:
        """`logits` of an array that stays where it is, for the same call many times over.

        What `logits` looks at in every call is looked at once, and every call fills the same result: a small program
        takes no longer than from C. The array is read when the function is called, so write the next frames into it.

        Args:
            frames: as for `logits`; contiguous, since a copy would not see what is written later.
            steps: as for `logits`.

        Returns:
            A function without arguments that gives the read-out, int32 ``[B, classes]``, the same array at every call.
            Calls of one such function must not overlap.

        Raises:
            ProgramError: as `logits`, and where the frames are not contiguous.

        Example:
            >>> frame = np.zeros((1, *program.input_shape), np.int8)
            >>> logits = engine.bind(frame)
            >>> for frame[0] in sensor:
            ...     answer = logits().argmax()
        """
        _, count, _ = self._checked(frames, steps)
        try:
            bound: Callable[[], Int32] = _engine.Bound(self._native, frames, count, self.threads).call
        except TypeError:
            raise ProgramError(
                "bind: the frames are not contiguous, expected an array that can be read in place; "
                "use np.ascontiguousarray and write the next frames into what it returns"
            ) from None
        if self._any_frame:
            return bound

        def checked() -> Int32:
            check_values(self.program, array_of(frames))
            return bound()

        return checked

    def run(
        self, x: Any, steps: int | None = None, *, record: bool = False, state: State | None = None
    ) -> Result:
        """Runs a batch: arguments, result and errors are those of `IntegerProgram.run`, states included."""
        program = self.program
        x, count, sequence = self._checked(x, steps)
        batch = x.shape[int(sequence)]
        if state is not None:
            check_state(program, state, batch, count)
        memory = self._pack(state, batch)
        tapes = self._tapes(count, batch) if record else None
        self._native.run(x, memory, count, sequence, self.threads, tapes)
        new = self._unpack(memory, batch)
        letters, membranes = self._recorded(tapes or [], count, batch)
        logits = new[program.output]
        return Result(logits, np.argmax(logits, axis=1), new, letters, membranes)

    def step(self, frame: Any, state: State | None = None) -> tuple[Int32, State]:
        """The streaming call, as `IntegerProgram.step`: one frame, the read-out so far, and the state to pass on."""
        frame = array_of(frame)
        check_input(self.program, frame, 0)
        result = self.run(frame, 1, state=state)
        return result.logits, result.state

    def stream(self, batch: int = 1) -> Stream:
        """A stream of frames whose state stays in the runtime's own form, for many steps one after the other."""
        return Stream(self, batch)

    def _checked(self, x: Any, steps: int | None) -> tuple[Int8, int, bool]:
        """Contiguous frames, the number of steps, and whether there is a frame for every step."""
        x = np.ascontiguousarray(array_of(x))
        sequence, count = check_frames(self.program, x, steps)
        return x, count, sequence

    def _fields(self) -> list[tuple[str, int, type, tuple[int, ...]]]:
        """Name, offset in the state, dtype and shape ``[positions, channels]`` of each membrane."""
        return [
            (
                name,
                table.membrane,
                np.int16 if table.bytes == 2 else np.int32,
                (table.positions, table.channels),
            )
            for _, name, table in self.plan.stateful
        ]

    def _pack(self, state: State | None, batch: int) -> npt.NDArray[np.uint8]:
        memory = np.zeros((batch, self.plan.state_size), np.uint8)
        self._native.reset(memory)
        if state is None:
            return memory
        memory[:, 4:HEADER_BYTES].view(np.uint32)[:] = int(state["steps"])
        for name, at, dtype, (positions, channels) in self._fields():
            rows: npt.NDArray[Any] = state[name].reshape(batch, channels, positions).swapaxes(1, 2)
            if np.any(rows != rows.astype(dtype)):
                raise ProgramError(
                    f"state: '{name}' reaches {int(np.abs(rows.astype(np.int64)).max())}, expected what fits "
                    f"{8 * np.dtype(dtype).itemsize} bits, as proven; pass the state of a run of this program"
                )
            rows = rows.astype(dtype)
            size = rows[0].nbytes
            memory[:, at : at + size] = np.ascontiguousarray(rows).view(np.uint8).reshape(batch, size)
        return memory

    def _unpack(self, memory: npt.NDArray[np.uint8], batch: int) -> State:
        state = {"steps": np.asarray(steps_of(memory), np.int64)}
        for name, at, dtype, (positions, channels) in self._fields():
            size = positions * channels * np.dtype(dtype).itemsize
            part = np.ascontiguousarray(memory[:, at : at + size])
            rows: npt.NDArray[Any] = part.view(dtype).reshape(batch, positions, channels)
            shape = (batch, *self.program.shapes()[name])
            state[name] = np.ascontiguousarray(rows.swapaxes(1, 2).reshape(shape).astype(np.int32))
        return {name: state[name] for name in initial_state(self.program, 1)}

    def _tapes(self, steps: int, batch: int) -> list[tuple[int, Int8, Int32]]:
        tapes = []
        for index, _, table in self.plan.stateful:
            shape = (steps, batch, table.positions, table.channels)
            letters = np.empty(shape if self.plan.steps[index].target != NONE else 0, np.int8)
            tapes.append((index, letters, np.empty(shape, np.int32)))
        return tapes

    def _recorded(
        self, tapes: list[tuple[int, Int8, Int32]], steps: int, batch: int
    ) -> tuple[dict[str, Int8], dict[str, Int32]]:
        letters, membranes = {}, {}
        for index, sent, kept in tapes:
            step: Step = self.plan.steps[index]
            shape = (steps, batch, *self.program.shapes()[step.name])
            membranes[step.name] = np.ascontiguousarray(kept.swapaxes(2, 3)).reshape(shape)
            if step.neuron is not None:
                letters[step.name] = np.ascontiguousarray(sent.swapaxes(2, 3)).reshape(shape)
        return letters, membranes


def _check_plan(program: IntegerProgram, plan: Plan) -> None:
    if plan.identity != identity_of(program):
        raise ProgramError(
            f"engine: the plan is of program {plan.identity:08x}, expected {identity_of(program):08x}; lower that one"
        )
