"""Recordings as frames and lists of events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.data.events import EVENT, Binning, Recording, event_frames, event_lists, events_of
from shiftlif.errors import DataError


def recorded(*rows, size=None):
    return Recording(np.array(list(rows), EVENT), "x.bin", size)


@st.composite
def recordings(draw):
    count = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    events = np.empty(count, EVENT)
    events["t"] = np.sort(rng.integers(0, draw(st.sampled_from([1, 50, 10**9])), count)) - 20
    events["x"], events["y"], events["p"] = rng.integers(0, (7, 5, 2), (count, 3)).T
    return Recording(events, "x.bin", (5, 7))


@settings(max_examples=60, deadline=None)
@given(recordings(), st.integers(1, 9), st.sampled_from(["time", "count"]))
def test_every_event_is_counted_once(recording, frames, by):
    binning = Binning(frames=frames, by=by)
    counts = event_frames(recording, binning)
    assert counts.shape == (frames, 2, 5, 7)
    assert counts.sum() == len(recording)
    lists = event_lists(recording, binning)
    assert np.array_equal(np.concatenate(lists), recording.events)


@settings(max_examples=40, deadline=None)
@given(recordings(), st.integers(1, 9), st.sampled_from(["time", "count"]))
def test_the_lists_of_frames_give_the_frames_again(recording, frames, by):
    counts = event_frames(recording, Binning(frames=frames, by=by))
    again = np.zeros_like(counts)
    for frame, events in zip(again, events_of(counts), strict=True):
        np.add.at(frame, (events["p"], events["y"], events["x"]), 1)
    assert np.array_equal(again, counts)


def test_equal_spans_of_time_end_behind_the_last_event():
    recording = recorded((50, 0, 0, 1), (50, 1, 1, 1), (59, 0, 0, 0), (60, 2, 2, 0), (149, 3, 3, 0))
    frames = event_frames(
        recording, Binning(frames=10)
    )  # 100 microseconds from the first to behind the last: 10 each
    assert frames.shape == (10, 2, 4, 4)
    assert frames.sum(axis=(1, 2, 3)).tolist() == [3, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert frames[0, 1].diagonal().tolist() == [1, 1, 0, 0]
    assert frames[0, 0, 0, 0] == 1
    assert frames[9, 0, 3, 3] == 1


def test_a_window_of_fixed_length_leaves_out_what_comes_later():
    recording = recorded((100, 0, 0, 0), (109, 0, 0, 0), (110, 0, 0, 0), (119, 0, 0, 0), (120, 0, 0, 0))
    frames = event_frames(recording, Binning(frames=2, window_us=10))
    assert frames.sum(axis=(1, 2, 3)).tolist() == [2, 2]
    assert len(event_frames(recording, Binning(frames=4, window_us=10))) == 4


def test_frames_of_equal_counts_differ_by_one_event():
    recording = recorded(*((t * t, 0, 0, 0) for t in range(11)))
    frames = event_frames(recording, Binning(frames=4, by="count"))
    assert frames.sum(axis=(1, 2, 3)).tolist() == [3, 3, 3, 2]


def test_counts_stop_at_the_limit():
    recording = recorded(*((0, 0, 0, 1),) * 200, (1, 1, 0, 0))
    assert event_frames(recording, Binning(frames=1))[0, :, 0].tolist() == [[0, 1], [127, 0]]
    assert event_frames(recording, Binning(frames=1, limit=1))[0, :, 0].tolist() == [[0, 1], [1, 0]]


def test_blocks_of_pixels_add_up_and_what_fills_none_is_left_out():
    recording = recorded((0, 0, 0, 1), (0, 1, 1, 1), (0, 4, 0, 1), (0, 3, 1, 0), size=(3, 5))
    frames = event_frames(recording, Binning(frames=1, block=2))
    assert frames.tolist() == [[[[0, 1]], [[2, 0]]]]
    with pytest.raises(DataError, match="3 x 5 pixels, expected at least one block of 4"):
        event_frames(recording, Binning(frames=1, block=4))


def test_an_event_outside_the_sensor_is_named():
    with pytest.raises(DataError, match=r"x\.bin: event 1 .* is at row 1, column 4, expected below 9 and 4"):
        event_frames(recorded((0, 3, 0, 0), (1, 4, 1, 0)), Binning(height=9, width=4))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"frames": 0}, "frames is 0, expected a whole number from 1 to 4096"),
        ({"limit": 128}, "limit is 128, expected a whole number from 1 to 127"),
        ({"block": True}, "block is True"),
        ({"by": "polarity"}, "by is 'polarity', expected one of time, count"),
        ({"by": "count", "window_us": 5}, "window_us=5 belongs to by='time'"),
        ({"bins": 5}, "there is no setting 'bins'; known: frames, by"),
    ],
)
def test_wrong_settings_are_named(settings_, message):
    with pytest.raises(DataError, match=message):
        Binning.of(settings_)
