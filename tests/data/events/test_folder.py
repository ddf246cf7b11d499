"""Folders of recordings as data sets."""

import numpy as np
import pytest
from tests.data.events import layouts

from shiftlif.data import apply_front_end, load, read_recordings
from shiftlif.errors import DataError

WRITERS = {
    ".bin": layouts.nmnist_bin,
    ".npy": layouts.numpy_events,
    ".dat": lambda events: layouts.prophesee_dat(events, 20, 30),
}


def rows(label, i):
    """Events of one class in a place of its own; the last corner in every recording."""
    return [(100 * k, 4 * label + i % 3, k % 10, k % 2) for k in range(8)] + [(800, 9, 9, 1)]


def recorded(folder, ending=".bin", parts=("train", "test"), count=6):
    for part in parts:
        for label, name in enumerate(("left", "right")):
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(count):
                (place / f"{i}{ending}").write_bytes(WRITERS[ending](rows(label, i + (part == "test"))))
    return folder


@pytest.mark.parametrize("ending", [".bin", ".npy"])
def test_a_folder_of_recordings_is_a_temporal_set_of_counts(ending, tmp_path):
    data = load(recorded(tmp_path, ending), val_fraction=0.3)
    assert data.temporal
    assert data.x_train.shape[1:] == (4, 2, 10, 10)
    assert data.classes == ("left", "right")
    assert data.x_test.sum(axis=(1, 2, 3, 4)).tolist() == [9] * 12
    assert data.front_end == {
        "name": "event_frames",
        "frames": 4,
        "by": "time",
        "window_us": 0,
        "block": 1,
        "limit": 127,
        "height": 10,
        "width": 10,
        "polarities": 2,
    }


def test_recordings_of_the_test_part_keep_their_names(tmp_path):
    names = load(recorded(tmp_path), val_fraction=0.3).test_files
    assert names == tuple(f"test/{side}/{i}.bin" for side in ("left", "right") for i in range(6))


def test_frames_and_settings_reach_the_recordings(tmp_path):
    folder = recorded(tmp_path)
    assert load(folder, frames=3, val_fraction=0.3).frames == 3
    data = load(folder, events={"frames": 2, "block": 5, "limit": 1, "by": "count"}, val_fraction=0.3)
    assert data.x_train.shape[1:] == (2, 2, 2, 2)
    assert data.x_train.max() == 1
    assert data.front_end["by"] == "count"


def test_the_sensor_is_as_large_as_the_files_say(tmp_path):
    data = load(recorded(tmp_path, ".dat"), val_fraction=0.3)
    assert data.sample_shape == (2, 20, 30)
    other = tmp_path / "train" / "right" / "5.dat"
    other.write_bytes(layouts.prophesee_dat(rows(0, 0), 100, 200))
    with pytest.raises(DataError, match="is of a sensor of 100 x 200 pixels, expected 20 x 30 as"):
        load(tmp_path)


def test_a_later_recording_becomes_the_frames_of_training(tmp_path):
    data = load(recorded(tmp_path), events={"frames": 2, "limit": 3}, val_fraction=0.3)
    path = tmp_path / "test" / "right" / "3.bin"
    found = read_recordings(path, data.front_end, (2, 2, 10, 10))
    assert np.array_equal(found, data.x_test[9:10])
    assert np.array_equal(apply_front_end(found, data.front_end), found)
    path.write_bytes(layouts.nmnist_bin([(0, 10, 0, 0)]))
    with pytest.raises(DataError, match="at row 0, column 10, expected below 10 and 10"):
        read_recordings(path, data.front_end, (2, 2, 10, 10))
    with pytest.raises(DataError, match="takes samples of the front end none"):
        read_recordings(path, "none", (2, 2, 10, 10))


def test_settings_of_events_belong_to_recordings(tmp_path):
    folder = recorded(tmp_path)
    with pytest.raises(DataError, match="take no front end"):
        load(folder, front_end="none")
    with pytest.raises(DataError, match="there is no setting 'bins'"):
        load(folder, events={"bins": 3})
    for path in folder.glob("*/*/*"):
        path.unlink()
        np.save(path.with_suffix(".npy"), np.zeros(8))
    with pytest.raises(DataError, match=r"apply to recordings of an event camera, not to \.npy files"):
        load(folder, events={"frames": 3})
    with pytest.raises(DataError, match="settings of events apply to recordings of events"):
        load("digits", events={"frames": 3})


def test_a_damaged_recording_is_named(tmp_path):
    folder = recorded(tmp_path)
    (folder / "train" / "right" / "4.bin").write_bytes(b"abc")
    with pytest.raises(
        DataError, match=r"4\.bin: 3 bytes after the header \(from offset 0\), expected a multiple of 5"
    ):
        load(folder)
