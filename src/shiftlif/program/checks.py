"""Field checks that operations share: every message names operation, field, value, and expectation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
INT8_LOW, INT8_HIGH = -128, 127  # of a frame that enters a program
SHOWN = 500  # characters of a value in a message
RESERVED = ("steps",)  # the interpreter's state keeps its step counter under this key


def is_int(value: Any) -> bool:
    """Whether ``value`` is a Python int; a numpy integer would widen the wires that it shifts."""
    return type(value) is int


def fail(where: str, field: str, was: object, expected: str, advice: str = "") -> ProgramError:
    """The error for one field; the caller raises it."""
    return ProgramError(
        f"{where}: {field} is {shown(was)}, expected {expected}{'; ' + advice if advice else ''}"
    )


def shown(value: object) -> str:
    """How messages show a value: its start where it is long, for it may come from a file."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out integers of thousands of digits
        text = f"a {type(value).__name__} of many digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def check_name(kind: str, field: str, value: Any) -> None:
    """Names become tensor keys and C identifiers, so their characters are restricted.

    Raises:
        ProgramError: when ``value`` is no such name.
    """
    if not isinstance(value, str) or not NAME.fullmatch(value) or value in RESERVED:
        raise fail(
            kind, field, value, "letters, digits, '_', '.' or '-', and not 'steps'", "rename the operation"
        )


def check_int(where: str, field: str, value: Any, low: int, high: int) -> None:
    """Raises ProgramError unless ``value`` is a whole number from ``low`` to ``high``."""
    if not is_int(value) or not low <= value <= high:
        raise fail(where, field, value, f"a Python int from {low} to {high}")


def check_ints(where: str, field: str, value: Any, length: int | None, low: int, high: int) -> None:
    """Raises ProgramError unless ``value`` is a tuple of ``length`` whole numbers in the range."""
    good = isinstance(value, tuple) and (length is None or len(value) == length)
    if not good or not all(is_int(v) and low <= v <= high for v in value):
        count = "one or more" if length is None else str(length)
        raise fail(where, field, value, f"a tuple of {count} Python ints from {low} to {high}")


def check_choice(where: str, field: str, value: Any, choices: Sequence[object]) -> None:
    """Raises ProgramError unless ``value`` is one of ``choices``."""
    if not any(value == c and type(value) is type(c) for c in choices):
        raise fail(where, field, value, f"one of {list(choices)}")


def frozen_array(where: str, field: str, value: Any, dtype: type, ranks: tuple[int, ...]) -> npt.NDArray[Any]:
    """A private, read-only, C-ordered copy of ``value``.

    Raises:
        ProgramError: when it is no array of exactly this dtype and one of these ranks, or is empty.
    """
    expected = f"{np.dtype(dtype).name} array of rank {' or '.join(map(str, ranks))}"
    if not isinstance(value, np.ndarray):
        raise ProgramError(f"{where}: {field} is a {type(value).__name__}, expected a {expected}")
    if value.dtype != dtype or value.ndim not in ranks or value.size == 0:
        raise ProgramError(
            f"{where}: {field} is {value.dtype} {list(value.shape)}, expected a non-empty {expected}; "
            f"convert it with .astype(np.{np.dtype(dtype).name}) after checking that its values fit"
        )
    copy = np.array(value, order="C")
    copy.flags.writeable = False
    return copy


def check_frame_range(where: str, low: Any, high: Any) -> None:
    """Whether ``low`` to ``high`` is a range of int8 frames: it holds 0 and another number.

    Raises:
        ProgramError: when it does not.
    """
    check_int(where, "low", low, INT8_LOW, 0)
    check_int(where, "high", high, 0, INT8_HIGH)
    if low == high:
        raise fail(where, "high", high, f"more than low, which is {low}")
