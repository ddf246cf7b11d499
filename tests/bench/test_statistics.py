import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.bench.statistics import paired_t, pareto_front, sign_flip, standard_error, summarise
from shiftlif.errors import DataError


def test_mean_and_sample_deviation_of_three_values():
    assert summarise([90.0, 92.0, 94.0]) == (92.0, 2.0, 3)
    assert summarise([90.0]) == (90.0, None, 1)
    with pytest.raises(DataError, match="at least one"):
        summarise([])


def test_the_standard_error_is_that_of_the_mean():
    assert standard_error(summarise([80.0, 84.0, 84.0, 80.0])) == pytest.approx((16 / 3) ** 0.5 / 2)
    assert standard_error(summarise([90.0])) is None


def test_the_paired_t_test_equals_the_table():
    # differences 1, 2, 3: mean 2, deviation 1, t = 2 sqrt(3) with 2 degrees of freedom, whose tail has the closed
    # form p = 1 - t / sqrt(2 + t^2) = 1 - sqrt(12 / 14)
    assert paired_t([91, 92, 93], [90, 90, 90]) == pytest.approx(1 - (12 / 14) ** 0.5)
    # one degree of freedom (Cauchy): differences 1, 3: t = 2, p = 1 - 2 atan(2) / pi
    assert paired_t([1, 3], [0, 0]) == pytest.approx(1 - 2 * np.arctan(2) / np.pi)


def test_the_t_test_says_when_it_is_not_defined():
    assert paired_t([90.0], [80.0]) is None
    assert paired_t([90.0], [90.0]) is None
    assert paired_t([90.1, 91.1, 92.1], [80.0, 81.0, 82.0]) is None  # equal but for rounding
    assert paired_t([90, 91], [90, 91]) == 1.0
    with pytest.raises(DataError, match="as many"):
        paired_t([1], [1, 2])


def answers(*rows):
    return np.array(rows, bool)


def test_with_one_seed_the_sign_flip_is_mcnemar():
    # 5 samples only the first gets right, 1 only the second: 2 (1 + 6) / 64
    first, second = answers([1, 1, 1, 1, 1, 0, 1, 0]), answers([0, 0, 0, 0, 0, 1, 1, 0])
    assert sign_flip(first, second) == pytest.approx(14 / 64)
    assert sign_flip(second, first) == pytest.approx(14 / 64)
    assert sign_flip(first, first) == 1.0


def test_the_seeds_of_a_sample_count_as_one_coin():
    # every seed repeats the same answers: three times the evidence of one seed it is not
    first, second = answers([1, 1, 1, 1, 1]), answers([0, 0, 0, 0, 0])
    assert sign_flip(first, second) == pytest.approx(2 / 32)
    assert sign_flip(first.repeat(3, 0), second.repeat(3, 0)) == pytest.approx(2 / 32)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=9))
def test_the_sign_flip_equals_an_enumeration(samples):
    first = np.array([[i < right for right, _ in samples] for i in range(3)])
    second = np.array([[i < right for _, right in samples] for i in range(3)])
    sums = np.array([a - b for a, b in samples])
    signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
    expected = np.mean(np.abs(signs @ sums) >= abs(sums.sum()))
    assert sign_flip(first, second) == pytest.approx(expected)


def test_other_samples_cannot_be_paired():
    with pytest.raises(DataError, match="same seeds and samples"):
        sign_flip(answers([1, 0]), answers([1, 0, 1]))


def test_the_front_holds_what_nothing_beats():
    costs, gains = [3, 1, 2, 2, 4, 1], [90, 80, 85, 88, 89, 80]
    assert pareto_front(costs, gains) == [1, 3, 0]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_every_point_is_on_the_front_or_beaten_by_one_on_it(points):
    costs, gains = zip(*points, strict=True)
    front = pareto_front(costs, gains)
    for i in range(len(points)):
        beaten = any(costs[j] <= costs[i] and gains[j] >= gains[i] for j in front if j != i)
        assert (i in front) != beaten
