"""Whether the engine computes what the interpreter does: letters, membranes and answers at every step (SPEC 7)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from shiftlif.errors import ProgramError, VerificationError
from shiftlif.program import IntegerProgram, compare_traces, first_mismatch
from shiftlif.runtime.engine import Engine, paths, unavailable


class Recorded(Protocol):
    """What was computed: a recorded `Result` of the interpreter, or `GoldenVectors`."""

    @property
    def letters(self) -> dict[str, npt.NDArray[Any]]:
        """Int8 ``[T, B, C, ...]`` by layer."""

    @property
    def membranes(self) -> dict[str, npt.NDArray[Any]]:
        """Int32 ``[T, B, C, ...]`` by layer."""

    @property
    def logits(self) -> npt.NDArray[Any]:
        """Int32 ``[B, classes]``."""


def require_equal(
    engine: Engine, x: Any, expected: Recorded, steps: int | None = None, name: str = "the interpreter"
) -> None:
    """Runs the engine and compares letters, membranes and answers with what was recorded.

    Args:
        engine: of the program that was recorded.
        x: the frames, as `Engine.run` takes them.
        expected: what another rendering computed from them.
        steps: as `Engine.run`.
        name: what messages call that rendering.

    Raises:
        VerificationError: at the first difference, with layer, step, sample, channel and both values.
        ProgramError: on frames that do not fit.
    """
    own = f"the engine ({engine.path})"
    found = engine.run(x, steps, record=True)
    compare_traces(name, (expected.letters, expected.membranes), own, (found.letters, found.membranes))
    # The answers of the shortest way too, which records nothing and keeps no state.
    for how, logits in (("run", found.logits), ("logits", engine.logits(x, steps))):
        index = first_mismatch(expected.logits, logits)
        if index is not None:
            raise VerificationError(
                f"logits, sample {index[0]}, class {engine.program.classes[index[1]]}: "
                f"{int(expected.logits[index])} in {name} and {int(logits[index])} in {own}, by its method {how}"
            )


class Comparison:
    """The engines that a program is compared with: the fastest path of the machine and the portable C.

    Attributes:
        engines: none where none is built or the program is beyond the engine's limits.
        reason: why there are none; None where there are.
    """

    def __init__(self, program: IntegerProgram) -> None:
        self.engines: tuple[Engine, ...] = ()
        self.reason = unavailable()
        if self.reason is None:
            try:
                fastest = Engine(program, path=paths()[0])
                portable = Engine(program, path=paths()[-1], plan=fastest.plan)
                self.engines = (fastest,) if fastest.path == portable.path else (fastest, portable)
            except ProgramError as error:
                self.reason = str(error)

    def require_equal(
        self, x: Any, expected: Recorded, steps: int | None = None, name: str = "the interpreter"
    ) -> None:
        """`require_equal` for each engine."""
        for engine in self.engines:
            require_equal(engine, x, expected, steps, name)

    def verdict(self, *others: str) -> str:
        """What has been found equal, for example ``golden vectors = interpreter = engine (avx2, portable)``."""
        if self.reason is not None:
            return f"{' = '.join(others)}; the engine was not compared: {self.reason}"
        return " = ".join([*others, f"engine ({', '.join(engine.path for engine in self.engines)})"])
