"""CIFAR10-DVS and N-Caltech101, on hand-written bytes."""

import numpy as np
import pytest

from shiftlif.data import load
from shiftlif.data.official.event_files import Events, bin_events, read_aedat2, read_atis
from shiftlif.data.official.event_sets import CIFAR_CLASSES
from shiftlif.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:data set .* holds .* samples")
HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# Timestamps tick is 1 us\r\n"


def test_aedat_addresses_are_decoded_bit_by_bit(tmp_path):
    path = tmp_path / "x.aedat"
    # 0x0503: bits 8 to 14 are 5, bits 1 to 7 are 1, bit 0 is set (darker); 0x7F00: 127 and 0, brighter.
    path.write_bytes(HEADER + bytes.fromhex("00000503 00000064 00007F00 000F4240".replace(" ", "")))
    events = read_aedat2(path)
    assert events.time.tolist() == [100, 1_000_000]
    assert events.x.tolist() == [122, 0]
    assert events.y.tolist() == [126, 127]
    assert events.polarity.tolist() == [0, 1]


def test_aedat_marks_are_left_out_and_damage_is_named(tmp_path):
    path = tmp_path / "x.aedat"
    path.write_bytes(HEADER + bytes.fromhex("0000800000000001" + "0000000000000002"))
    assert read_aedat2(path).time.tolist() == [2]
    path.write_bytes(HEADER + bytes.fromhex("0000800000000001"))
    with pytest.raises(DataError, match="holds no event of a pixel"):
        read_aedat2(path)
    path.write_bytes(HEADER + bytes(12))
    with pytest.raises(DataError, match=r"x\.aedat: 12 bytes after the header, expected a multiple of 8"):
        read_aedat2(path)
    path.write_bytes(HEADER[:-2])
    with pytest.raises(DataError, match="0 bytes after the header"):
        read_aedat2(path)
    path.write_bytes(b"#!AER-DAT3.1\r\n" + bytes(16))
    with pytest.raises(DataError, match=r"begins with b'#!AER-DAT3\.1', expected '#!AER-DAT2\.0'"):
        read_aedat2(path)


def test_atis_events_are_forty_bits_and_row_240_moves_the_clock(tmp_path):
    path = tmp_path / "x.bin"
    # x 3, y 7, brighter, time 0x010203; overflow; x 233, y 173, darker, time 1.
    path.write_bytes(bytes([3, 7, 0x81, 0x02, 0x03, 0, 240, 0, 0, 0, 233, 173, 0x00, 0x00, 0x01]))
    events = read_atis(path)
    assert events.time.tolist() == [0x010203, 8192 + 1]
    assert events.x.tolist() == [3, 233]
    assert events.y.tolist() == [7, 173]
    assert events.polarity.tolist() == [1, 0]
    path.write_bytes(bytes(7))
    with pytest.raises(DataError, match=r"x\.bin: 7 bytes, expected a multiple of 5"):
        read_atis(path)
    path.write_bytes(bytes([0, 240, 0, 0, 0]))
    with pytest.raises(DataError, match="holds no event of a pixel"):
        read_atis(path)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_atis(path)


def test_events_are_counted_once_in_equal_spans_of_time(tmp_path):
    events = Events(*(np.array(v) for v in ([50, 50, 59, 149], [0, 1, 2, 3], [0, 1, 0, 3], [1, 1, 0, 0])))
    counts = bin_events(tmp_path, events, bins=10, height=4, width=4, block=2)
    assert counts.shape == (10, 2, 2, 2)
    assert counts.dtype == np.uint16
    assert counts.sum() == 4
    assert counts[0].tolist() == [
        [[0, 1], [0, 0]],
        [[2, 0], [0, 0]],
    ]  # times 50 to 59; both first events in one block
    assert counts[9, 0].tolist() == [[0, 0], [0, 1]]
    with pytest.raises(DataError, match="column 3, row 3, expected below 3 and 4"):
        bin_events(tmp_path, events, bins=10, height=4, width=3, block=1)


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
