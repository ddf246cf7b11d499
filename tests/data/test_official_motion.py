"""UCI-HAR and HHAR, on small files of the official layouts."""

import numpy as np
import pytest

from shiftlif.data import load
from shiftlif.data.official.motion import UCI_SIGNALS
from shiftlif.errors import DataError

pytestmark = [
    pytest.mark.filterwarnings("ignore:data set .* holds .* samples"),
    pytest.mark.filterwarnings("ignore:data set hhar. 4 of 6 classes"),
]
UCI = "uci_har_official"
HEADER = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"


def _write_uci(folder):
    for half, subjects in (("train", (1, 3, 5, 6)), ("test", (2, 4))):
        signals = folder / half / "Inertial Signals"
        signals.mkdir(parents=True)
        people = np.repeat(subjects, 6)
        for channel, name in enumerate(UCI_SIGNALS):
            rows = [[10 * channel + n / 100] * 127 + [-1.5] for n in range(len(people))]
            text = "\n".join(" ".join(f"{value: .7e}" for value in row) for row in rows)
            (signals / f"{name}_{half}.txt").write_text(text + "\n")
        (folder / half / f"y_{half}.txt").write_text(
            "\n".join(["1", "2", "3", "4", "5", "6"] * len(subjects))
        )
        (folder / half / f"subject_{half}.txt").write_text("\n".join(map(str, people)))


def test_uci_har_puts_nine_signals_in_their_published_order(official):
    _write_uci(official(UCI) / "UCI HAR Dataset")
    data = load(UCI, protocol="soul")
    assert data.x_train.shape == (24, 9, 128)
    np.testing.assert_allclose(data.x_train[5, :, 0], [10 * c + 0.05 for c in range(9)], rtol=1e-6)
    assert (data.x_train[:, :, 127] == -1.5).all()
    assert data.y_test.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert data.classes == (
        "WALKING",
        "WALKING_UPSTAIRS",
        "WALKING_DOWNSTAIRS",
        "SITTING",
        "STANDING",
        "LAYING",
    )


def test_uci_har_validates_on_whole_subjects(official):
    _write_uci(official(UCI))
    data = load(UCI, val_fraction=0.25, split_seed=1)
    subject = {round(float(x[0, 0]), 2): n // 6 for n, x in enumerate(load(UCI, protocol="soul").x_train)}
    sides = [{subject[round(float(x[0, 0]), 2)] for x in part} for part in (data.x_train, data.x_val)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == {0, 1, 2, 3}
    assert len(data.y_val) == 6
    assert len(data.y_test) == 12


def test_uci_har_names_the_incomplete_file(official):
    folder = official(UCI)
    _write_uci(folder)
    path = folder / "train" / "Inertial Signals" / "body_gyro_y_train.txt"
    whole = path.read_text()
    path.write_text(whole.replace("-1.5", "oops", 1))
    with pytest.raises(DataError, match=r"body_gyro_y_train\.txt: cannot be read as numbers"):
        load(UCI)
    path.write_text("\n".join(line[:-16] for line in whole.splitlines()))
    with pytest.raises(DataError, match=r"body_gyro_y_train\.txt: 127 numbers per line, expected 128"):
        load(UCI)
    path.write_text("\n".join(whole.splitlines()[:-1]))
    with pytest.raises(DataError, match="24 body_gyro_x, 23 body_gyro_y, 24 body_gyro_z"):
        load(UCI)
    path.unlink()
    with pytest.raises(DataError, match=r"body_gyro_y_train\.txt is missing"):
        load(UCI)
    path.write_text(whole)
    (folder / "test" / "y_test.txt").write_text("7\n" * 12)
    with pytest.raises(DataError, match="label 6, expected 0 to 5"):
        load(UCI)


def _write_hhar(folder, users="abcdefghi", rows=192, activities=("bike", "walk"), device="s3_1"):
    lines, index = [HEADER], 0
    for user in users:
        for activity in activities:
            for row in range(rows):
                stamp = 1_424_696_633_908 + 10 * index
                lines.append(
                    f"{index},{stamp},{stamp}000000,{row}.5,{ord(user)},-1.25,{user},s3,{device},{activity}"
                )
                index += 1
    (folder / "Phones_accelerometer.csv").write_text("\n".join(lines) + "\n")


def test_hhar_cuts_half_overlapping_windows_within_user_and_activity(official):
    folder = official("hhar") / "Activity recognition exp"
    folder.mkdir()
    _write_hhar(folder)
    data = load("hhar", val_fraction=0.2)
    assert data.sample_shape == (3, 128)
    everything = np.concatenate([data.x_train, data.x_val, data.x_test])
    assert len(everything) == 9 * 2 * 2  # 192 rows hold windows at 0 and 64
    assert set(everything[:, 0, 0].tolist()) == {0.5, 64.5}
    np.testing.assert_array_equal(everything[0, 0, 1:] - everything[0, 0, :-1], 1)
    assert (everything[:, 2] == -1.25).all()
    assert data.classes == ("bike", "sit", "stairsdown", "stairsup", "stand", "walk")


def test_hhar_leaves_users_out(official):
    _write_hhar(official("hhar"))
    data = load("hhar", val_fraction=0.2)
    users = [{chr(int(x[1, 0])) for x in part} for part in (data.x_train, data.x_val, data.x_test)]
    assert users[2] == {"h", "i"}
    assert not users[0] & users[1]
    assert users[0] | users[1] == set("abcdefg")
    soul = load("hhar", protocol="soul")
    assert {chr(int(x[1, 0])) for x in soul.x_test} - {"h", "i"}
    assert len(soul.y_test) == round(0.2 * 18) * 2


def test_hhar_leaves_out_unlabelled_rows_and_never_bridges_a_pause(official):
    folder = official("hhar")
    _write_hhar(folder, rows=128, activities=("bike", "null", "walk"))
    path = folder / "Phones_accelerometer.csv"
    data = load("hhar", protocol="soul")
    assert len(data.y_train) + len(data.y_test) == 18
    lines = path.read_text().splitlines()
    for i in range(1 + 64, 1 + 128):  # the second half of the first window comes two seconds later
        cells = lines[i].split(",")
        cells[1] = str(int(cells[1]) + 2000)
        lines[i] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    data = load("hhar", protocol="soul")
    assert len(data.y_train) + len(data.y_test) == 17


def test_hhar_is_parsed_once(official, monkeypatch):
    _write_hhar(official("hhar"))
    first = load("hhar")
    monkeypatch.setattr(np, "loadtxt", None)
    np.testing.assert_array_equal(load("hhar").x_train, first.x_train)


def test_hhar_names_what_is_wrong_with_the_table(official):
    folder = official("hhar")
    _write_hhar(folder)
    path = folder / "Phones_accelerometer.csv"
    whole = path.read_text()
    path.write_text(whole.replace("x,y,z", "a,b,c", 1))
    with pytest.raises(DataError, match="line 1: is 'Index,Arrival_Time,Creation_Time,a,b,c"):
        load("hhar")
    path.write_text(whole.replace("0.5,97,-1.25", "0.5,97,oops", 1))
    with pytest.raises(DataError, match=r"Phones_accelerometer\.csv, lines 2 to 3457: could not convert"):
        load("hhar")
    path.write_text(whole.replace(",walk", ",swim", 1))
    with pytest.raises(DataError, match="activity 'swim', expected null, bike"):
        load("hhar")
    path.write_text(HEADER + "\n")
    with pytest.raises(DataError, match="holds a header line only"):
        load("hhar")
    _write_hhar(folder, rows=100)
    with pytest.raises(DataError, match="holds no 128 rows in a row"):
        load("hhar")
