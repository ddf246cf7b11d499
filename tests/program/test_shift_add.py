from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shiftlif.program.shift_add import convolve, count_digits, digit_planes, linear

from . import naive
from .strategies import random_conv, seeds

integers = hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(-(2**31), 2**31 - 1))


@given(integers)
def test_shifted_planes_add_up_to_the_number_and_hold_signs_only(n):
    planes = list(digit_planes(n))
    assert np.array_equal(sum((plane.astype(np.int64) << p for p, plane in planes), np.zeros_like(n)), n)
    assert all(set(np.unique(plane)) <= {-1, 0, 1} and plane.any() for _, plane in planes)


@given(integers)
def test_digits_are_the_set_bits_of_the_magnitude(n):
    assert count_digits(n).tolist() == [abs(int(v)).bit_count() for v in n]


def test_minus_128_is_one_negative_digit():
    ((p, plane),) = digit_planes(np.array([-128, 0], np.int8))
    assert (p, plane.tolist()) == (7, [-1, 0])


@given(hnp.arrays(np.int8, (3, 5)), hnp.arrays(np.int8, (2, 5)))
def test_a_dense_synapse_equals_the_plain_product(weight, n):
    expected = n.astype(np.int64) @ weight.astype(np.int64).T
    assert np.array_equal(linear(weight, n), expected)


def test_a_product_beyond_2_to_the_24_is_exact():
    weight = np.full((1, 200_000), 127, np.int8)
    n = np.full((1, 200_000), 127, np.int8)
    n[0, 0] = 126
    assert linear(weight, n).item() == 127 * 127 * 200_000 - 127


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([(2, 7), (3, 5, 6)]))
def test_a_convolution_equals_the_plain_loops(seed, shape):
    rng = np.random.default_rng(seed)
    conv = random_conv(rng, "w", "x", shape)
    n = rng.integers(-128, 128, size=(2, *shape)).astype(np.int8)
    out = convolve(conv.weight, n, conv.stride, conv.padding, conv.dilation, conv.groups)
    for sample in range(2):
        expected, _ = naive.current_of(conv, n[sample])
        assert np.array_equal(out[sample], expected.astype(np.int64))


@pytest.mark.parametrize("n", [np.zeros((2, 3, 5), np.int8)])
def test_a_silent_input_gives_zeros_of_the_right_shape(n):
    out = convolve(np.ones((4, 3, 3), np.int8), n, (2,), (1,), (1,), 1)
    assert out.shape == (2, 4, 3)
    assert not out.any()
