"""The input quantiser: the one place where real numbers become the program's int8 frames (SPEC 9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError, ProgramError
from shiftlif.program.checks import (
    INT8_HIGH,
    INT8_LOW,
    check_frame_range,
    check_int,
    fail,
    frozen_array,
)
from shiftlif.program.shift_add import signed_digits

Float64 = npt.NDArray[np.float64]
MAX_EXPONENT = 7
MAX_DIGITS = 4  # no int8 has more


@dataclass(frozen=True, eq=False)
class InputQuantizer:
    """``x = clip(floor((raw - offset) / scale * 2^exponent + 1/2), low, high)``, per channel.

    With ``digits``, ``x`` is the nearest value that so many signed binary digits can write, the upper one of two as
    near: each digit costs an addition per weight of the first layer. With one, an input is a letter as a
    spike is, a sign and a shift: 0, +-1, +-2, +-4, ...

    Attributes:
        offset: float64 ``[C]``, in the unit of the raw input.
        scale: float64 ``[C]``, positive, in the unit of the raw input.
        exponent: 0 to 7; one integer step is ``2^-exponent`` of the normalised input.
        low, high: the smallest and the largest integer; of event counts, 0 and their limit.
        digits: 1 to 4, how many digits of the non-adjacent form a value has at most; None is all of them, as 4 is.

    Raises:
        ProgramError: when a field is not finite, not positive or out of its range.
    """

    offset: Float64
    scale: Float64
    exponent: int
    low: int = INT8_LOW
    high: int = INT8_HIGH
    digits: int | None = None

    def __post_init__(self) -> None:
        where = "InputQuantizer"
        for field in ("offset", "scale"):
            array = frozen_array(where, field, getattr(self, field), np.float64, (1,))
            object.__setattr__(self, field, array)
            if not np.all(np.isfinite(array)):
                raise fail(where, field, array.tolist(), "finite numbers")
        if self.offset.shape != self.scale.shape:
            raise fail(where, "scale shape", self.scale.shape, f"{self.offset.shape}, as offset has")
        if np.any(self.scale <= 0):
            raise fail(where, "scale", self.scale.tolist(), "positive numbers")
        check_int(where, "exponent", self.exponent, 0, MAX_EXPONENT)
        check_frame_range(where, self.low, self.high)
        if self.digits is not None:
            check_int(where, "digits", self.digits, 1, MAX_DIGITS)

    @property
    def channels(self) -> int:
        """How many channels it expects."""
        return int(self.offset.shape[0])

    def normalize(self, raw: npt.ArrayLike, channel_axis: int = 1) -> Float64:
        """``(raw - offset) / scale``, float64, same shape.

        Args:
            raw: real numbers, ``[B, C, ...]``; with time first ``[T, B, C, ...]`` and ``channel_axis=2``.
            channel_axis: which axis is the channel.

        Raises:
            DataError: when ``raw`` is not numeric, has no such axis, another channel count, or NaN or inf.
        """
        values = _finite(raw, "input")
        if not 0 <= channel_axis < values.ndim or values.shape[channel_axis] != self.channels:
            raise DataError(
                f"input: shape is {values.shape}, expected {self.channels} channels on axis {channel_axis}; "
                "arrange it as [B, C, ...] or pass channel_axis"
            )
        column = (self.channels, *([1] * (values.ndim - channel_axis - 1)))
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is clipped like any large value
            return np.asarray((values - self.offset.reshape(column)) / self.scale.reshape(column))

    def quantize(self, raw: npt.ArrayLike, channel_axis: int = 1) -> npt.NDArray[np.int8]:
        """The int8 frames of ``raw``; same shape, arguments and errors as `normalize`."""
        with np.errstate(over="ignore"):
            scaled = self.normalize(raw, channel_axis) * 2.0**self.exponent
            if self.digits is None:
                return np.clip(np.floor(scaled + 0.5), self.low, self.high).astype(np.int8)
        values = values_of(self.digits, self.low, self.high)
        middles = (values[:-1] + values[1:]) / 2
        return values[np.searchsorted(middles, scaled, side="right")].astype(np.int8)

    __call__ = quantize

    def dequantize(self, x: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        """``x * 2^-exponent``: the normalised value a network trains on; exact in float32.

        Raises:
            DataError: when ``x`` is not int8.
        """
        if not isinstance(x, np.ndarray) or x.dtype != np.int8:
            raise DataError(
                f"input: dtype is {getattr(x, 'dtype', type(x))}, expected int8; quantize it first"
            )
        return x.astype(np.float32) * np.float32(2.0**-self.exponent)

    @classmethod
    def fit(
        cls,
        x_train: npt.ArrayLike,
        percentile: float = 99.9,
        *,
        exponent: int | None = None,
        digits: int | None = None,
    ) -> InputQuantizer:
        """Offset and scale are each channel's mean and deviation (a constant channel gets scale 1).

        The exponent is the largest of 0 to 7 for which ``percentile`` per cent of the normalised
        magnitudes stay within ``127 * 2^-exponent``; 0 when none does. A given exponent bounds the integers instead:
        by the smallest power of two that so many magnitudes stay within, so that no digits are provided for in vain.

        Args:
            x_train: training samples only, ``[N, C, ...]``.
            percentile: above 0, at most 100.
            exponent: given instead of fitted: the step, and with it the smallest letter, is ``2^-exponent`` deviations.
            digits: as the attribute.

        Raises:
            DataError: when there is no sample, a wrong rank, NaN or inf, or a bad percentile.
            ProgramError: exponent or digits are out of their range.
        """
        values = _finite(x_train, "x_train")
        if values.ndim < 2 or values.size == 0:
            raise DataError(
                f"x_train: shape is {values.shape}, expected [N, C, ...] with at least one sample"
            )
        if not 0 < percentile <= 100:
            raise DataError(f"percentile is {percentile}, expected a number above 0 and at most 100")
        axes = (0, *range(2, values.ndim))
        scale = values.std(axis=axes)
        # A constant channel can have a deviation of rounding error only; dividing by it would blow noise up.
        flat = scale <= 1e-12 * np.abs(values).max(axis=axes)
        fitted = cls(values.mean(axis=axes), np.where(flat, 1.0, scale), exponent or 0, digits=digits)
        magnitudes = np.abs(fitted.normalize(values))
        if exponent is not None:
            largest = np.percentile(magnitudes, percentile) * 2.0**exponent
            reach = next((2**bit for bit in range(7) if largest <= 2**bit), -INT8_LOW)
            return replace(fitted, low=-reach, high=min(reach, INT8_HIGH))
        allowed = (100.0 - percentile) / 100.0 * magnitudes.size
        for finer in range(MAX_EXPONENT, 0, -1):
            if np.count_nonzero(magnitudes > 127 * 2.0**-finer) <= allowed:
                return replace(fitted, exponent=finer)
        return fitted

    @classmethod
    def identity(cls, channels: int) -> InputQuantizer:
        """For frames that are integers already: offset 0, scale 1, exponent 0."""
        return cls._unchanged(channels, INT8_LOW, INT8_HIGH)

    @classmethod
    def counts(cls, channels: int, limit: int = INT8_HIGH) -> InputQuantizer:
        """For event counts, which stay as they are up to a limit.

        Args:
            channels: of the frames.
            limit: 1 to 127; larger counts become it. 1 makes binary frames.

        Raises:
            ProgramError: a number is out of its range.
        """
        check_int("InputQuantizer", "limit", limit, 1, INT8_HIGH)
        return cls._unchanged(channels, 0, limit)

    @classmethod
    def _unchanged(cls, channels: int, low: int, high: int) -> InputQuantizer:
        if channels < 1:
            raise ProgramError(f"InputQuantizer: channels is {channels}, expected at least 1")
        return cls(np.zeros(channels), np.ones(channels), 0, low, high)


@cache
def values_of(digits: int, low: int = INT8_LOW, high: int = INT8_HIGH) -> npt.NDArray[np.int64]:
    """The values of at most so many digits in the non-adjacent form, ascending; of int8 for one: -128, -64, ..., 64."""
    values = np.array([n for n in range(low, high + 1) if digits_of(n) <= digits], np.int64)
    values.setflags(write=False)
    return values


def digits_of(value: int) -> int:
    """How many digits the non-adjacent form of a value has: 0 for 0, 1 for 64, 2 for 7 = 8 - 1."""
    return sum(mask.bit_count() for mask in signed_digits(value))


def _finite(raw: npt.ArrayLike, name: str) -> Float64:
    array: npt.NDArray[Any] = np.asarray(raw)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: dtype is {array.dtype}, expected real numbers")
    values = array.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), values.shape))
        sample = f"sample {index[0]}, " if index else ""
        raise DataError(
            f"{name}: {sample}index {index} is {values[index]}, expected a finite number "
            f"({int(bad.sum())} such values); repair or drop the sample"
        )
    return values
