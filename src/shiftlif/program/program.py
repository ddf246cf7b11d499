"""The integer program: operations, input quantiser and class names, proven when built (SPEC 6)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program.checks import check_int, fail
from shiftlif.program.operations import (
    Conv,
    Input,
    Linear,
    Neuron,
    Operation,
    label,
    weight_bytes_of,
)
from shiftlif.program.quantizer import InputQuantizer
from shiftlif.program.ranges import STEPS_LIMIT, WireRange, analyse
from shiftlif.program.shapes import Shape, propagate

if TYPE_CHECKING:
    from shiftlif.program.interpreter import Result
    from shiftlif.program.state import State
    from shiftlif.runtime import Engine


@dataclass(frozen=True, eq=False)
class IntegerProgram:
    """A network that needs adds, shifts and compares only.

    Building one proves it: the graph is checked, shapes propagate, and the range analysis shows that
    no accumulator can overflow within ``max_steps`` steps.

    Attributes:
        operations: one Input first, one Accumulate last, sources before their readers.
        quantizer: makes the int8 frames; one channel per input channel.
        steps: how many steps an inference takes unless the caller says otherwise.
        max_steps: for how many steps the range proof holds.
        classes: one name per output.
        output_unit: what one integer of the output means in the trained network's logits.
        metadata: JSON-able provenance and front-end description.

    Raises:
        ProgramError: when a field is invalid; the message names it.
        RangeError: when an accumulator could leave its integer width.
    """

    operations: tuple[Operation, ...]
    quantizer: InputQuantizer
    steps: int
    max_steps: int
    classes: tuple[str, ...]
    output_unit: float = 1.0
    metadata: dict[str, Any] = field(default_factory=dict)
    _shapes: dict[str, Shape] = field(init=False, repr=False)
    _ranges: dict[str, WireRange] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.operations, tuple):
            raise fail("program", "operations", type(self.operations).__name__, "a tuple")
        check_int("program", "max_steps", self.max_steps, 1, STEPS_LIMIT)
        check_int("program", "steps", self.steps, 1, self.max_steps)
        shapes = propagate(self.operations)
        if not isinstance(self.quantizer, InputQuantizer):
            raise fail("program", "quantizer", type(self.quantizer).__name__, "an InputQuantizer")
        channels = shapes[self.operations[0].name][0]
        if self.quantizer.channels != channels:
            raise fail(
                "program", "quantizer channels", self.quantizer.channels, f"{channels}, as the Input has"
            )
        given, read = (self.quantizer.low, self.quantizer.high), (self.input.low, self.input.high)
        if given != read:
            raise fail("program", "quantizer range", given, f"{read}, as the Input has")
        self._check_output(shapes[self.operations[-1].name][0])
        object.__setattr__(self, "metadata", _json_copy(self.metadata))
        object.__setattr__(self, "_shapes", shapes)
        object.__setattr__(self, "_ranges", analyse(self.operations, self.max_steps))

    def _check_output(self, outputs: int) -> None:
        names = self.classes
        if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
            raise fail("program", "classes", names, "a tuple of non-empty names")
        if len(names) != outputs or len(set(names)) != len(names):
            raise fail("program", "classes", names, f"{outputs} different names, one per output")
        unit = self.output_unit
        if isinstance(unit, bool) or not isinstance(unit, (int, float)) or not 0 < unit <= sys.float_info.max:
            raise fail("program", "output_unit", unit, "a positive finite number")
        object.__setattr__(self, "output_unit", float(unit))

    def shapes(self) -> Mapping[str, Shape]:
        """The shape ``(C, *spatial)`` of every wire by operation name."""
        return MappingProxyType(self._shapes)

    @property
    def ranges(self) -> Mapping[str, WireRange]:
        """The proof: what every operation can reach within ``max_steps`` steps."""
        return MappingProxyType(self._ranges)

    @property
    def input_shape(self) -> Shape:
        """The shape of one frame."""
        return self._shapes[self.operations[0].name]

    @property
    def input(self) -> Input:
        """The Input operation."""
        first = self.operations[0]
        if not isinstance(first, Input):
            raise ProgramError(f"{label(first)}: position is 0, expected an Input")
        return first

    @property
    def output(self) -> str:
        """The name of the read-out."""
        return self.operations[-1].name

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The Neuron operations in program order."""
        return tuple(op for op in self.operations if isinstance(op, Neuron))

    @property
    def parameters(self) -> int:
        """How many weights there are."""
        return sum(op.weight.size for op in self.operations if isinstance(op, (Linear, Conv)))

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights as deployed: an int4 weight takes half a byte."""
        return sum(weight_bytes_of(op) for op in self.operations)

    def digest(self) -> str:
        """SHA-256, hexadecimal, over everything that a model file holds."""
        from shiftlif.program.file import encode

        return encode(self).digest

    def save(self, path: str | PathLike[str]) -> None:
        """Writes one model file atomically; see `shiftlif.program.file.save`."""
        from shiftlif.program.file import save

        save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> IntegerProgram:
        """Reads and proves a model file; see `shiftlif.program.file.load`."""
        from shiftlif.program.file import load

        return load(path)

    def run(
        self,
        x: npt.NDArray[np.int8],
        steps: int | None = None,
        *,
        record: bool = False,
        state: State | None = None,
    ) -> Result:
        """Runs the reference interpreter; see `shiftlif.program.interpreter.run`."""
        from shiftlif.program.interpreter import run

        return run(self, x, steps, record=record, state=state)

    def engine(self, **options: Any) -> Engine:
        """The compiled engine for this program: the same calls and integers, fast.

        Args:
            **options: ``path``, ``threads`` and ``plan``, see `shiftlif.runtime.Engine`.

        Raises:
            ProgramError: where the engine is not built, and as `shiftlif.runtime.Engine`.
        """
        from shiftlif.runtime import Engine

        return Engine(self, **options)

    def step(
        self, frame: npt.NDArray[np.int8], state: State | None = None
    ) -> tuple[npt.NDArray[np.int32], State]:
        """The streaming call: one step with one frame, as frames arrive.

        ``T`` calls give what `run` gives for the sequence of their frames. See
        `shiftlif.program.interpreter.step`, which also returns every wire.

        Args:
            frame: int8 ``[B, *input_shape]``.
            state: what the previous call returned; None starts afresh. It is left unchanged.

        Returns:
            The read-out so far, int32 ``[B, classes]``, and the state for the next call.

        Raises:
            ProgramError: on a wrong dtype or shape, a state that does not fit, or beyond ``max_steps``.
        """
        from shiftlif.program.interpreter import step
        from shiftlif.program.state import check_input, initial_state

        if state is None:
            check_input(self, frame, 0)
            state = initial_state(self, frame.shape[0])
        logits, new, _ = step(self, frame, state)
        return logits, new


def _json_copy(metadata: Any) -> dict[str, Any]:
    """A private copy in the form that a file gives back (lists for tuples, texts for keys)."""
    try:
        copy = json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ProgramError(
            f"program: metadata is not JSON-able ({error}); store numbers, texts and lists"
        ) from error
    if not isinstance(copy, dict):
        raise fail("program", "metadata", type(metadata).__name__, "a dictionary")
    return copy
