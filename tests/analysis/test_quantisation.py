"""Letters against the best that letters could do."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.analysis.quantisation import entropy_bits, letter_shares, lloyd_max, rendering
from shiftlif.errors import ConfigurationError, DataError
from shiftlif.network import Distribution, best_scale, quantisation_error

N = 20_001
GAUSSIAN = Distribution.of([NormalDist().inv_cdf((i + 0.5) / N) for i in range(N)], signed=True)
UNIT = Distribution.of((np.arange(10_000) + 0.5) / 10_000)

samples = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=60)
alphabets = st.sampled_from(
    [
        Binary(),
        *(PowerOfTwo(k, p) for k in range(5) for p in ("nearest", "log", "floor")),
        *(Uniform(n, p) for n in range(1, 6) for p in ("nearest", "floor")),
        Ternary(),
        PowerOfTwo(2, signed=True),
        Uniform(3, signed=True),
    ]
)
scales = st.floats(0.01, 200)


@pytest.mark.parametrize(
    ("n_levels", "levels", "error"),
    [
        (1, (0.0,), 1.0),
        (2, (-0.7979, 0.7979), 0.3634),
        (3, (-1.224, 0.0, 1.224), 0.1902),
        (4, (-1.510, -0.4528, 0.4528, 1.510), 0.1175),
        (5, (-1.724, -0.7646, 0.0, 0.7646, 1.724), 0.07994),
    ],
)
def test_the_gaussian_optimum_is_the_tabulated_one(n_levels, levels, error):
    found = lloyd_max(GAUSSIAN, n_levels, zero=False)  # J. Max 1960, table I
    assert found.levels == pytest.approx(levels, abs=1e-3)
    assert found.error == pytest.approx(error, abs=2e-4)


def test_the_optimum_of_a_uniform_distribution_is_uniform():
    free = lloyd_max(UNIT, 4, zero=False)
    assert free.levels == pytest.approx((0.125, 0.375, 0.625, 0.875), abs=1e-4)
    assert free.error == pytest.approx(1 / 192, rel=1e-3)  # step^2 / 12
    # With a level at 0 the first cell is half as wide: (n - 1/2) steps make 1.
    assert lloyd_max(UNIT, 2).levels == pytest.approx((0.0, 2 / 3), abs=1e-4)
    assert lloyd_max(UNIT, 2).error == pytest.approx(1 / 27, rel=1e-3)
    assert lloyd_max(UNIT, 3).levels == pytest.approx((0.0, 0.4, 0.8), abs=1e-4)


def test_a_level_at_zero_is_kept_even_where_no_sample_is_near():
    assert lloyd_max(Distribution.of([5.0, 7.0]), 3).levels == (0.0, 5.0, 7.0)
    assert lloyd_max(Distribution.of([5.0, 7.0]), 2) == ((0.0, 6.0), 1.0)
    assert lloyd_max(Distribution.of([5.0, 7.0]), 2, zero=False) == ((5.0, 7.0), 0.0)


def test_more_levels_than_samples_have_no_error():
    assert lloyd_max(Distribution.of([3.0]), 5, zero=False).error == 0.0
    assert len(lloyd_max(Distribution.of([3.0]), 5).levels) == 5
    with pytest.raises(ConfigurationError, match="n_levels must be at least 1"):
        lloyd_max(UNIT, 0)


@given(samples, alphabets, scales)
@settings(deadline=None)
def test_no_alphabet_beats_the_optimum_of_as_many_levels(values, alphabet, scale):
    distribution = Distribution.of(values, signed=alphabet.signed)
    error = quantisation_error(distribution, alphabet, scale)
    optimum = lloyd_max(distribution, alphabet.n_levels).error
    slack = 1e-9 * (distribution.power + 1)
    assert optimum <= error + slack
    assert lloyd_max(distribution, alphabet.n_levels, zero=False).error <= optimum + slack


@given(samples, st.integers(1, 6))
@settings(deadline=None)
def test_a_level_more_is_never_worse(values, n_levels):
    distribution = Distribution.of(values)
    more = lloyd_max(distribution, n_levels + 1).error
    assert more <= lloyd_max(distribution, n_levels).error + 1e-9 * (distribution.power + 1)


@given(samples, alphabets, scales)
def test_the_error_is_that_of_the_letters_sample_by_sample(values, alphabet, scale):
    kept = np.asarray(values) if alphabet.signed else np.maximum(values, 0)
    distance = np.min(np.abs(kept[:, None] / scale - np.asarray(alphabet.boundaries)))
    if distance < 1e-9:
        return  # the look-up divides, the running sums multiply: on a boundary they may differ by a rounding
    expected = np.mean((kept - scale * alphabet.quantize(kept / scale)) ** 2)
    found = quantisation_error(Distribution.of(values, signed=alphabet.signed), alphabet, scale)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(samples, alphabets, scales)
@settings(deadline=None)
def test_entropy_stays_within_the_capacity_and_shares_add_up(values, alphabet, scale):
    distribution = Distribution.of(values, signed=alphabet.signed)
    found = rendering([distribution], alphabet, [scale])
    shares = letter_shares(distribution, alphabet, scale)
    assert shares.sum() == pytest.approx(1.0)
    assert 0 <= found.entropy <= found.capacity + 1e-12
    assert found.capacity == math.log2(alphabet.n_levels)
    assert found.density == pytest.approx(1 - shares[alphabet.levels.index(0.0)])
    assert found.relative_error >= 1 - 1e-6


def test_entropy_of_known_shares():
    assert entropy_bits([0.25] * 4) == 2.0
    assert entropy_bits([1.0, 0.0]) == 0.0
    assert entropy_bits([0.5, 0.25, 0.25]) == 1.5


def test_a_rendering_counted_by_hand():
    # Letters 0, 1/2, 1 at scale 2 are 0, 1, 2 with boundaries 1/2 and 3/2; a negative membrane counts as 0.
    found = rendering([Distribution.of([-3.0, 0.25, 1.0, 3.0])], PowerOfTwo(1), [2.0])
    assert found.error == (0 + 0.0625 + 0 + 1) / 4
    assert found.power == (0.0625 + 1 + 9) / 4
    assert found.density == 0.5
    assert found.entropy == 1.5
    assert found.signal_to_noise == pytest.approx(10 * math.log10(10.0625 / 1.0625))
    assert found.optimum == pytest.approx(0.0625 / 4)  # 0, 1 and 3
    assert found.relative_error == pytest.approx(17.0)
    assert found.to_dict()["alphabet"] == "PowerOfTwo(K=1, nearest)"


def test_rows_of_several_scales_are_averaged():
    rows = [Distribution.of([1.0, 0.0]), Distribution.of([10.0, 0.0])]
    found = rendering(rows, Binary(), [1.0, 8.0])
    assert found.error == (0 + 2.0) / 2
    assert found.power == (0.5 + 50.0) / 2
    assert found.density == 0.5


@pytest.mark.parametrize("alphabet", [PowerOfTwo(0), PowerOfTwo(1), Uniform(2)])
def test_two_and_three_letters_are_nearly_the_optimum_of_a_rectified_gaussian(alphabet):
    rectified = Distribution.of(GAUSSIAN.values)
    found = rendering([rectified], alphabet, [best_scale(rectified, alphabet)])
    assert found.relative_error < 1.03


@given(samples, alphabets)
@settings(deadline=None, max_examples=50)
def test_the_best_scale_is_no_worse_than_any_of_a_fine_grid(values, alphabet):
    distribution = Distribution.of(values, signed=alphabet.signed)
    error = quantisation_error(distribution, alphabet, best_scale(distribution, alphabet))
    grid = distribution.reach / alphabet.levels[-1] * 2.0 ** np.linspace(-8, 1, 145)
    if distribution.reach > 0:
        assert error <= quantisation_error(distribution, alphabet, grid).min() + 1e-9


def test_the_best_scale_of_one_letter_is_the_mean_of_what_it_renders():
    assert best_scale(Distribution.of([0.0, 0.0, 9.0, 11.0]), PowerOfTwo(0)) == pytest.approx(10, rel=2e-3)
    assert best_scale(Distribution.of([0.0, 9.0, 11.0]), PowerOfTwo(0), power_of_two=True) == 8.0
    assert best_scale(Distribution.of([0.0, 9.0, 11.0]), PowerOfTwo(0), high=2.0) == 2.0
    assert best_scale(Distribution.of([0.0, 9.0, 11.0]), PowerOfTwo(0), low=16.0, power_of_two=True) == 16.0
    assert best_scale(Distribution.of([-1.0, -2.0]), PowerOfTwo(0)) == 1.0
    with pytest.raises(DataError, match="power of two"):
        best_scale(Distribution.of([9.0]), PowerOfTwo(0), low=5.0, high=7.0, power_of_two=True)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf]])
def test_samples_that_are_no_membranes_are_refused(bad):
    with pytest.raises(DataError, match="finite samples"):
        Distribution.of(bad)
