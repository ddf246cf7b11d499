"""Means, paired tests and Pareto fronts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError


class Summary(NamedTuple):
    """Mean and sample standard deviation (of n - 1; None for one value) of n values."""

    mean: float
    deviation: float | None
    n: int


def summarise(values: Sequence[float]) -> Summary:
    """`Summary` of at least one value.

    Raises:
        DataError: there is none.
    """
    if not values:
        raise DataError("a mean needs at least one value")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), deviation, len(values))


def standard_error(summary: Summary) -> float | None:
    """Of the mean, deviation / sqrt(n); None for one value."""
    return None if summary.deviation is None else summary.deviation / math.sqrt(summary.n)


def paired_t(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p-value of the paired t-test over seeds.

    None where there are fewer than two pairs, or all differences are equal (the test is not defined there);
    differences that are all 0 give 1.

    Raises:
        DataError: the lengths differ.
    """
    from scipy import stats

    if len(first) != len(second):
        raise DataError(
            f"a paired test needs as many values on both sides, got {len(first)} and {len(second)}"
        )
    difference = np.subtract(first, second)
    if len(difference) < 2:
        return None
    if not np.any(difference):
        return 1.0
    deviation = float(np.std(difference, ddof=1))
    if deviation <= 1e-12 * float(np.abs(difference).max()):
        return None
    t = float(np.mean(difference)) / (deviation / math.sqrt(len(difference)))
    return float(2 * stats.t.sf(abs(t), len(difference) - 1))


def sign_flip(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Two-sided p-value over samples: how often chance gives so large a difference in right answers.

    The differences of one sample over all seeds belong together, so it is their sum whose sign is a coin
    under the hypothesis that the two networks are equally good; its distribution is computed exactly. With one seed
    this is McNemar's exact test.

    Args:
        first, second: whether each answer was right, ``[seeds, samples]``.

    Raises:
        DataError: the shapes differ.
    """
    from scipy import stats

    if first.shape != second.shape or first.ndim != 2:
        raise DataError(
            f"a paired test needs the same seeds and samples, got {first.shape} and {second.shape}"
        )
    sums = (first.astype(np.int64) - second.astype(np.int64)).sum(0)
    probability, reach = np.ones(1), 0  # of the total -reach ... reach
    for size in range(1, len(first) + 1):
        count = int(np.count_nonzero(np.abs(sums) == size))
        if count == 0:
            continue
        steps = np.zeros(2 * size * count + 1)
        steps[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        probability, reach = np.convolve(probability, steps), reach + size * count
    observed = abs(int(sums.sum()))
    totals = np.arange(-reach, reach + 1)
    return float(min(1.0, probability[np.abs(totals) >= observed].sum()))


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices of the points that no other point beats (lower or equal cost, higher or equal gain, one of them truly).

    In ascending order of cost. Of equal points the first stays.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i], i))
    front: list[int] = []
    for index in order:
        if not front or gains[index] > gains[front[-1]]:
            front.append(index)
    return front
