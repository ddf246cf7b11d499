from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.errors import DataError, ProgramError
from shiftlif.program import InputQuantizer
from shiftlif.program.quantizer import digits_of, values_of


def quantizer(offset=(0.0,), scale=(1.0,), exponent=0):
    return InputQuantizer(np.array(offset), np.array(scale), exponent)


def test_rounding_is_half_up_and_the_ends_are_clipped():
    raw = np.array([[-0.5, 0.49, 0.5, 1.5, -1.5, 127.4, 500.0, -128.6, -1e300]])
    one = quantizer()
    assert one.quantize(raw.T).ravel().tolist() == [0, 0, 1, 2, -1, 127, 127, -128, -128]


def test_each_channel_has_its_offset_and_scale_and_time_may_come_first():
    two = quantizer((1.0, -1.0), (0.5, 2.0), 2)
    frame = np.array([[[1.0, 1.5], [-1.0, 3.0]]])
    assert two.quantize(frame).tolist() == [[[0, 4], [0, 8]]]
    assert two.quantize(np.stack([frame, frame]), channel_axis=2).tolist() == [[[[0, 4], [0, 8]]]] * 2


def test_dequantize_gives_the_normalised_value():
    values = quantizer(exponent=3).dequantize(np.array([[-128, 4]], np.int8))
    assert values.dtype == np.float32
    assert values.tolist() == [[-16.0, 0.5]]


@given(st.integers(0, 7), st.lists(st.integers(-128, 127), min_size=1))
def test_what_dequantize_gives_quantizes_to_the_same_integers(exponent, values):
    x = np.array([values], np.int8).T
    one = quantizer(exponent=exponent)
    assert np.array_equal(one.quantize(one.dequantize(x)), x)


def test_identity_leaves_int8_alone():
    x = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1, 1)
    assert np.array_equal(InputQuantizer.identity(1).quantize(x), x)


def test_fit_takes_mean_deviation_and_the_largest_exponent_that_covers():
    # normalised values are exactly +-1: 127 / 2^6 = 1.98 covers 1, 127 / 2^7 = 0.99 does not
    x = np.array([[3.0, 5.0], [5.0, 5.0]])
    fitted = InputQuantizer.fit(x)
    assert (fitted.offset.tolist(), fitted.scale.tolist(), fitted.exponent) == ([4.0, 5.0], [1.0, 1.0], 6)


def test_fit_lets_a_tenth_of_a_percent_exceed():
    x = np.tile([-1.0, 1.0], 5000).reshape(-1, 1)
    x[0] = 5.0  # deviation 1.001
    assert InputQuantizer.fit(x).exponent == 6
    assert InputQuantizer.fit(x, percentile=100).exponent == 4


def test_fit_of_a_constant_that_is_no_binary_fraction_does_not_blow_noise_up():
    assert InputQuantizer.fit(np.full((1000, 1, 7), 0.1)).scale.tolist() == [1.0]


def test_nan_is_refused_with_its_sample():
    raw = np.zeros((4, 1, 3))
    raw[2, 0, 1] = np.nan
    with pytest.raises(DataError, match=r"sample 2, index \(2, 0, 1\) is nan"):
        quantizer().quantize(raw)
    with pytest.raises(DataError, match="x_train: sample 2"):
        InputQuantizer.fit(raw)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.zeros((2, 3)), r"shape is \(2, 3\), expected 1 channels on axis 1"),
        (np.zeros(1), r"shape is \(1,\)"),
        (np.array([["a"]]), "dtype is <U1"),
        (np.zeros((1, 1), complex), "dtype is complex128"),
    ],
)
def test_input_of_the_wrong_form_is_refused(raw, message):
    with pytest.raises(DataError, match=message):
        quantizer().quantize(raw)


@pytest.mark.parametrize("x", [np.zeros((0, 2)), np.zeros(3)])
def test_fit_needs_samples(x):
    with pytest.raises(DataError, match="x_train: shape"):
        InputQuantizer.fit(x)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"offset": (np.inf,)}, "offset is"),
        ({"scale": (0.0,)}, "scale is .*positive"),
        ({"scale": (1.0, 1.0)}, "scale shape"),
        ({"exponent": 8}, "exponent is 8"),
        ({"exponent": 1.0}, "exponent is 1.0"),
        ({"offset": (1,)}, "offset is int64"),
    ],
)
def test_invalid_fields_are_named(fields, message):
    with pytest.raises(ProgramError, match=message):
        quantizer(**fields)


def test_dequantize_wants_int8():
    with pytest.raises(DataError, match="dtype is int64"):
        quantizer().dequantize(np.array([[1]]))


def test_the_values_of_one_digit_are_the_powers_of_two_and_of_four_all_of_int8():
    assert values_of(1).tolist() == [-128, -64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64]
    assert {3, 5, 6, 7, 9, 127} <= set(values_of(2).tolist())
    assert not {11, 13, 19, 21} & set(values_of(2).tolist())
    assert values_of(4).tolist() == list(range(-128, 128))


def test_with_one_digit_an_input_becomes_the_nearest_letter_and_the_upper_one_of_two_as_near():
    raw = np.array([[0.4, 0.5, 1.49, 1.5, 2.9, 3.0, 5.9, 6.0, 95.9, 96.0, 1e9, -3.0, -3.1, -1e300]])
    one = replace(quantizer(), digits=1)
    assert one.quantize(raw.T).ravel().tolist() == [0, 1, 1, 2, 2, 4, 4, 8, 64, 64, 64, -2, -4, -128]


@given(st.lists(st.floats(-300, 300), min_size=1), st.integers(0, 7))
def test_four_digits_quantize_as_all_of_int8_does(values, exponent):
    raw = np.array([values]).T
    assert np.array_equal(
        quantizer(exponent=exponent).quantize(raw),
        replace(quantizer(exponent=exponent), digits=4).quantize(raw),
    )


@given(st.lists(st.floats(-300, 300), min_size=1), st.integers(1, 3))
def test_a_value_of_few_digits_is_a_nearest_one(values, digits):
    raw = np.array([values]).T
    found = replace(quantizer(), digits=digits).quantize(raw)
    distance = np.abs(values_of(digits)[None] - raw)
    assert np.array_equal(np.abs(found - raw).ravel(), distance.min(axis=1))
    assert all(digits_of(int(n)) <= digits for n in found.ravel())


@pytest.mark.parametrize("digits", [0, 5, 1.0])
def test_digits_out_of_range_are_refused_by_name(digits):
    with pytest.raises(ProgramError, match="digits"):
        InputQuantizer(np.zeros(1), np.ones(1), 0, digits=digits)


def test_a_given_exponent_is_not_fitted():
    x = np.array([[3.0, 5.0], [5.0, 5.0]])
    fitted = InputQuantizer.fit(x, exponent=2, digits=1)
    assert (fitted.exponent, fitted.digits) == (2, 1)
    assert fitted.quantize(x).tolist() == [[-4, 0], [4, 0]]


@pytest.mark.parametrize(
    ("exponent", "bounds"), [(0, (-1, 1)), (2, (-4, 4)), (6, (-64, 64)), (7, (-128, 127))]
)
def test_a_given_exponent_bounds_the_integers_by_a_power_of_two(exponent, bounds):
    x = np.tile([-3.0, 3.0], 50)[:, None]  # mean 0, deviation 3: magnitudes of 1
    fitted = InputQuantizer.fit(x, exponent=exponent)
    assert (fitted.low, fitted.high) == bounds
    assert fitted.quantize(x).max() == min(2**exponent, 127)


def test_few_large_magnitudes_do_not_widen_the_bound():
    x = np.concatenate([np.tile([-1.0, 1.0], 5000), [40.0, -40.0]])[:, None]  # deviation 1.15
    assert InputQuantizer.fit(x, exponent=3).high == 8
    assert InputQuantizer.fit(x, 100.0, exponent=3).high == 127
