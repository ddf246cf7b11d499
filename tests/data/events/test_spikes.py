"""Spikes in HDF5, written as the authors of the Spiking Heidelberg Digits describe."""

import numpy as np
import pytest
from tests.data.events.spikes import written

from shiftlif.data.events import Binning, event_frames, read_spikes
from shiftlif.errors import DataError

h5py = pytest.importorskip("h5py")


TIMES, UNITS = [[0.0, 0.25, 0.5], [0.125]], [[3, 699, 3], [0]]


def test_every_recording_comes_back_with_its_class_and_speaker(tmp_path):
    found = read_spikes(written(tmp_path / "shd.h5", TIMES, UNITS))
    assert [r.events["t"].tolist() for r in found.recordings] == [[0, 250_000, 500_000], [125_000]]
    assert [r.events["x"].tolist() for r in found.recordings] == UNITS
    assert found.recordings[0].size == (1, 700)
    assert found.labels.tolist() == [1, 0]
    assert found.classes == ("null", "eins")
    assert found.speakers.tolist() == [4, 7]
    frames = event_frames(found.recordings[0], Binning(frames=2, by="count"))
    assert frames.shape == (2, 2, 1, 700)
    assert frames[:, 1, 0, 3].tolist() == [1, 1]


def test_without_names_labels_are_the_names(tmp_path):
    found = read_spikes(written(tmp_path / "x.h5", TIMES, UNITS, keys=()))
    assert found.classes == ("0", "1")
    assert found.speakers is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": [[3, 700, 3], [0]]}, r"x\.h5, recording 0: event 1 .* has x = 700, expected 0 to 699"),
        ({"units": [[3], [0]]}, r"recording 0: has times float16 \(3,\) and units uint16 \(1,\)"),
        ({"times": [[0, 1, np.inf], [0]]}, "recording 0: holds times that are no seconds"),
        ({"times": [[], [0]], "units": [[], [0]]}, "recording 0: holds no event"),
        ({"labels": (1, 2)}, "labels reach from 1 to 2 for 2 classes"),
        ({"labels": (1,)}, "2 arrays of times, 2 of units and 1 labels"),
        ({"speakers": (4,)}, "1 speakers for 2 labels, expected one for each"),
    ],
)
def test_what_is_wrong_is_named(change, message, tmp_path):
    path = written(tmp_path / "x.h5", **{"times": TIMES, "units": UNITS, **change})
    with pytest.raises(DataError, match=message):
        read_spikes(path)


def test_a_damaged_or_foreign_file_is_named(tmp_path):
    path = written(tmp_path / "x.h5", TIMES, UNITS)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"x\.h5: cannot be read as HDF5"):
        read_spikes(path)
    with h5py.File(path, "w") as file:
        file["labels"] = [1]
    with pytest.raises(DataError, match="has no spikes/times, expected"):
        read_spikes(path)


def test_altered_bytes_are_refused_or_give_recordings(tmp_path):
    path = written(tmp_path / "x.h5", TIMES, UNITS)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        altered = np.frombuffer(content, np.uint8).copy()
        altered[rng.integers(0, len(content), 8)] = rng.integers(0, 256, 8)
        path.write_bytes(altered.tobytes())
        try:
            assert len(read_spikes(path).recordings) > 0
        except DataError:
            refused += 1
    assert refused > 0
