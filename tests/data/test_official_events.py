"""CIFAR10-DVS and N-Caltech101, on hand-written bytes."""

import numpy as np
import pytest

from shiftlif.data import load
from shiftlif.data.official.event_sets import CIFAR_CLASSES
from shiftlif.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:data set .* holds .* samples")
HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# Timestamps tick is 1 us\r\n"


def _pair(x, y, polarity, time):
    return ((127 - x) << 8 | (127 - y) << 1 | (1 - polarity)).to_bytes(4, "big") + time.to_bytes(4, "big")


def _write_cifar(folder, count=12):
    for c, name in enumerate(CIFAR_CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            events = [
                _pair(4 * c, 4 * i, 1, 1000),
                *[_pair(127, 127, 0, 1000 + 100 * k) for k in range(1, 13)],
            ]
            (folder / name / f"cifar10_{name}_{i}.aedat").write_bytes(HEADER + b"".join(events))


def test_cifar10_dvs_becomes_frames_and_its_last_tenth_tests(official):
    _write_cifar(official("cifar10_dvs"))
    data = load("cifar10_dvs")
    assert data.temporal
    assert data.x_train.shape[1:] == (4, 2, 32, 32)
    assert data.y_test.tolist() == list(range(10))
    rows = [int(np.argmax(x[0, 1].max(axis=1))) for x in data.x_test]
    assert rows == [11] * 10  # file 11, after file 10 and not after file 1
    assert data.test_files[3] == "cat/cifar10_cat_11.aedat"
    columns = [int(np.argmax(x[0, 1].max(axis=0))) for x in data.x_test]
    assert columns == list(range(10))
    assert data.x_test[0, :, 0, 31, 31].tolist() == [3, 3, 3, 3]
    assert data.x_test[0, :, 1].sum() == 1
    seen = {int(np.argmax(x[0, 1].max(axis=1))) for x in np.concatenate([data.x_train, data.x_val])}
    assert seen == set(range(11))


def test_cifar10_dvs_takes_any_number_of_frames_and_keeps_every_event(official):
    _write_cifar(official("cifar10_dvs"), count=3)
    for frames in (1, 7, 60):
        data = load("cifar10_dvs", frames=frames, protocol="soul")
        assert data.frames == frames
        assert data.x_train[0].sum() == 13
    with pytest.raises(DataError, match="frames is 61, expected 1 to 60"):
        load("cifar10_dvs", frames=61)


def test_cifar10_dvs_names_missing_classes_and_damaged_recordings(official):
    folder = official("cifar10_dvs")
    _write_cifar(folder, count=2)
    (folder / "cat" / "cifar10_cat_1.aedat").write_bytes(HEADER + bytes(9))
    with pytest.raises(DataError, match=r"cifar10_cat_1\.aedat: 9 bytes after the header"):
        load("cifar10_dvs")
    for path in (folder / "cat").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"cat: holds no \.aedat file"):
        load("cifar10_dvs")
    (folder / "cat").rmdir()
    with pytest.raises(DataError, match=r"the folder cat is missing \(1 of 10"):
        load("cifar10_dvs")


def _write_caltech(folder, classes=101, count=3):
    names = ["accordion", "BACKGROUND_Google", *(f"object_{c:03d}" for c in range(classes - 2))]
    for c, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            rows = [c, 6 * i, 0x80, 0, 0, 239, 179, 0, 1, 0]
            (folder / name / f"image_{i + 1:04d}.bin").write_bytes(bytes(rows))
    return names


def test_n_caltech101_adds_up_blocks_of_six_pixels(official):
    names = _write_caltech(official("n_caltech101") / "Caltech101")
    data = load("n_caltech101", protocol="soul")
    assert data.x_test.shape == (101, 4, 2, 30, 40)
    assert data.classes == tuple(sorted(names))
    assert data.x_test[:, 3, 0, 29, 39].tolist() == [1] * 101
    by_name = {data.classes[y]: x for x, y in zip(data.x_test, data.y_test, strict=True)}
    assert int(np.argmax(by_name["object_010"][0, 1].max(axis=0))) == 2  # column 12
    ours = load("n_caltech101")
    assert set(ours.y_train.tolist()) == set(range(101))
    assert len(ours.y_test) == 101


def test_n_caltech101_wants_all_classes(official):
    _write_caltech(official("n_caltech101"), classes=100, count=1)
    with pytest.raises(DataError, match=r"100 folders hold \.bin files, expected 101"):
        load("n_caltech101")
