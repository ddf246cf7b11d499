"""The letters a neuron can emit, as tables of levels and boundaries (SPEC 1).

An alphabet has ascending levels ``q_0 < ... < q_L``, one of them 0, and ascending boundaries
``b_1 < ... < b_L``. Emission is a table look-up: the letter of a normalised membrane ``u`` is the
largest ``q_i`` whose boundary is ``<= u``; a value on a boundary takes the upper letter. Everything
downstream (surrogates, kernels, integer programs) reads these tables and nothing else.

Needs numpy only, because both the learning half and the deployed half use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ConfigurationError

PLACEMENTS = ("nearest", "log", "floor")
MAX_K = 6  # 2^6 = 64: integer letters fit a signed byte
MAX_L = 127  # counts fit a signed byte


@dataclass(frozen=True)
class Alphabet:
    """A finite set of spike letters.

    Attributes:
        name: what it is called in tables and files, for example ``PowerOfTwo(K=3)``.
        levels: ascending letter values ``q_0 < ... < q_L``; one of them is 0.
        boundaries: ascending, ``boundaries[i]`` is the smallest ``u`` that emits ``levels[i + 1]``.
        fraction_bits: every level times ``2**fraction_bits`` is an integer.

    Raises:
        ConfigurationError: when the tables are not ascending, do not fit each other, hold no 0, or
            hold a level that is not an integer after scaling.
    """

    name: str
    levels: tuple[float, ...]
    boundaries: tuple[float, ...]
    fraction_bits: int = 0

    def __post_init__(self) -> None:
        levels, boundaries = np.asarray(self.levels), np.asarray(self.boundaries)
        if len(levels) < 2 or len(boundaries) != len(levels) - 1:
            raise ConfigurationError(
                f"alphabet {self.name}: {len(levels)} levels need {max(len(levels) - 1, 1)} boundaries, "
                f"got {len(boundaries)}"
            )
        for field, table in (("levels", levels), ("boundaries", boundaries)):
            if not np.all(np.isfinite(table)) or np.any(np.diff(table) <= 0):
                raise ConfigurationError(
                    f"alphabet {self.name}: {field} must be finite and ascending, got {table}"
                )
        if 0.0 not in self.levels:
            raise ConfigurationError(f"alphabet {self.name}: one level must be 0, got {self.levels}")
        scaled = levels * 2.0**self.fraction_bits
        if np.any(scaled != np.round(scaled)) or np.abs(scaled).max() > MAX_L:
            raise ConfigurationError(
                f"alphabet {self.name}: levels times 2^{self.fraction_bits} must be integers of at most {MAX_L}, "
                f"got {scaled}"
            )

    @property
    def n_levels(self) -> int:
        """How many letters there are, 0 included."""
        return len(self.levels)

    @cached_property
    def integer_levels(self) -> npt.NDArray[np.int32]:
        """The letters as they travel on the wire: ``levels * 2**fraction_bits``, int32 ``[n_levels]``."""
        return np.round(np.asarray(self.levels) * 2.0**self.fraction_bits).astype(np.int32)

    @property
    def signed(self) -> bool:
        """Whether a letter below 0 exists."""
        return self.levels[0] < 0

    def index(self, u: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Index of the letter for each normalised membrane value ``u`` (any shape)."""
        return np.searchsorted(np.asarray(self.boundaries), np.asarray(u), side="right")

    def quantize(self, u: npt.ArrayLike) -> npt.NDArray[Any]:
        """The letter ``Q(u)`` for each normalised membrane value ``u`` (any shape)."""
        return np.asarray(self.levels)[self.index(u)]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form; ``Alphabet(**d)`` rebuilds it."""
        return {
            "name": self.name,
            "levels": list(self.levels),
            "boundaries": list(self.boundaries),
            "fraction_bits": self.fraction_bits,
        }

    @staticmethod
    def from_dict(table: dict[str, Any]) -> Alphabet:
        """The alphabet that `to_dict` described."""
        return Alphabet(
            str(table["name"]),
            tuple(float(q) for q in table["levels"]),
            tuple(float(b) for b in table["boundaries"]),
            int(table["fraction_bits"]),
        )


def _build(
    name: str, positive: list[float], boundaries: list[float], fraction_bits: int, signed: bool
) -> Alphabet:
    levels = [0.0, *positive]
    if signed:
        levels = [-q for q in reversed(positive)] + levels
        boundaries = [-b for b in reversed(boundaries)] + boundaries
    return Alphabet(name, tuple(levels), tuple(boundaries), fraction_bits)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigurationError(f"{name} must be a whole number from {low} to {high}, got {value!r}")


def Binary() -> Alphabet:
    """Letters 0 and 1, boundary 1: the classic LIF spike."""
    return _build("Binary", [1.0], [1.0], 0, signed=False)


def Ternary() -> Alphabet:
    """Letters -1, 0 and 1, boundaries -1 and 1."""
    return _build("Ternary", [1.0], [1.0], 0, signed=True)


def Uniform(L: int, placement: str = "nearest", *, signed: bool = False) -> Alphabet:
    """Counts 0, 1, ..., L (QB-LIF, arXiv:2604.25688; INT-LIF, arXiv:2407.20708).

    Args:
        L: the largest count, 1 to 127.
        placement: ``nearest`` puts boundary i at ``i - 1/2``, ``floor`` at ``i``.
        signed: mirror the table to -L, ..., L.

    Raises:
        ConfigurationError: L or placement is none of these.
    """
    _check_range("Uniform: L", L, 1, MAX_L)
    shift = {"nearest": 0.5, "floor": 0.0}.get(placement)
    if shift is None:
        raise ConfigurationError(f"Uniform: placement must be 'nearest' or 'floor', got {placement!r}")
    counts = [float(i) for i in range(1, L + 1)]
    name = f"{'Signed' if signed else ''}Uniform(L={L}, {placement})"
    return _build(name, counts, [i - shift for i in counts], 0, signed)


def PowerOfTwo(K: int, placement: str = "nearest", *, signed: bool = False) -> Alphabet:
    """Letters 0, 2^-K, ..., 1/2, 1 (ShiftLIF, arXiv:2605.01866): K + 2 letters.

    Args:
        K: the exponent of the smallest letter, 0 to 6.
        placement: ``nearest`` puts boundaries at midpoints (the first at ``2^-(K+1)``), ``log`` puts
            the boundary of letter ``2^-k`` at ``2^-(k+1/2)``, ``floor`` at ``2^-k``. The paper's
            rounding rule is not public, so the choice is a parameter.
        signed: mirror the table to -1, ..., -2^-K, 0, 2^-K, ..., 1.

    Raises:
        ConfigurationError: K or placement is none of these.
    """
    _check_range("PowerOfTwo: K", K, 0, MAX_K)
    letters = [2.0**-k for k in range(K, -1, -1)]
    if placement == "nearest":
        boundaries = [(low + high) / 2 for low, high in zip([0.0, *letters[:-1]], letters, strict=True)]
    elif placement == "log":
        boundaries = [q * 2.0**-0.5 for q in letters]
    elif placement == "floor":
        boundaries = list(letters)
    else:
        raise ConfigurationError(f"PowerOfTwo: placement must be one of {PLACEMENTS}, got {placement!r}")
    return _build(
        f"{'Signed' if signed else ''}PowerOfTwo(K={K}, {placement})", letters, boundaries, K, signed
    )
