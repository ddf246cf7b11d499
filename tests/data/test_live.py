"""Live streams as rows: partial reads, malformed lines, real time, and a consumer that is slow."""

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shiftlif.data.live import GIVE_UP, LONGEST_LINE, Lines, Pcm, ReadAhead, decoded, in_pieces, paced
from shiftlif.data.live_form import live_form
from shiftlif.errors import DataError


def cut(data, at):
    places = sorted(min(place, len(data)) for place in at)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def read(data, columns=2, at=()):
    told = []
    lines = Lines("here", columns, told.append)
    rows = np.concatenate(list(decoded(cut(data, at), lines)))
    return rows.tolist(), told, lines


def test_lines_become_rows_and_a_header_and_blank_lines_are_skipped():
    rows, told, lines = read(b"\xef\xbb\xbfax,ay\r\n1, 2\r\n\n-3.5,4e1\n5,6")
    assert rows == [[1, 2], [-3.5, 40], [5, 6]]
    assert (told, lines.malformed, lines.lines) == ([], 0, 4)


def test_malformed_lines_are_told_counted_and_left_out():
    long = b"1," * (LONGEST_LINE // 2 + 1)
    data = b"4,5,6,7\n1,2\n,3\nx,3\n\xff\xfe,1\n1;2\nnan,1\n1,1e39\n7,8\n" + long + b"\n9,10\n11"
    rows, told, lines = read(data)
    assert rows == [[1, 2], [7, 8], [9, 10]]
    assert (lines.malformed, lines.lines) == (9, 12)
    for message, part in zip(
        told,
        (
            "here, line 1: 4 columns, expected 2 (columns of a time step)",
            "here, line 3, column 1: the cell is empty",
            "line 4, column 1: 'x' is not a number",
            "line 5, column 1: ",
            "line 6: 1 columns, expected 2",
            "line 7, column 1: nan is not a finite float32",
            "line 8, column 2: 1e+39 is not a finite float32",
            f"line 10: longer than {LONGEST_LINE} bytes",
            "line 12: 1 columns",
        ),
        strict=True,
    ):
        assert part in message


def test_numbers_at_the_end_of_float32():
    largest = float(np.finfo(np.float32).max)
    rows, told, _ = read(f"{largest!r},-3.4028235677973362e38\n".encode())
    assert rows == [[largest, -largest]]
    assert len(read(b"1,2\n3.4028235677973366e38,0\n")[1]) == 1
    assert not told


LINES = [b"1,2", b"-3.25,4e-3", b"", b"7", b"a,b", b"1,2,3", b"\x00", b"\xff", b"inf,1", b" 5 , 6 \r", b"\r"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=15), st.lists(st.integers(0, 90), max_size=8), st.booleans())
@example([b"\xef\xbb\xbfa,b", b"1,2"], [1, 2, 3, 4, 5], False)
def test_where_reads_end_makes_no_difference(lines, at, ended):
    data = b"\n".join(lines) + b"\n" * ended
    whole, pieces = read(data), read(data, at=at)
    assert pieces[:2] == whole[:2]
    assert pieces[2].malformed == whole[2].malformed


def test_a_line_without_end_takes_bounded_memory_and_is_one_malformed_line():
    told = []
    lines = Lines("here", 2, told.append)
    assert len(lines.feed(b"1,2\n")) == 1
    for _ in range(5):
        lines.feed(b"0" * LONGEST_LINE)
        assert len(lines._rest) <= LONGEST_LINE
    assert lines.feed(b"\n3,4\n").tolist() == [[3, 4]]
    assert (len(told), lines.malformed) == (1, 1)


def test_a_stream_of_another_kind_is_given_up():
    with pytest.raises(DataError, match=f"3 columns, expected 2 .*none of the first {GIVE_UP} lines was a"):
        read(b"1,2,3\n" * GIVE_UP)
    assert read(b"1,2,3\n" * (GIVE_UP - 1) + b"1,2\n" + b"x\n" * 100)[0] == [[1, 2]]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8), st.integers(1, 3))
def test_pcm_is_little_endian_and_reads_may_end_anywhere(data, at, channels):
    rows = np.concatenate(list(decoded(cut(data, at), Pcm(channels))))
    count = len(data) // (2 * channels)
    assert rows.dtype == np.int16
    np.testing.assert_array_equal(rows, np.frombuffer(data, "<i2", count * channels).reshape(-1, channels))


def test_pcm_by_hand():
    assert Pcm(1).feed(b"\x01\x00\xff\xff\x00\x80\x07").tolist() == [[1], [-1], [-32768]]


def test_pieces_are_cut_and_never_empty():
    chunks = [np.zeros((n, 1)) for n in (0, 5, 2, 0)]
    assert [len(piece) for piece in in_pieces(chunks, 2)] == [2, 2, 1, 2]


class FakeTime:
    def __init__(self):
        self.now, self.slept = 100.0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_real_time_is_kept_without_drift_and_caught_up_after_a_slow_consumer():
    fake = FakeTime()
    pieces = paced([np.zeros((n, 1)) for n in (4, 4, 4, 2, 4)], 8.0, fake.clock, fake.sleep)
    arrived = []
    for work, _ in zip((0.1, 1.4, 0.0, 0.0, 0.0), pieces, strict=True):
        arrived.append(round(fake.now - 100, 6))
        fake.now += work
    # due at 0.5, 1.0, 1.5, 1.75, 2.25; the consumer was busy from 1.0 to 2.4
    assert arrived == [0.5, 1.0, 2.4, 2.4, 2.4]
    assert [round(seconds, 6) for seconds in fake.slept] == [0.5, 0.4]


def test_a_slow_consumer_loses_nothing_of_a_pipe():
    """The writer is far ahead: what does not fit into the queue and the pipe holds it up."""
    source, target = os.pipe()
    count = 30000

    def write():
        with os.fdopen(target, "wb") as file:
            for n in range(count):
                file.write(b"%d,%d\n" % (n, -n))

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(source, "rb", buffering=0) as file:
        ahead = ReadAhead(decoded(iter(lambda: file.read(37), b""), Lines("pipe", 2, pytest.fail)))
        rows = []
        for number, piece in enumerate(ahead):
            rows.append(piece)
            if number in (0, 1000):
                time.sleep(0.3)
                assert ahead.read > sum(map(len, rows))  # it read on in the meantime
    writer.join()
    found = np.concatenate(rows)
    np.testing.assert_array_equal(found[:, 0], np.arange(count))
    assert ahead.read == count


def test_an_error_of_the_source_comes_after_what_was_read_before_it():
    def source():
        yield np.zeros((2, 1))
        raise DataError("broken")

    pieces = iter(ReadAhead(source()))
    assert len(next(pieces)) == 2
    with pytest.raises(DataError, match="broken"):
        next(pieces)


def test_rows_of_text_are_channels_by_time_or_flattened_samples():
    form = live_form("here", "none", (2, 3))
    assert (form.length, form.columns, form.dtype) == (3, 2, np.float32)
    rows = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    assert form.sample(rows).tolist() == [[[1, 2, 3], [10, 20, 30]]]
    image = live_form("here", "none", (1, 2, 2))
    assert (image.length, image.columns) == (1, 4)
    assert image.sample(np.array([[1, 2, 3, 4]], np.float32)).tolist() == [[[[1, 2], [3, 4]]]]
    assert live_form("here", "none", (5,)).sample(np.ones((1, 5), np.float32)).shape == (1, 5)


def test_a_front_end_that_keeps_the_shape_is_applied_to_each_window():
    form = live_form("here", {"name": "standardise_sample", "epsilon": 1e-6}, (2, 2))
    sample = form.sample(np.array([[3, 5], [3, 5]], np.float32))
    assert sample.tolist() == [[[-1, -1], [1, 1]]]


def test_log_mel_takes_audio_raw_text_or_its_own_frames():
    pytest.importorskip("librosa")
    from shiftlif.data import apply_front_end

    description = {"name": "log_mel", "sample_rate": 8000, "n_mels": 40}
    clip = np.random.default_rng(0).integers(-9999, 9999, (896, 1)).astype(np.int16)
    expected = apply_front_end(clip[None, :, 0], description)
    audio = live_form("here", description, (40, 5), audio=True)
    assert (audio.length, audio.columns, audio.dtype) == (896, 1, np.int16)
    np.testing.assert_array_equal(audio.sample(clip), expected)
    text = live_form("here", description, (40, 5), raw=True)
    assert (text.length, text.columns) == (896, 1)
    np.testing.assert_allclose(text.sample((clip / 32768).astype(np.float32)), expected, atol=1e-4)
    frames = live_form("here", description, (40, 5))
    assert (frames.length, frames.columns) == (5, 40)
    np.testing.assert_array_equal(frames.sample(expected[0].T), expected)


def test_streams_that_a_front_end_cannot_take_are_refused():
    with pytest.raises(DataError, match="sum_frames takes no stream"):
        live_form("here", {"name": "sum_frames", "frames": 3}, (2, 4, 4), raw=True)
    with pytest.raises(DataError, match="notes no sample rate"):
        live_form("here", "none", (2, 40), audio=True)
