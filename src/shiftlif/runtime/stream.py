"""Streams of the engine: frames or events as they arrive, with the state in the runtime's own form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program.checks import check_int
from shiftlif.program.events import indices_of
from shiftlif.program.state import check_input
from shiftlif.runtime.plan import HEADER_BYTES

if TYPE_CHECKING:
    from shiftlif.runtime.engine import Engine

Int32 = npt.NDArray[np.int32]
Memory = npt.NDArray[np.uint8]
NO_FRAME = "stream: no frame is kept, expected step(frame, keep=True) as the call before"


class Stream:
    """Frames as they arrive, for a ``batch`` of streams of one ``engine``; made by `Engine.stream`."""

    def __init__(self, engine: Engine, batch: int) -> None:
        check_int("stream", "batch", batch, 1, 2**31 - 1)
        self._engine = engine
        self._take(engine._pack(None, batch))
        self._arena: Memory | None = None  # of a call whose frame was kept, one for each stream
        self._kept = False

    @property
    def steps(self) -> int:
        """Steps made since the start."""
        return self._steps

    @property
    def memory(self) -> Memory:
        """A copy of the runtime's state, uint8 ``[batch, state_size]``; assign it to go back to it.

        No frame is kept then.

        Raises:
            ProgramError: on assignment of what is no state of such a stream.
        """
        return self._memory.copy()

    @memory.setter
    def memory(self, saved: Memory) -> None:
        own = self._memory
        if not isinstance(saved, np.ndarray) or saved.dtype != np.uint8 or saved.shape != own.shape:
            was = f"{saved.dtype} {saved.shape}" if isinstance(saved, np.ndarray) else type(saved).__name__
            raise ProgramError(
                f"stream: memory is {was}, expected uint8 {own.shape}, as read from such a stream"
            )
        if np.any(saved[:, :4] != own[:, :4]) or np.any(saved[:, 4:HEADER_BYTES] != saved[0, 4:HEADER_BYTES]):
            raise ProgramError("stream: memory is of another program or of streams of different age")
        self._take(np.array(saved, order="C"))
        self._kept = False

    def step(self, frame: Any, steps: int = 1, *, keep: bool = False) -> Int32:
        """One step of every stream: int8 ``[batch, *input_shape]`` to the read-out so far, int32 ``[batch, classes]``.

        Args:
            frame: the next one.
            steps: for how many steps it is shown; what depends on the frame only is computed once for all of them.
            keep: keep that too, so that `again` shows the frame for more steps. It takes the plan's ``arena_size``
                bytes for each stream, and each stream of a batch is computed by itself.

        Raises:
            ProgramError: on a wrong dtype or shape, or beyond ``max_steps``.
        """
        engine, batch = self._engine, len(self._memory)
        frame = np.ascontiguousarray(array_of(frame))
        check_input(engine.program, frame, 0)
        if len(frame) != batch:
            raise ProgramError(
                f"stream: the frame has {len(frame)} samples, expected {batch}, as the stream was made for"
            )
        self._check_steps(steps)
        self._kept = keep
        if keep:
            engine._native.show(frame, self._memory, self._kept_arena(), steps, engine.threads)
        else:
            engine._native.run(frame, self._memory, steps, False, engine.threads, None)
        return self._after(steps)

    def again(self, steps: int = 1) -> Int32:
        """More steps of the frame of the last call, which kept it; the read-out so far, int32 ``[batch, classes]``.

        Args:
            steps: how many; they compute nothing of what depends on the frame only.

        Raises:
            ProgramError: when no frame is kept, or beyond ``max_steps``.
        """
        engine = self._engine
        if not self._kept:
            raise ProgramError(NO_FRAME)
        self._check_steps(steps)
        engine._native.go_on(self._memory, self._arena, steps, engine.threads)
        return self._after(steps)

    def step_events(self, events: npt.NDArray[Any], *, keep: bool = False) -> Int32:
        """One step of a single stream with the events of that step, as `shiftlif.program.step_events` takes them.

        Args:
            events: of the step, in any order; none of them is a silent frame.
            keep: as of `step`.

        Raises:
            ProgramError: when the program reads no counts, an event lies outside its frame, the stream is one of a
                batch, or beyond ``max_steps``.
        """
        engine, batch = self._engine, len(self._memory)
        indices = indices_of(engine.program, events)
        if batch != 1:
            raise ProgramError(
                f"stream: the events are of one stream, expected {batch}; use step with frames"
            )
        self._check_steps(1)
        self._kept = keep
        counted = np.ones((len(indices), 2), np.uint32)
        counted[:, 0] = indices
        engine._native.step_events(counted, self._memory, self._kept_arena() if keep else None)
        return self._after(1)

    def reset(self) -> None:
        """Back to membranes of 0 and no step made; no frame is kept."""
        self._kept, self._steps = False, 0
        self._engine._native.reset(self._memory)

    def _take(self, memory: Memory) -> None:
        """Goes on in these states; what every step asks for is looked up here once."""
        plan = self._engine.plan
        self._memory = memory
        self._sums = memory[:, plan.scores : plan.scores + 4 * plan.classes].view(np.int32)
        self._steps = steps_of(memory)

    def _check_steps(self, steps: int) -> None:
        limit = self._engine.program.max_steps
        check_int("stream", "steps", steps, 1, limit)
        if self._steps + steps > limit:
            more = "" if steps == 1 else f" and {steps} more asked for"
            raise ProgramError(
                f"stream: {self._steps} steps made{more}, expected at most max_steps={limit}; reset it"
            )

    def _kept_arena(self) -> Memory:
        if self._arena is None:
            self._arena = np.zeros((len(self._memory), self._engine.plan.arena_size), np.uint8)
        return self._arena

    def _after(self, steps: int) -> Int32:
        """The read-out, when so many steps were made."""
        self._steps += steps
        return self._sums.copy()


def array_of(x: Any) -> npt.NDArray[Any]:
    """``x`` as an array; a torch tensor's own memory.

    Raises:
        ProgramError: when it is none.
    """
    try:
        return np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor of another device, a ragged list
        raise ProgramError(f"input: is no array ({error}); pass int8 numpy arrays or CPU tensors") from error


def steps_of(memory: Memory) -> int:
    """Steps that the first of some states, uint8 ``[B, state_size]``, has made."""
    return int(memory[0, 4:HEADER_BYTES].view(np.uint32)[0])
