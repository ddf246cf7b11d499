"""Spikes in HDF5 as a data set: the two files of the Spiking Heidelberg Digits, or one of their form."""

import numpy as np
import pytest
from tests.data.events.spikes import both, spoken, written

from shiftlif.data import is_recording, load, read_recordings
from shiftlif.data.events import Binning, event_frames, read_spikes
from shiftlif.errors import DataError

pytest.importorskip("h5py")


def test_the_two_files_are_the_parts_and_a_sample_is_a_row_of_units_for_every_frame(tmp_path):
    data = load(both(tmp_path), val_fraction=0.3)
    assert data.temporal
    assert (data.frames, data.sample_shape) == (4, (1, 1, 700))
    assert len(data.y_train) + len(data.y_val) == 24
    assert len(data.y_test) == 9
    assert data.classes == ("null", "eins", "zwei")
    assert data.front_end == {
        "name": "event_frames",
        "frames": 4,
        "by": "time",
        "window_us": 0,
        "block": 1,
        "limit": 127,
        "height": 1,
        "width": 700,
        "polarities": 1,
    }
    first = read_spikes(tmp_path / "shd_test.h5").recordings[0]
    assert data.x_test[0].sum() == len(first)
    np.testing.assert_array_equal(data.x_test[0, :, 0], event_frames(first, Binning())[:, 1])


def test_units_and_times_by_hand(tmp_path):
    times = [[0.0, 0.25, 0.25, 0.75], *([0.0, 0.5] for _ in range(7))]
    units = [[0, 4, 5, 699], *([10 * i, 3] for i in range(7))]
    path = written(tmp_path / "one.h5", times, units, [0, 1] * 4, ())
    binning = Binning(frames=2, window_us=500_000, block=5, limit=1, height=1, width=700, polarities=1)
    events = {"frames": 2, "window_us": 500_000, "block": 5, "limit": 1}
    data = load(path, events=events, val_fraction=0.5)
    assert data.front_end == {"name": "event_frames", **binning.to_dict()}
    assert data.classes == ("0", "1")
    assert data.sample_shape == (1, 1, 140)
    frames = event_frames(read_spikes(path).recordings[0], binning)
    assert [np.flatnonzero(frame).tolist() for frame in frames] == [[0, 1], [139]]  # unit 4 is in block 0
    assert frames.max() == 1


def test_validation_takes_whole_speakers_and_a_single_file_tests_on_some(tmp_path):
    path = spoken(tmp_path / "all.h5", 60, speakers=10)
    data = load(path, val_fraction=0.25)
    samples = read_recordings(path, data.front_end, (4, 1, 1, 700))
    speaker = {sample.tobytes(): i % 10 for i, sample in enumerate(samples)}
    parts = [{speaker[x.tobytes()] for x in part} for part in (data.x_train, data.x_val, data.x_test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 10
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 60


def test_a_program_reads_every_recording_of_a_file_as_training_did(tmp_path):
    data = load(both(tmp_path), events={"frames": 3, "limit": 2, "block": 7}, val_fraction=0.3)
    later = tmp_path / "shd_test.h5"
    assert is_recording(later)
    np.testing.assert_array_equal(read_recordings(later, data.front_end, (3, 1, 1, 100)), data.x_test)
    with pytest.raises(DataError, match=r"holds spikes, but the program takes samples of the front end none"):
        read_recordings(later, "none", (3, 1, 1, 100))


def test_a_file_too_many_or_too_few_is_named(tmp_path):
    form = r"expected one file that ends in train\.h5 and one that ends in test\.h5"
    spoken(tmp_path / "shd_train.h5")
    with pytest.raises(DataError, match=rf"holds shd_train\.h5, {form}"):
        load(tmp_path)
    spoken(tmp_path / "ssc_test.h5")
    spoken(tmp_path / "ssc_valid.h5")
    with pytest.raises(DataError, match=rf"holds shd_train\.h5, ssc_test\.h5, ssc_valid\.h5, {form}"):
        load(tmp_path)


def test_parts_of_other_classes_are_refused(tmp_path):
    spoken(tmp_path / "train.h5")
    spoken(tmp_path / "test.h5", keys=(b"null", b"one", b"two"))
    with pytest.raises(DataError, match=r"test\.h5: classes are null, one, two, expected null, eins, zwei"):
        load(tmp_path)
    spoken(tmp_path / "train.h5", labels=[0, 1] * 9)
    spoken(tmp_path / "test.h5", labels=[0, 1, 2])
    with pytest.raises(DataError, match=r"test\.h5: class 'zwei' has no recording in .*train\.h5"):
        load(tmp_path)


def test_what_does_not_apply_to_spikes_is_refused(tmp_path):
    path = spoken(tmp_path / "x.h5")
    for options, message in (
        ({"events": {"height": 2}}, "events height is 2, expected 1"),
        ({"events": {"width": 300}}, r"recording \d+: event \d+ .* has x = \d+, expected 0 to 299"),
        ({"events": {"bins": 2}}, "no setting 'bins'"),
        ({"front_end": "none"}, "take no front end or length"),
        ({"length": 3}, "take no front end or length"),
    ):
        with pytest.raises(DataError, match=message):
            load(path, **options)


def test_a_damaged_file_is_named(tmp_path):
    both(tmp_path)
    damaged = tmp_path / "shd_test.h5"
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"shd_test\.h5: cannot be read as HDF5"):
        load(tmp_path)
    damaged.write_bytes(b"not HDF5 at all")
    with pytest.raises(DataError, match=r"shd_test\.h5: cannot be read as HDF5"):
        load(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        load(str(tmp_path / "missing.h5"))
