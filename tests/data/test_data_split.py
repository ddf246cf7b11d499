import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shiftlif.data import identical_samples, split_validation
from shiftlif.errors import DataError


@st.composite
def labelled(draw):
    n = draw(st.integers(8, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.integers(0, draw(st.integers(1, 4)), n)
    n_groups = draw(st.integers(0, 12))
    groups = rng.integers(0, n_groups, n) if n_groups else None
    samples = rng.integers(0, draw(st.integers(2, 200)), (n, 1)) if draw(st.booleans()) else None
    return y, groups, samples, draw(st.floats(0.05, 0.6)), draw(st.integers(0, 1000))


@settings(deadline=None, max_examples=200)
@given(labelled())
def test_split_is_complete_disjoint_deterministic_and_keeps_atoms_together(case):
    y, groups, samples, fraction, seed = case
    try:
        train, val = split_validation(y, groups, fraction, seed, samples=samples)
    except DataError:
        assume(False)  # no atom can leave, tested below
    again = split_validation(y, groups, fraction, seed, samples=samples)
    assert np.array_equal(train, again[0])
    assert np.array_equal(val, again[1])
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(len(y)))
    assert len(train)
    assert len(val)
    assert set(y[train]) == set(y)
    if groups is not None and len(set(groups)) >= 3:
        assert not set(groups[train]) & set(groups[val])
    if samples is not None:
        assert not set(samples[train, 0]) & set(samples[val, 0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(7, 60), min_size=2, max_size=5), st.integers(0, 99))
def test_without_groups_each_class_gives_its_share(sizes, seed):
    y = np.repeat(np.arange(len(sizes)), sizes)
    _, val = split_validation(y, seed=seed)
    assert np.bincount(y[val], minlength=len(sizes)).tolist() == [round(0.15 * size) for size in sizes]


def test_another_seed_gives_another_split():
    y = np.repeat([0, 1], 50)
    assert not np.array_equal(split_validation(y, seed=0)[1], split_validation(y, seed=1)[1])


def test_two_groups_are_both_on_both_sides_in_equal_shares():
    y, groups = np.tile(np.repeat([0, 1], 20), 2), np.repeat([1, 2], 40)
    train, val = split_validation(y, groups)
    assert {(g, c): int(np.sum((groups[val] == g) & (y[val] == c))) for g in (1, 2) for c in (0, 1)} == {
        (1, 0): 3,
        (1, 1): 3,
        (2, 0): 3,
        (2, 1): 3,
    }
    assert set(groups[train]) == {1, 2}


def test_groups_with_a_common_sample_move_together():
    y = np.tile([0, 1], 6)
    groups = np.repeat(["a", "b", "c", "d"], 3)
    samples = np.arange(12.0)[:, None]
    samples[3] = samples[0]  # links a and b
    for seed in range(20):
        train, _ = split_validation(y, groups, 0.3, seed, samples=samples)
        assert ("a" in groups[train]) == ("b" in groups[train])


def test_the_only_group_of_a_class_stays_in_train():
    y = np.array([0, 0, 0, 0, 1, 1])
    groups = np.array([1, 1, 2, 2, 3, 3])
    for seed in range(10):
        assert 1 in y[split_validation(y, groups, 0.3, seed)[0]]


def test_identical_samples_share_a_number_only_with_equal_bytes():
    x = np.array([[0.0, 1.0], [2.0, 3.0], [0.0, 1.0], [0.0, 1.5]])
    assert identical_samples(x).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fraction": 0}, "fraction is 0"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"groups": np.arange(3)}, "3 groups for 4 labels"),
        ({"samples": np.zeros((5, 2))}, "5 samples for 4 labels"),
        ({"y": np.zeros(4)}, "labels are float64"),
        ({"y": np.zeros(1, int)}, "expected at least 2"),
        ({"y": np.arange(4)}, "last one of a class"),
    ],
)
def test_impossible_splits_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        split_validation(**{"y": np.array([0, 0, 1, 1]), **arguments})
