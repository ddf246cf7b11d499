import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.alphabet import Alphabet, Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.errors import ConfigurationError


def test_binary_has_boundary_one():
    assert Binary().levels == (0.0, 1.0)
    assert Binary().boundaries == (1.0,)


def test_ternary_mirrors_the_binary_table():
    assert Ternary().levels == (-1.0, 0.0, 1.0)
    assert Ternary().boundaries == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("placement", "boundaries"), [("nearest", (0.5, 1.5, 2.5)), ("floor", (1.0, 2.0, 3.0))]
)
def test_uniform_boundaries_follow_their_placement(placement, boundaries):
    alphabet = Uniform(3, placement)
    assert alphabet.levels == (0.0, 1.0, 2.0, 3.0)
    assert alphabet.boundaries == boundaries
    assert alphabet.n_levels == 4


@pytest.mark.parametrize(
    ("placement", "boundaries"),
    [
        ("nearest", (0.125, 0.375, 0.75)),
        ("floor", (0.25, 0.5, 1.0)),
        ("log", (2**-2.5, 2**-1.5, 2**-0.5)),
    ],
)
def test_power_of_two_boundaries_follow_their_placement(placement, boundaries):
    alphabet = PowerOfTwo(2, placement)
    assert alphabet.levels == (0.0, 0.25, 0.5, 1.0)
    assert alphabet.boundaries == pytest.approx(boundaries, abs=1e-15)
    assert alphabet.n_levels == 2 + 2


def test_power_of_two_letters_are_shifts_of_one_on_the_wire():
    assert PowerOfTwo(3).integer_levels.tolist() == [0, 1, 2, 4, 8]


def test_signed_tables_are_mirrored():
    alphabet = PowerOfTwo(1, signed=True)
    assert alphabet.levels == (-1.0, -0.5, 0.0, 0.5, 1.0)
    assert alphabet.boundaries == (-0.75, -0.25, 0.25, 0.75)
    assert alphabet.signed
    assert not PowerOfTwo(1).signed


ALPHABETS = st.one_of(
    st.builds(
        PowerOfTwo, st.integers(0, 6), st.sampled_from(("nearest", "log", "floor")), signed=st.booleans()
    ),
    st.builds(Uniform, st.integers(1, 127), st.sampled_from(("nearest", "floor")), signed=st.booleans()),
    st.sampled_from((Binary(), Ternary())),
)


@given(ALPHABETS, st.data())
def test_a_value_on_a_boundary_takes_the_upper_letter_and_one_below_the_lower(alphabet, data):
    i = data.draw(st.integers(0, len(alphabet.boundaries) - 1))
    boundary = alphabet.boundaries[i]
    assert alphabet.quantize(boundary) == alphabet.levels[i + 1]
    assert alphabet.quantize(math.nextafter(boundary, -math.inf)) == alphabet.levels[i]


@given(ALPHABETS, st.lists(st.floats(-300, 300), min_size=1))
def test_emission_is_the_largest_letter_whose_boundary_is_reached(alphabet, values):
    expected = [
        max(
            [alphabet.levels[0]]
            + [q for q, b in zip(alphabet.levels[1:], alphabet.boundaries, strict=True) if b <= u]
        )
        for u in values
    ]
    assert alphabet.quantize(np.array(values)).tolist() == expected


@given(ALPHABETS)
def test_a_table_survives_its_dictionary_form(alphabet):
    assert Alphabet.from_dict(alphabet.to_dict()) == alphabet


@pytest.mark.parametrize(
    "build", [lambda: PowerOfTwo(7), lambda: PowerOfTwo(-1), lambda: Uniform(0), lambda: Uniform(128)]
)
def test_k_and_l_out_of_range_are_refused_with_the_range(build):
    with pytest.raises(ConfigurationError, match=r"from \d to \d+"):
        build()


def test_unknown_placement_is_refused():
    with pytest.raises(ConfigurationError, match="placement"):
        PowerOfTwo(3, "round")
    with pytest.raises(ConfigurationError, match="placement"):
        Uniform(3, "log")


@pytest.mark.parametrize(
    ("levels", "boundaries", "message"),
    [
        ((0.0, 1.0), (1.0, 2.0), "2 levels need 1 boundaries"),
        ((1.0, 0.0), (1.0,), "ascending"),
        ((0.0, math.inf), (1.0,), "finite"),
        ((1.0, 2.0), (1.0,), "must be 0"),
        ((0.0, 0.3), (1.0,), "integers"),
    ],
)
def test_malformed_tables_are_refused(levels, boundaries, message):
    with pytest.raises(ConfigurationError, match=message):
        Alphabet("custom", levels, boundaries)
