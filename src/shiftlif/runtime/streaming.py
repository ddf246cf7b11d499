"""Decisions about a live stream, step by step, with state that is carried from one piece of it to the next.

A program that sees a whole window at every step (direct coding, SPEC 6) is run on each window of the stream as soon as
it is complete, and may end before its last step. A temporal program takes one row of the stream per step; windows that
overlap are so many states, each at its own step. Both give for every window what `IntegerProgram.run` gives for it,
unless an early rule ends it before.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program import IntegerProgram, initial_state
from shiftlif.program.checks import check_int
from shiftlif.runtime.early import EarlyRule, Watch, margin, probabilities
from shiftlif.runtime.stream import NO_FRAME
from shiftlif.runtime.windows import Rows, Windows

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Prepare = Callable[[Rows], Int8]
"""From rows ``[length, columns]`` of the stream to one frame, int8 ``[1, *input_shape]``."""


class Stepper(Protocol):
    """A run of one sample in progress: `Engine.stream`, or `InterpretedStream` where there is no engine."""

    memory: Any

    def step(self, frame: Int8, steps: int = 1, *, keep: bool = False) -> Int32:
        """The read-out ``[1, classes]`` after so many more steps of ``frame``, kept for `again` if asked to."""

    def again(self, steps: int = 1) -> Int32:
        """The read-out after so many more steps of the frame that was kept."""

    def reset(self) -> None:
        """Back to the state before the first step."""


class InterpretedStream:
    """The calls of `Stream`, for one sample, in the reference interpreter."""

    def __init__(self, program: IntegerProgram) -> None:
        self._program = program
        self.memory: Any = initial_state(program, 1)
        self._frame: Int8 | None = None

    def step(self, frame: Int8, steps: int = 1, *, keep: bool = False) -> Int32:
        """As `Stream.step`."""
        result = self._program.run(frame, steps, state=self.memory)
        self.memory, self._frame = result.state, frame if keep else None
        return result.logits

    def again(self, steps: int = 1) -> Int32:
        """As `Stream.again`, but everything is computed again.

        Raises:
            ProgramError: when no frame is kept.
        """
        if self._frame is None:
            raise ProgramError(NO_FRAME)
        return self.step(self._frame, steps, keep=True)

    def reset(self) -> None:
        """As `Stream.reset`."""
        self._frame = None
        self.memory = initial_state(self._program, 1)


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided about one window.

    Attributes:
        start: row of the stream (counted from 0) at which the window begins.
        end: rows of the stream up to the one it was decided at, that one included.
        index: the class.
        confidence: its softmax probability, see `EarlyRule`.
        margin: distance to the second class in the read-out's integer units.
        steps: made until the decision.
        readout: int32 ``[classes]``, summed over these steps.
        seconds: computing from the row that completed it to the decision.
        step_seconds: the mean time of one step, once for every call of the program.
    """

    start: int
    end: int
    index: int
    confidence: float
    margin: int
    steps: int
    readout: Int32
    seconds: float
    step_seconds: tuple[float, ...]


@dataclass(eq=False)
class _Inference:
    """One window in progress."""

    start: int
    stepper: Stepper
    watch: Watch
    used: int = 0
    times: list[float] = field(default_factory=list)


class Classifier:
    """Rows of a stream in, decisions out; the pieces that the rows come in make no difference.

    Args:
        program: what decides.
        stepper: makes a run at its beginning, such as ``engine.stream``.
        prepare: front end and quantiser of one window.
        windows: of the stream; for a temporal program its hop counts, its length is the program's ``steps``.
        rule: when a window may be decided before its last step.
        temporal: whether a row is the frame of one step; None asks the program's metadata.
        clock: seconds, for what is measured.

    Raises:
        ProgramError: when the windows of a temporal program have another length.
    """

    def __init__(
        self,
        program: IntegerProgram,
        stepper: Callable[[], Stepper],
        prepare: Prepare,
        windows: Windows,
        rule: EarlyRule | None = None,
        *,
        temporal: bool | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.program, self.windows = program, windows
        self.rule = EarlyRule() if rule is None else rule
        self.temporal = bool(program.metadata.get("temporal", False)) if temporal is None else temporal
        check_int("early decision", "min_steps", self.rule.min_steps, 1, program.steps)
        check_int("early decision", "patience", self.rule.patience, 1, program.steps)
        if self.temporal and windows.length != program.steps:
            raise ProgramError(
                f"stream: windows of {windows.length} rows, expected {program.steps}, one for each step of the "
                "temporal program"
            )
        self._make, self._prepare, self._clock = stepper, prepare, clock
        self._own = stepper()
        self._live: list[_Inference] = []
        self._rows_done = 0  # of a temporal program; else the windows count
        self.busy = 0.0  # seconds of computing since the start

    @property
    def seen(self) -> int:
        """Rows since the start."""
        return self._rows_done if self.temporal else self.windows.seen

    @property
    def pending(self) -> int:
        """Rows since the beginning of the oldest window that is not decided yet."""
        if self.temporal:
            return max((self._rows_done - one.start for one in self._live), default=0)
        return self.windows.kept

    @property
    def state(self) -> dict[str, Any]:
        """A copy of all that later decisions depend on; assign it to a classifier made alike to go back to it."""
        live = [(one.start, one.stepper.memory, one.watch, one.used, one.times) for one in self._live]
        return copy.deepcopy({"windows": self.windows.state, "rows": self._rows_done, "live": live})

    @state.setter
    def state(self, saved: dict[str, Any]) -> None:
        saved = copy.deepcopy(saved)
        self.windows.state = saved["windows"]
        self._rows_done, self._live = saved["rows"], []
        for start, memory, watch, used, times in saved["live"]:
            stepper = self._make()
            stepper.memory = memory
            self._live.append(_Inference(start, stepper, watch, used, times))

    def warm_up(self, rows: Rows) -> None:
        """Computes one window, ``[length, columns]`` (one row if temporal), so that the first decision is no slower."""
        self._make().step(self._prepare(rows))

    def push(self, rows: Rows) -> list[Decision]:
        """Takes rows ``[n, columns]``, n from 0; what was decided with them, in the order of the decisions.

        Raises:
            ProgramError, DataError: on rows that do not fit; from ``prepare``.
        """
        if not self.temporal:
            return [self._window(end, window) for end, window in self.windows.push(rows)]
        return [decision for row in rows for decision in self._frame(row[None])]

    def _window(self, end: int, window: Rows) -> Decision:
        began = self._clock()
        frame = self._prepare(window)
        self._own.reset()
        inference = self._begin(end - self.windows.length, self._own)
        # What depends on the window only is computed once: in one call for all steps, or kept for the later ones.
        steps = self.program.steps if self.rule.confidence is None else 1
        show = partial(self._own.step, frame, steps, keep=steps < self.program.steps)
        found = self._step(inference, show, steps, end, began)
        while found is None:
            found = self._step(inference, self._own.again, 1, end, began)
        self.busy += found.seconds
        return found

    def _frame(self, row: Rows) -> list[Decision]:
        if self._rows_done % self.windows.hop == 0:
            self._live.append(self._begin(self._rows_done, self._make()))
        self._rows_done += 1
        if not self._live:  # between windows, or all of them decided
            return []
        began = self._clock()
        frame = self._prepare(row)
        outcomes = [
            (one, self._step(one, partial(one.stepper.step, frame), 1, self._rows_done, began))
            for one in self._live
        ]
        self._live = [one for one, decision in outcomes if decision is None]
        self.busy += self._clock() - began
        return [decision for _, decision in outcomes if decision is not None]

    def _begin(self, start: int, stepper: Stepper) -> _Inference:
        return _Inference(start, stepper, Watch(self.rule, self.program.output_unit))

    def _step(
        self, inference: _Inference, advance: Callable[[], Int32], steps: int, end: int, began: float
    ) -> Decision | None:
        """Some more steps of one window; the decision where they were its last."""
        before = self._clock()
        readout = advance()[0]
        inference.times.append((self._clock() - before) / steps)
        inference.used += steps
        last = inference.used >= self.program.steps
        if not last and not inference.watch.sure(readout, inference.used):
            return None
        index = int(readout.argmax())
        chance = probabilities(readout, self.program.output_unit, inference.used)
        seconds = self._clock() - began
        return Decision(
            inference.start,
            end,
            index,
            float(chance[index]),
            margin(readout),
            inference.used,
            readout,
            seconds,
            tuple(inference.times),
        )
