import sys

import numpy as np
import pytest

from shiftlif.data import apply_front_end, log_mel, resolve_front_end, standardise_sample, sum_frames
from shiftlif.data.features import samples_in_frames
from shiftlif.errors import DataError


def clips(n=3, samples=8000):
    return np.random.default_rng(1).integers(-9000, 9000, (n, samples)).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 16000, 22050])
def test_log_mel_is_the_log_of_mel_weighted_power_of_each_frame(rate):
    filters = pytest.importorskip("librosa.filters")
    x = clips(samples=rate)
    window, hop = round(rate * 0.032), round(rate * 0.02)
    n_fft = 2 ** int(np.ceil(np.log2(window)))
    taper = np.hanning(window + 1)[:-1]
    bands = filters.mel(sr=rate, n_fft=n_fft, n_mels=40, fmin=20)
    out = log_mel(x, rate)
    assert out.dtype == np.float32
    assert out.shape == (3, 40, 1 + (rate - window) // hop)
    for frame in (0, 7, out.shape[2] - 1):
        cut = x[1, frame * hop : frame * hop + window] / 32768
        power = np.abs(np.fft.rfft(cut * taper, n_fft)) ** 2
        np.testing.assert_allclose(out[1, :, frame], np.log(bands @ power + 1e-6), atol=1e-3)


@pytest.mark.slow
def test_log_mel_equals_librosa():
    librosa = pytest.importorskip("librosa")
    x = clips()
    power = librosa.feature.melspectrogram(
        y=x / 32768.0, sr=8000, n_fft=256, hop_length=160, n_mels=40, fmin=20, center=False
    )
    np.testing.assert_allclose(log_mel(x, 8000), np.log(power + 1e-6), atol=1e-3)


def test_log_mel_does_not_depend_on_what_else_is_in_the_batch():
    pytest.importorskip("librosa")
    x = clips(300, 512)
    np.testing.assert_allclose(log_mel(x, 8000)[270:271], log_mel(x[270:271], 8000), rtol=1e-5, atol=1e-5)


def test_log_mel_of_digital_silence_is_the_floor():
    pytest.importorskip("librosa")
    np.testing.assert_allclose(log_mel(np.zeros((1, 4000), np.int16), 8000), np.log(1e-6), rtol=1e-6)


def test_log_mel_takes_floats_as_scaled_already():
    pytest.importorskip("librosa")
    x = clips(1)
    np.testing.assert_allclose(log_mel(x / 32768.0, 8000), log_mel(x, 8000), rtol=1e-5)


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (np.zeros((2, 3, 400), np.int16), {}, r"shape \(2, 3, 400\), expected \[N, samples\]"),
        (np.zeros((2, 400), bool), {}, "clips are bool, expected int16 PCM or floats"),
        (np.zeros((2, 100), np.int16), {}, "shorter than one window of 256"),
        (np.zeros((2, 400), np.int16), {"hop_ms": 0}, "hop_ms=0"),
        (np.zeros((2, 400), np.int16), {"f_min": 4000}, "f_min below half"),
    ],
)
def test_log_mel_refuses_what_it_cannot_do(x, arguments, message):
    with pytest.raises(DataError, match=message):
        log_mel(x, 8000, **arguments)


def test_missing_librosa_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa.filters", None)
    with pytest.raises(DataError, match=r"pip install 'shiftlif\[audio\]'"):
        log_mel(clips(), 8000)


def test_standardise_sample_removes_gain_and_offset():
    x = np.random.default_rng(0).normal(size=(4, 3, 50)).astype(np.float32)
    gained = x * np.array([1, 5, 20, 0.3], np.float32)[:, None, None] + 7
    np.testing.assert_allclose(standardise_sample(gained), standardise_sample(x), atol=1e-4)
    np.testing.assert_allclose(standardise_sample(x).std(axis=(1, 2)), 1, rtol=1e-5)
    assert not standardise_sample(np.full((1, 2, 3), 9.0)).any()
    with pytest.raises(DataError, match="epsilon"):
        standardise_sample(x, 0)


@pytest.mark.parametrize("frames", [1, 4, 7, 10, 30])
def test_sum_frames_counts_every_event_once(frames):
    x = np.random.default_rng(0).integers(0, 256, (2, 30, 2, 3, 3)).astype(np.uint8)
    summed = sum_frames(x, frames)
    expected = np.zeros((2, frames, 2, 3, 3))
    for bin_ in range(30):
        expected[:, bin_ * frames // 30] += x[:, bin_]
    assert summed.dtype == np.float32
    np.testing.assert_array_equal(summed, expected)


def test_sum_frames_refuses_more_frames_than_bins():
    with pytest.raises(DataError, match="expected 1 to 5"):
        sum_frames(np.zeros((1, 5, 2, 3, 3)), 6)
    with pytest.raises(DataError, match="event frames"):
        sum_frames(np.zeros((1, 5)), 2)


def test_a_resolved_front_end_is_complete_and_resolves_to_itself():
    resolved = resolve_front_end("log_mel", {"sample_rate": 8000})
    assert resolved["sample_rate"] == 8000
    assert resolved["n_mels"] == 40
    assert resolve_front_end(resolved) == resolved


def test_a_given_parameter_wins_over_what_the_data_bring():
    assert resolve_front_end({"name": "log_mel", "sample_rate": 4}, {"sample_rate": 8})["sample_rate"] == 4


@pytest.mark.parametrize(
    ("front_end", "message"),
    [
        ("mfcc", "front end 'mfcc' is unknown; choose one of none, log_mel"),
        ({"n_mels": 3}, "front end None is unknown"),
        ({"name": "none", "x": 3}, "unknown parameter 'x'; its parameters: none"),
        ("log_mel", "sample_rate is missing"),
        ({"name": "sum_frames", "frames": 2.5}, "frames is 2.5, expected an integer"),
        ({"name": "standardise_sample", "epsilon": "a"}, "expected a number"),
    ],
)
def test_a_wrong_front_end_is_refused(front_end, message):
    with pytest.raises(DataError, match=message):
        resolve_front_end(front_end)


def test_any_front_end_may_note_the_sample_rate_of_its_raw_samples():
    noted = resolve_front_end({"name": "standardise_sample", "sample_rate": 8000})
    assert noted == {"name": "standardise_sample", "epsilon": 1e-6, "sample_rate": 8000}
    x = np.random.default_rng(0).normal(size=(3, 2, 8))
    np.testing.assert_array_equal(apply_front_end(x, noted), standardise_sample(x))
    with pytest.raises(DataError, match="sample_rate is 0, expected a positive integer"):
        resolve_front_end({"name": "none", "sample_rate": 0})


def test_samples_in_frames_is_the_fewest_that_give_these_frames():
    pytest.importorskip("librosa")
    settings = {"sample_rate": 8000, "window_ms": 32.0, "hop_ms": 20.0}
    fewest = samples_in_frames(5, **settings)
    assert fewest == 256 + 4 * 160
    x = clips(2)
    np.testing.assert_array_equal(log_mel(x[:, :fewest], 8000), log_mel(x[:, : fewest + 159], 8000))
    assert log_mel(x[:, :fewest], 8000).shape[2] == 5
    assert log_mel(x[:, : fewest - 1], 8000).shape[2] == 4


def test_flat_samples_get_a_channel_axis():
    assert apply_front_end(np.zeros((3, 8)), "none").shape == (3, 1, 8)
    assert apply_front_end(np.zeros((3, 2, 8)), "none").shape == (3, 2, 8)


def test_values_beyond_float32_and_text_are_refused():
    with pytest.raises(DataError, match="beyond the range of float32"):
        apply_front_end(np.full((1, 2, 3), 1e60), "none")
    with pytest.raises(DataError, match="expected numbers"):
        apply_front_end(np.full((1, 2, 3), "a"), "none")
