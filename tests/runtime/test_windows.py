"""Windows of a stream: literal cases, and that the pieces the rows come in make no difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.errors import ProgramError
from shiftlif.runtime import Windows


def rows(first, last):
    return np.arange(first, last, dtype=np.float32)[:, None]


def shown(found):
    return [(end, window[:, 0].tolist()) for end, window in found]


def pieces_of(x, cuts):
    at = sorted(min(cut, len(x)) for cut in cuts)
    return [x[a:b] for a, b in zip([0, *at], [*at, len(x)], strict=True)]


@pytest.mark.parametrize(
    ("length", "hop", "expected"),
    [
        (3, 3, [(3, [0, 1, 2]), (6, [3, 4, 5])]),
        (3, 2, [(3, [0, 1, 2]), (5, [2, 3, 4]), (7, [4, 5, 6])]),
        (2, 4, [(2, [0, 1]), (6, [4, 5])]),
        (1, 3, [(1, [0]), (4, [3]), (7, [6])]),
        (8, 1, []),
    ],
)
def test_windows_begin_every_hop(length, hop, expected):
    windows = Windows(length, hop, 1)
    assert shown(windows.push(rows(0, 7))) == expected
    assert windows.seen == 7


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 14),
    st.integers(0, 70),
    st.lists(st.integers(0, 70), max_size=12),
    st.integers(0, 70),
)
def test_pieces_and_a_change_over_make_no_difference(length, hop, total, cuts, change):
    x = rows(0, total)
    expected = [
        (start + length, x[start : start + length, 0].tolist()) for start in range(0, total - length + 1, hop)
    ]
    found, windows, seen = [], Windows(length, hop, 1), 0
    for piece in pieces_of(x, cuts):
        if seen <= change:  # another object goes on from a copy of the state; the first one is spoilt
            other = Windows(length, hop, 1)
            other.state = windows.state
            windows.push(rows(500, 500 + length))
            windows = other
        found += windows.push(piece)
        seen += len(piece)
    assert shown(found) == expected
    assert windows.seen == total


def test_a_window_is_a_copy():
    windows = Windows(2, 1, 1)
    ((_, first),) = windows.push(rows(0, 2))
    first[:] = -1
    assert shown(windows.push(rows(2, 3))) == [(3, [1, 2])]


def test_wrong_sizes_and_rows_are_refused():
    with pytest.raises(ProgramError, match="windows: hop is 0, expected"):
        Windows(3, 0, 1)
    windows = Windows(3, 1, 2)
    for wrong in (rows(0, 3), np.zeros((2, 2)), np.zeros(2, np.float32)):
        with pytest.raises(ProgramError, match=r"expected float32 \[n, 2\]"):
            windows.push(wrong)
    with pytest.raises(ProgramError, match="pass the state of such windows"):
        windows.state = Windows(9, 1, 1).state
    nine = Windows(9, 1, 2)
    nine.push(np.zeros((5, 2), np.float32))
    with pytest.raises(ProgramError, match=r"holds rows \(5, 2\), expected fewer than 3"):
        windows.state = nine.state
