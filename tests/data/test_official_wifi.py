"""WiFi sets, on small files of the official layouts."""

import sys

import h5py
import numpy as np
import pytest

from shiftlif.data import load
from shiftlif.errors import DataError

scipy_io = pytest.importorskip("scipy.io")
pytestmark = pytest.mark.filterwarnings("ignore:data set .* holds .* samples")


def _write_aril(folder, train=12, test=6):
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, first in (("train", train, 0), ("test", test, 100)):
        data = np.zeros((count, 52, 192)) + np.arange(first, first + count)[:, None, None]
        data[:, 3, 7] += 0.5
        labels = (np.arange(count) % 6)[:, None].astype(np.uint8)
        content = {
            f"{name}_data": data,
            f"{name}_activity_label": labels,
            f"{name}_location_label": labels * 0,
        }
        scipy_io.savemat(folder / f"{name}_data_split_amp.mat", content)


def test_aril_keeps_values_labels_and_the_official_halves(official):
    _write_aril(official("aril") / "data")
    data = load("aril", protocol="soul")
    assert data.x_train.shape == (12, 52, 192)
    assert data.x_train[4, 3, 7] == 4.5
    assert data.x_train[4, 0, 0] == 4.0
    assert data.x_test[:, 0, 0].tolist() == [100, 101, 102, 103, 104, 105]
    assert data.y_train.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert data.classes[5] == "hand cross"
    assert data.front_end == {"name": "none"}


def test_soul_chooses_on_the_test_part_and_says_so(official):
    _write_aril(official("aril"))
    data = load("aril", protocol="soul")
    np.testing.assert_array_equal(data.x_val, data.x_test)
    assert "protocol soul: the test part is also the validation part" in data.source


def test_ours_takes_validation_out_of_training_and_leaves_the_test_part_alone(official):
    _write_aril(official("aril"))
    data = load("aril", val_fraction=0.5)
    values = [set(part[:, 0, 0].tolist()) for part in (data.x_train, data.x_val, data.x_test)]
    assert values[0] | values[1] == set(range(12))
    assert not values[0] & values[1]
    assert values[2] == {100, 101, 102, 103, 104, 105}
    assert len(data.y_val) == 6
    assert load("aril", val_fraction=0.5, split_seed=3).y_test.tolist() == data.y_test.tolist()


def test_a_damaged_or_different_mat_file_is_named(official):
    folder = official("aril")
    _write_aril(folder)
    path = folder / "test_data_split_amp.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"test_data_split_amp\.mat: cannot be read as a MATLAB file"):
        load("aril")
    scipy_io.savemat(path, {"test_data": np.zeros((2, 52, 30)), "test_activity_label": np.zeros((2, 1))})
    with pytest.raises(
        DataError, match=r"test_data is float64 \(2, 52, 30\), expected numbers \[N, 52, 192\]"
    ):
        load("aril")
    scipy_io.savemat(path, {"something": np.zeros(2)})
    with pytest.raises(DataError, match="holds no array test_data"):
        load("aril")
    scipy_io.savemat(path, {"test_data": np.zeros((1, 52, 192)), "test_activity_label": [[6]]})
    with pytest.raises(DataError, match="label 6, expected 0 to 5"):
        load("aril")
    path.unlink()
    with pytest.raises(DataError, match=r"test_data_split_amp\.mat is missing"):
        load("aril")


def test_missing_scipy_is_named(official, monkeypatch):
    _write_aril(official("aril"))
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DataError, match="pip install scipy"):
        load("aril")


def _write_ut_har(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "label").mkdir()
    for name, count, first in (("train", 14, 0), ("val", 7, 50), ("test", 7, 100)):
        x = np.zeros((count, 250, 90), np.float32) + np.arange(first, first + count)[:, None, None]
        x[:, 249, 1] = -1
        with (folder / "data" / f"X_{name}.csv").open("wb") as stream:
            np.save(stream, x)
        with (folder / "label" / f"y_{name}.csv").open("wb") as stream:
            np.save(stream, np.arange(count) % 7)


def test_ut_har_reads_numpy_arrays_under_csv_names_with_time_last(official):
    _write_ut_har(official("ut_har") / "UT_HAR")
    data = load("ut_har")
    assert data.sample_shape == (90, 250)
    assert data.x_train[3, 1, 249] == -1
    assert data.x_train[3, 1, 248] == 3
    assert (len(data.y_train), len(data.y_val), len(data.y_test)) == (14, 7, 7)
    assert data.x_val[:, 0, 0].tolist() == [50, 51, 52, 53, 54, 55, 56]
    assert data.classes[:3] == ("lie down", "fall", "walk")


def test_ut_har_under_soul_tests_on_validation_and_test(official):
    _write_ut_har(official("ut_har"))
    data = load("ut_har", protocol="soul")
    assert (len(data.y_train), len(data.y_test)) == (14, 14)
    assert data.x_test[:, 0, 0].tolist() == [*range(50, 57), *range(100, 107)]


def test_ut_har_refuses_text_and_other_shapes(official):
    folder = official("ut_har")
    _write_ut_har(folder)
    np.save(folder / "label" / "y_val.npy", np.array([0.5] * 7))
    (folder / "label" / "y_val.npy").rename(folder / "label" / "y_val.csv")
    with pytest.raises(DataError, match=r"y_val\.csv: labels are float64"):
        load("ut_har")
    (folder / "data" / "X_val.csv").write_text("1,2,3\n")
    with pytest.raises(DataError, match=r"X_val\.csv: is not a NumPy file"):
        load("ut_har")


def _write_humans(folder, persons=14):
    for half, count, first in (("train_amp", 2, 0), ("test_amp", 1, 50)):
        for person in range(persons):
            place = folder / half / f"{person + 1:03d}"
            place.mkdir(parents=True)
            for i in range(count):
                amplitude = np.full((342, 2000), 1000 * person + first + i, np.int16)
                amplitude[:, 8] = -5
                scipy_io.savemat(place / f"a{i}.mat", {"CSIamp": amplitude}, do_compression=True)


def test_fi_humanid_keeps_every_fourth_packet_of_342_channels(official):
    _write_humans(official("fi_humanid") / "NTU-Fi-HumanID")
    data = load("fi_humanid", protocol="soul")
    assert data.x_train.shape == (28, 342, 500)
    assert data.x_test.shape == (14, 342, 500)
    assert data.x_train[0, 0, :4].tolist() == [0, 0, -5, 0]
    assert data.x_test[13, 341, 499] == 13050
    assert data.y_test.tolist() == list(range(14))
    assert data.classes[0] == "001"
    again = load("fi_humanid")
    assert len(again.y_train) + len(again.y_val) == 28
    assert set(again.y_train.tolist()) == set(range(14))


def test_fi_humanid_names_missing_persons_and_recordings(official):
    folder = official("fi_humanid")
    _write_humans(folder)
    (folder / "test_amp" / "014" / "a0.mat").unlink()
    with pytest.raises(DataError, match=r"014: holds no \.mat file"):
        load("fi_humanid")
    (folder / "test_amp" / "014").rmdir()
    with pytest.raises(DataError, match=r"the folder 014 is missing \(1 of 14"):
        load("fi_humanid")
    (folder / "train_amp" / "extra").mkdir()
    with pytest.raises(DataError, match="holds 15 person folders, expected 14"):
        load("fi_humanid")


def _save_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name] = value


def _write_bully(folder, shape=(90, 1000)):
    for half, count in (("train", 14), ("test", 7)):
        (folder / half).mkdir(parents=True, exist_ok=True)
        names = [f"p1_{half}_{i}" for i in range(count)]
        (folder / f"{half}_list.csv").write_text("file\n" + "\n".join(names) + "\n")
        for i, name in enumerate(names):
            amplitude = np.full(shape, 100.0 * i)
            amplitude[0, :4] = [1, 2, 3, 6]
            _save_hdf5(folder / half / f"{name}.h5", amp=amplitude, label=np.array([1 + i % 7]))


def test_bullydetect_averages_four_packets_and_counts_labels_from_one(official):
    _write_bully(official("bullydetect"))
    data = load("bullydetect", protocol="soul")
    assert data.x_train.shape == (14, 90, 250)
    assert data.x_train[2, 0, 0] == 3.0
    assert data.x_train[2, 0, 1] == 200.0
    assert data.y_test.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert data.classes[6] == "hitting with a stick"


def test_bullydetect_explains_what_was_assumed(official):
    folder = official("bullydetect")
    with pytest.raises(DataError, match="ASSUMED from the loader in"):
        load("bullydetect")
    _write_bully(folder, shape=(60, 1000))
    with pytest.raises(
        DataError, match=r"shape \(60, 1000\).*expected \(90, 1000\).*taken from the authors' code"
    ):
        load("bullydetect")
    (folder / "train" / "p1_train_0.h5").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"p1_train_0\.h5: cannot be read as HDF5"):
        load("bullydetect")
    (folder / "train" / "p1_train_0.h5").unlink()
    with pytest.raises(DataError, match=r"p1_train_0\.h5 is missing, expected .* train_list\.csv names"):
        load("bullydetect")
    (folder / "train_list.csv").write_text("name\nx\n")
    with pytest.raises(DataError, match=r"columns \['name'\], expected one named file"):
        load("bullydetect")


def test_missing_h5py_is_named(official, monkeypatch):
    _write_bully(official("bullydetect"))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"pip install .shiftlif\[hdf5\]"):
        load("bullydetect")
