"""The operations of an integer program (SPEC 6): what they hold and what they compute.

A wire carries integers ``[C, *spatial]`` per sample; a batch adds a leading axis. A real value is
integer times unit, and units are known to the compiler only. Operations are immutable: their arrays
are private read-only copies.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.program.checks import (
    INT8_HIGH,
    INT8_LOW,
    check_choice,
    check_frame_range,
    check_int,
    check_ints,
    check_name,
    fail,
    frozen_array,
)

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]

MAX_SHIFT = 30
MAX_LEAK_SHIFT = 24
MAX_EXTENT = 2**20  # of a kernel, stride, padding or dilation: keeps index arithmetic far from overflow
WEIGHT_BITS = (4, 8)
MEMBRANE_BITS = (16, 32)
RESETS = ("soft", "hard")


def _check_names(operation: Any) -> str:
    kind = type(operation).__name__
    check_name(kind, "name", operation.name)
    where = f"{kind} '{operation.name}'"
    for source in sources_of(operation):
        check_name(where, "source", source)
    return where


def _freeze(operation: Any, where: str, field: str, dtype: type, *ranks: int) -> npt.NDArray[Any]:
    array = frozen_array(where, field, getattr(operation, field), dtype, ranks)
    object.__setattr__(operation, field, array)
    return array


def _check_weight(where: str, weight: Int8, bits: Any) -> None:
    check_choice(where, "weight_bits", bits, WEIGHT_BITS)
    limit = 2 ** (bits - 1) - 1
    worst = int(np.abs(weight.astype(np.int32)).max())
    if worst > limit:
        raise ProgramError(
            f"{where}: weight holds a magnitude of {worst}, expected at most {limit} for weight_bits={bits} "
            "(symmetric); quantise the weights to that range or use weight_bits=8"
        )


@dataclass(frozen=True, eq=False)
class Input:
    """The int8 frames that enter: ``n = x``, from ``low`` to ``high``.

    What cannot enter needs no proof and no digits: a first layer that reads counts up to 1 adds a weight for an event.

    Attributes:
        name: the wire's name.
        shape: ``(C, *spatial)`` with 0, 1 or 2 spatial axes.
        low, high: the smallest and the largest integer in a frame; 0 is between them.

    Raises:
        ProgramError: when the shape has another rank or an axis below 1, or the range is none.
    """

    name: str
    shape: tuple[int, ...]
    low: int = INT8_LOW
    high: int = INT8_HIGH

    def __post_init__(self) -> None:
        where = _check_names(self)
        check_ints(where, "shape", self.shape, None, 1, 2**31 - 1)
        if not 1 <= len(self.shape) <= 3:
            raise fail(where, "shape", self.shape, "(C,), (C, W) or (C, H, W)")
        check_frame_range(where, self.low, self.high)

    @property
    def whole(self) -> bool:
        """Whether every int8 may enter."""
        return (self.low, self.high) == (INT8_LOW, INT8_HIGH)


@dataclass(frozen=True, eq=False)
class Linear:
    """Current of a dense synapse: ``x[o] = sum_i weight[o, i] n[i]``. No bias: that is the integrator's.

    Attributes:
        name: the wire's name.
        source: the wire read, shape ``(in,)``.
        weight: int8 ``[out, in]``, within ``+-(2^(weight_bits - 1) - 1)``.
        weight_bits: 8 or 4.

    Raises:
        ProgramError: on a wrong dtype, rank or a weight outside the symmetric range.
    """

    name: str
    source: str
    weight: Int8
    weight_bits: int = 8

    def __post_init__(self) -> None:
        where = _check_names(self)
        _check_weight(where, _freeze(self, where, "weight", np.int8, 2), self.weight_bits)


@dataclass(frozen=True, eq=False)
class Conv:
    """Current of a convolution (cross-correlation, zero padding), 1-d or 2-d.

    ``x[o, p] = sum_{i, t} weight[o, i, t] n[g(o) in/groups + i, p stride - padding + t dilation]``.

    Attributes:
        name: the wire's name.
        source: the wire read, shape ``(in, *spatial)``.
        weight: int8 ``[out, in / groups, *kernel]``, within ``+-(2^(weight_bits - 1) - 1)``.
        stride: one number per spatial axis, like padding and dilation.
        padding: zeros on both sides.
        dilation: distance of neighbouring taps.
        groups: divides ``in`` and ``out``.
        weight_bits: 8 or 4.

    Raises:
        ProgramError: on a wrong dtype, rank, tuple length, group count or weight range.
    """

    name: str
    source: str
    weight: Int8
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    weight_bits: int = 8

    def __post_init__(self) -> None:
        where = _check_names(self)
        weight = _freeze(self, where, "weight", np.int8, 3, 4)
        _check_weight(where, weight, self.weight_bits)
        for field, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
            check_ints(where, field, getattr(self, field), weight.ndim - 2, low, MAX_EXTENT)
        check_int(where, "groups", self.groups, 1, weight.shape[0])
        if weight.shape[0] % self.groups:
            raise fail(where, "groups", self.groups, f"a divisor of the {weight.shape[0]} output channels")

    @property
    def kernel(self) -> tuple[int, ...]:
        """Taps per spatial axis."""
        return tuple(self.weight.shape[2:])


@dataclass(frozen=True, eq=False)
class Neuron:
    """A multi-level integrate-and-fire neuron with a table for every channel.

    Per step::

        v -= v >> leak_shift                     (arithmetic: floor; None: no leak)
        v += (x << current_shift) + bias[c]
        k  = number of thresholds[c] <= v        (a value on a threshold takes the upper letter)
        emit letters[k]
        soft: v -= resets[c, k]     hard: v = 0 where letters[k] != 0

    Because the shift rounds down, ``-1 >> m = -1`` and -1 leaks to 0, while 0 ... 2^m - 1 leak nothing.

    Attributes:
        name: the wire's name.
        source: the current, shape ``(C, *spatial)``.
        leak_shift: None or 0 to 24; 0 clears the membrane at every step.
        current_shift: 0 to 30.
        bias: int32 ``[C]``, added at every step.
        thresholds: int32 ``[C, L]``, ascending along L; two equal ones make a letter unreachable.
        resets: int32 ``[C, L + 1]``, 0 for the letter 0; unused with a hard reset.
        letters: int32 ``[L + 1]``, strictly ascending, within +-127, one of them 0.
        reset: ``soft`` or ``hard``.
        membrane_bits: 16 or 32; the range proof must hold for it.

    Raises:
        ProgramError: when a table breaks one of these rules.
    """

    name: str
    source: str
    leak_shift: int | None
    current_shift: int
    bias: Int32
    thresholds: Int32
    resets: Int32
    letters: Int32
    reset: str = "soft"
    membrane_bits: int = 32

    def __post_init__(self) -> None:
        where = _check_names(self)
        if self.leak_shift is not None:
            check_int(where, "leak_shift", self.leak_shift, 0, MAX_LEAK_SHIFT)
        check_int(where, "current_shift", self.current_shift, 0, MAX_SHIFT)
        check_choice(where, "reset", self.reset, RESETS)
        check_choice(where, "membrane_bits", self.membrane_bits, MEMBRANE_BITS)
        bias = _freeze(self, where, "bias", np.int32, 1)
        thresholds = _freeze(self, where, "thresholds", np.int32, 2)
        resets = _freeze(self, where, "resets", np.int32, 2)
        letters = _freeze(self, where, "letters", np.int32, 1)
        channels, count = thresholds.shape
        if bias.shape != (channels,):
            raise fail(
                where, "bias shape", bias.shape, f"({channels},) as thresholds have {channels} channels"
            )
        if resets.shape != (channels, count + 1):
            raise fail(
                where, "resets shape", resets.shape, f"({channels}, {count + 1}), one more than thresholds"
            )
        if letters.shape != (count + 1,):
            raise fail(where, "letters shape", letters.shape, f"({count + 1},), one more than thresholds")
        self._check_tables(where, thresholds, resets, letters)

    @staticmethod
    def _check_tables(where: str, thresholds: Int32, resets: Int32, letters: Int32) -> None:
        if np.any(thresholds[:, 1:] < thresholds[:, :-1]):
            channel = int(np.argmax(np.any(thresholds[:, 1:] < thresholds[:, :-1], axis=1)))
            raise fail(where, f"thresholds[{channel}]", thresholds[channel].tolist(), "an ascending row")
        ascending = bool(np.all(letters[1:] > letters[:-1]))
        if not ascending or 0 not in letters or int(letters[0]) < -127 or int(letters[-1]) > 127:
            raise fail(where, "letters", letters.tolist(), "strictly ascending, within +-127, with a 0")
        silent = resets[:, int(np.argmax(letters == 0))]
        if np.any(silent != 0):
            channel = int(np.argmax(silent != 0))
            raise fail(where, f"resets[{channel}] of the letter 0", int(silent[channel]), "0")

    @property
    def zero_index(self) -> int:
        """The index of the letter 0."""
        return int(np.argmax(self.letters == 0))


@dataclass(frozen=True, eq=False)
class SumPool:
    """Sum over windows: ``x[c, p] = sum_t n[c, p stride + t]``; incomplete windows are dropped.

    The divisor of an average belongs to the next unit.

    Attributes:
        name: the wire's name.
        source: the wire read, shape ``(C, *spatial)``.
        kernel: window size per spatial axis.
        stride: step per spatial axis.

    Raises:
        ProgramError: when the tuples do not fit each other or hold a number below 1.
    """

    name: str
    source: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        where = _check_names(self)
        check_ints(where, "kernel", self.kernel, None, 1, MAX_EXTENT)
        if len(self.kernel) not in (1, 2):
            raise fail(where, "kernel", self.kernel, "one number per spatial axis, 1 or 2 of them")
        check_ints(where, "stride", self.stride, len(self.kernel), 1, MAX_EXTENT)


@dataclass(frozen=True, eq=False)
class MaxPool(SumPool):
    """Largest value of each window: ``x[c, p] = max_t n[c, p stride + t]``; otherwise as `SumPool`."""


@dataclass(frozen=True, eq=False)
class Flatten:
    """C-order reshape ``[C, *spatial] -> [C * prod(spatial)]``; moves nothing in memory.

    Attributes:
        name: the wire's name.
        source: the wire read.
    """

    name: str
    source: str

    def __post_init__(self) -> None:
        _check_names(self)


@dataclass(frozen=True, eq=False)
class Add:
    """Residual sum with aligned units: ``x = (a << shifts[0]) + (b << shifts[1])``.

    Attributes:
        name: the wire's name.
        sources: the two wires read, of equal shape.
        shifts: 0 to 30 each.

    Raises:
        ProgramError: when there are not two sources and two shifts.
    """

    name: str
    sources: tuple[str, str]
    shifts: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if not isinstance(self.sources, tuple) or len(self.sources) != 2:
            raise fail(f"Add '{self.name}'", "sources", self.sources, "a tuple of two operation names")
        check_ints(_check_names(self), "shifts", self.shifts, 2, 0, MAX_SHIFT)


@dataclass(frozen=True, eq=False)
class Accumulate:
    """The read-out, last in every program: ``y += (x << current_shift) + bias[c]``, emits ``y``.

    Attributes:
        name: the wire's name.
        source: the current, shape ``(classes,)``.
        current_shift: 0 to 30.
        bias: int32 ``[classes]``, added at every step.

    Raises:
        ProgramError: on a wrong dtype, rank or shift.
    """

    name: str
    source: str
    current_shift: int
    bias: Int32

    def __post_init__(self) -> None:
        where = _check_names(self)
        check_int(where, "current_shift", self.current_shift, 0, MAX_SHIFT)
        _freeze(self, where, "bias", np.int32, 1)


Operation = Input | Linear | Conv | Neuron | SumPool | MaxPool | Flatten | Add | Accumulate

KINDS: dict[str, type[Operation]] = {
    kind.__name__: kind for kind in (Input, Linear, Conv, Neuron, SumPool, MaxPool, Flatten, Add, Accumulate)
}
ARRAY_FIELDS = ("weight", "bias", "thresholds", "resets", "letters")


def kind_of(operation: Operation) -> str:
    """The operation's name in files and tables, a key of `KINDS`."""
    return type(operation).__name__


def label(operation: Operation) -> str:
    """How messages call the operation, for example ``Conv 'conv1'``."""
    return f"{kind_of(operation)} '{operation.name}'"


def sources_of(operation: Operation) -> tuple[str, ...]:
    """The names of the wires that ``operation`` reads."""
    if isinstance(operation, Input):
        return ()
    return operation.sources if isinstance(operation, Add) else (operation.source,)


def arrays_of(operation: Operation) -> dict[str, npt.NDArray[Any]]:
    """The operation's arrays by field name, in field order."""
    names = (f.name for f in fields(operation))
    return {name: getattr(operation, name) for name in names if name in ARRAY_FIELDS}


def weight_bytes_of(operation: Operation) -> int:
    """Bytes of the weights as deployed: an int4 weight takes half a byte; 0 without weights."""
    if not isinstance(operation, (Linear, Conv)):
        return 0
    return -(-operation.weight.size * operation.weight_bits // 8)
