"""How well letters render a membrane: error, entropy, capacity, and the best that any letters could do.

The measures by which the ShiftLIF paper (arXiv:2605.01866) compares power-of-two with uniform letters. The bound is
the Lloyd-Max quantiser (S. P. Lloyd, IEEE Trans. Inf. Theory 28, 1982; J. Max, IRE Trans. Inf. Theory 6, 1960): for a
number of levels, those of the least mean squared error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shiftlif.alphabet import Alphabet
from shiftlif.errors import ConfigurationError
from shiftlif.network import Distribution, quantisation_error
from shiftlif.network.distribution import Floats

GROUPS = 256  # of equally many samples, between which the search for a start may put a boundary
CONVERGED = 1e-12  # relative decrease of the error that ends the iteration
MOST_ITERATIONS = 100_000


class LloydMax(NamedTuple):
    """The quantiser of the least mean squared error.

    Attributes:
        levels: ascending, in the unit of the samples; equal ones where there are fewer distinct samples than levels.
        error: its mean squared error.
    """

    levels: tuple[float, ...]
    error: float


def lloyd_max(distribution: Distribution, n_levels: int, *, zero: bool = True) -> LloydMax:
    """The Lloyd-Max optimum.

    The iteration (boundaries at midpoints, levels at the means between them) stops at the first local optimum, so it
    begins at the best partition that boundaries between `GROUPS` groups of samples allow, found by dynamic
    programming. With at most that many samples the partition, and so the result, is the global optimum;
    with more it can be a local one beside it, some millionths worse.

    Args:
        distribution: the samples.
        n_levels: how many levels, 0 included where it is one.
        zero: one level is 0, as in every alphabet; False leaves all levels free.

    Raises:
        ConfigurationError: ``n_levels`` is below 1.
    """
    if n_levels < 1:
        raise ConfigurationError(f"lloyd_max: n_levels must be at least 1, got {n_levels}")
    levels = _best_partition(distribution, n_levels, zero)
    fixed = int(np.argmin(np.abs(levels))) if zero else None
    error = math.inf
    for _ in range(MOST_ITERATIONS):
        middles = (levels[1:] + levels[:-1]) / 2
        before, error = error, float(distribution.mean_squared_error(levels, middles))
        if error <= CONVERGED * distribution.power or before - error < CONVERGED * error:
            break
        edges = distribution.edges(middles)
        count, total = np.diff(edges), np.diff(distribution.sums[edges])
        levels = np.where(count > 0, total / np.maximum(count, 1), levels)
        if fixed is not None:
            levels[fixed] = 0.0
    return LloydMax(tuple(levels.tolist()), error)


def _best_partition(distribution: Distribution, n_levels: int, zero: bool) -> Floats:
    """Means of the best ``n_levels`` intervals with ends between groups of samples; with ``zero``, one mean is 0."""
    size = len(distribution)
    ends = np.unique(np.linspace(0, size, min(size, GROUPS) + 1).round().astype(np.int64))
    sums, squares = distribution.sums[ends], distribution.squares[ends]
    count = ends[None, :] - ends[:, None]  # of the interval from end i to end j
    total = sums[None, :] - sums[:, None]
    about_zero = np.where(count >= 0, squares[None, :] - squares[:, None], np.inf)
    about_mean = np.maximum(about_zero - total**2 / np.maximum(count, 1), 0.0)

    # least[z][j]: least error of the samples before end j; z: whether an interval about 0 is among the intervals.
    start = np.where(np.arange(len(ends)) == 0, 0.0, np.inf)
    least = [start, np.full(len(ends), np.inf)]
    choices = []
    for _ in range(n_levels):
        ways = [
            (least[0][:, None] + about_mean,),
            (least[1][:, None] + about_mean, least[0][:, None] + about_zero),
        ]
        at = [[way.argmin(0) for way in options] for options in ways]
        value = [
            np.stack([np.take_along_axis(w, a[None], 0)[0] for w, a in zip(options, where, strict=True)])
            for options, where in zip(ways, at, strict=True)
        ]
        choices.append((at, [v.argmin(0) for v in value]))
        least = [v.min(0) for v in value]

    levels, j, with_zero = [], len(ends) - 1, int(zero)
    for at, taken in reversed(choices):
        way = int(taken[with_zero][j])
        i = int(at[with_zero][way][j])
        is_zero = with_zero == 1 and way == 1
        if i == j:  # fewer distinct samples than levels: a level without samples, where the next one begins
            mean = float(distribution.values[min(ends[j], size - 1)])
        else:
            mean = float(total[i, j] / count[i, j])
        levels.append(0.0 if is_zero else mean)
        with_zero, j = with_zero - is_zero, i
    return np.sort(np.asarray(levels))


def entropy_bits(shares: npt.ArrayLike) -> float:
    """Entropy of letters with these shares, in bits; at most log2 of their number."""
    p = np.asarray(shares, dtype=np.float64)
    p = p[p > 0]
    return max(0.0, float(-(p * np.log2(p)).sum()))


def letter_shares(distribution: Distribution, alphabet: Alphabet, scale: float) -> Floats:
    """Share of each letter, in the order of the levels."""
    edges = distribution.edges(scale * np.asarray(alphabet.boundaries))
    return np.diff(edges) / len(distribution)


@dataclass(frozen=True)
class Rendering:
    """How an alphabet renders a membrane; errors and power in squared units of the membrane.

    Attributes:
        alphabet: the letters.
        scale: as it was used, one per scale entry.
        error: mean squared error.
        optimum: error of the Lloyd-Max quantiser with as many levels, one of them 0.
        power: mean square of the membrane (of its positive part for unsigned letters).
        entropy: of the letters, bits.
        density: share of letters other than 0: events per neuron and step.
    """

    alphabet: Alphabet
    scale: tuple[float, ...]
    error: float
    optimum: float
    power: float
    entropy: float
    density: float

    @property
    def n_levels(self) -> int:
        """Number of letters."""
        return self.alphabet.n_levels

    @property
    def capacity(self) -> float:
        """log2 of the number of letters: the most information a letter can carry, bits."""
        return math.log2(self.n_levels)

    @property
    def relative_error(self) -> float:
        """Error over the Lloyd-Max optimum, at least 1 (1 where neither has an error)."""
        if self.optimum <= CONVERGED * self.power:
            return 1.0 if self.error <= CONVERGED * self.power else math.inf
        return self.error / self.optimum

    @property
    def signal_to_noise(self) -> float:
        """Power over error, dB; infinite without an error."""
        return 10 * math.log10(self.power / self.error) if self.error > 0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form, what is derived included; a ratio that is infinite is None."""
        names = ("n_levels", "error", "optimum", "power", "entropy", "density")
        derived = {name: getattr(self, name) for name in ("capacity", "relative_error", "signal_to_noise")}
        return {
            "alphabet": self.alphabet.name,
            "scale": list(self.scale),
            **{name: getattr(self, name) for name in names},
            **{name: value if math.isfinite(value) else None for name, value in derived.items()},
        }


def rendering(rows: Sequence[Distribution], alphabet: Alphabet, scales: Sequence[float]) -> Rendering:
    """Measure an alphabet on a membrane.

    Args:
        rows: of each scale entry, equally many samples each.
        alphabet: the letters.
        scales: one per row.
    """
    pairs = list(zip(rows, scales, strict=True))
    shares = np.mean([letter_shares(row, alphabet, scale) for row, scale in pairs], axis=0)
    return Rendering(
        alphabet,
        tuple(float(scale) for scale in scales),
        float(np.mean([quantisation_error(row, alphabet, scale) for row, scale in pairs])),
        optimum(rows, alphabet.n_levels),
        float(np.mean([row.power for row in rows])),
        entropy_bits(shares),
        float(1 - shares[alphabet.levels.index(0.0)]),
    )


def optimum(rows: Sequence[Distribution], n_levels: int) -> float:
    """Mean error of the Lloyd-Max quantisers of the rows, one level of each being 0."""
    return float(np.mean([lloyd_max(row, n_levels).error for row in rows]))
