"""A membrane's distribution, sorted once, and what a letter table at a scale loses of it.

With sorted samples and their running sums the squared error of any table at any scale is a few look-ups, so a search
over scales costs almost nothing, and is exact for the samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.alphabet import Alphabet
from shiftlif.errors import DataError

Floats = npt.NDArray[np.float64]

# Where the best scale is looked for: octaves of the top letter relative to the largest magnitude.
_LEAST, _MOST = -8, 1
_PER_OCTAVE = 16
_REFINEMENTS = 3  # each divides the distance between neighbouring scales by 8


@dataclass(frozen=True, eq=False)
class Distribution:
    """Samples of a membrane in ascending order.

    Attributes:
        values: ascending, ``[N]``.
        sums: ``sums[i]`` is the sum of the first i values, ``[N + 1]``.
        squares: the same of the squared values, ``[N + 1]``.
    """

    values: Floats
    sums: Floats
    squares: Floats

    @staticmethod
    def of(samples: npt.ArrayLike, *, signed: bool = False) -> Distribution:
        """The distribution of samples of any shape.

        Args:
            samples: membranes H, in any unit.
            signed: whether letters below 0 exist. Without them every negative membrane emits 0, whatever the scale,
                so it counts as a 0: only the positive part can be rendered well or badly.

        Raises:
            DataError: there is no sample, or one is not finite.
        """
        flat = np.asarray(samples, dtype=np.float64).ravel()
        if flat.size == 0 or not np.isfinite(flat).all():
            what = "an infinite or missing value" if flat.size else "none"
            raise DataError(
                f"a distribution needs finite samples, got {what}; pass membranes of a sound network"
            )
        values = np.sort(flat if signed else np.maximum(flat, 0.0))
        return Distribution(values, _running(values), _running(values**2))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def power(self) -> float:
        """The mean square, which is the error of a table that holds nothing but 0."""
        return float(self.squares[-1]) / len(self)

    @property
    def reach(self) -> float:
        """The largest magnitude."""
        return float(max(-self.values[0], self.values[-1]))

    def edges(self, boundaries: Floats) -> npt.NDArray[np.int64]:
        """Where letters begin: ``[..., L + 2]`` positions in ``values`` for boundaries ``[..., L]``, from 0 to N."""
        inner = np.searchsorted(self.values, boundaries, side="left")
        ends = np.zeros((*inner.shape[:-1], 1), dtype=inner.dtype)
        return np.concatenate([ends, inner, ends + len(self)], axis=-1)

    def mean_squared_error(self, levels: Floats, boundaries: Floats) -> Any:
        """Of ``levels`` ``[..., L + 1]`` with ``boundaries`` ``[..., L]``, in the samples' unit; shape ``[...]``."""
        edges = self.edges(boundaries)
        count, total, square = (
            np.diff(a[edges]) for a in (np.arange(len(self) + 1), self.sums, self.squares)
        )
        # Differences of running sums can come out below 0 by rounding where the error is 0.
        return np.maximum((square - 2 * levels * total + levels**2 * count).sum(-1), 0.0) / len(self)


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def quantisation_error(distribution: Distribution, alphabet: Alphabet, scale: npt.ArrayLike) -> Any:
    """Mean squared error ``E[(H - s Q(H / s))^2]``; above the top letter it is that of the clamped membrane.

    Args:
        distribution: made with ``signed`` as the alphabet has it.
        alphabet: Q.
        scale: s > 0, a number or an array of any shape; the result has its shape.
    """
    s = np.asarray(scale, dtype=np.float64)[..., None]
    return distribution.mean_squared_error(
        s * np.asarray(alphabet.levels), s * np.asarray(alphabet.boundaries)
    )


def best_scale(
    distribution: Distribution,
    alphabet: Alphabet,
    *,
    low: float = 0.0,
    high: float = math.inf,
    power_of_two: bool = False,
) -> float:
    """The scale of the least `quantisation_error`.

    The error has several local minima, so it is looked at in steps of a sixteenth of an octave first, and the
    neighbourhood of the best of them is then refined to less than a tenth of a per cent of the scale.

    Args:
        distribution: made with ``signed`` as the alphabet has it.
        alphabet: Q.
        low: the least scale allowed.
        high: the largest scale allowed.
        power_of_two: only powers of two are allowed.

    Returns:
        s; 1, or the end of the range beside it, where all samples are 0 and every scale is as good.

    Raises:
        DataError: no power of two lies in the range.
    """
    if distribution.reach == 0:
        return min(max(1.0, low), high)
    around = distribution.reach / max(abs(q) for q in alphabet.levels)

    def scales(exponents: Any) -> Any:
        return np.clip(around * 2.0**exponents, low, high)

    if power_of_two:
        first = math.ceil(math.log2(low)) if low > 0 else -1074
        last = math.floor(math.log2(high)) if high < math.inf else 1023
        if first > last:
            raise DataError(
                f"no power of two lies between {low:g} and {high:g}; widen the range of the scale"
            )
        middle = math.floor(math.log2(around))
        tried = 2.0 ** np.unique(np.clip(np.arange(middle + _LEAST, middle + _MOST + 1), first, last))
        return float(tried[np.argmin(quantisation_error(distribution, alphabet, tried))])
    grid = np.linspace(_LEAST, _MOST, (_MOST - _LEAST) * _PER_OCTAVE + 1)
    for _ in range(1 + _REFINEMENTS):
        at = int(np.argmin(quantisation_error(distribution, alphabet, scales(grid))))
        found = grid[at]
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 17)
    return float(scales(found))
