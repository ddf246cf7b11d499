"""Every format, on files written by its published layout."""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.data.events import layouts

from shiftlif.data.events import EVENT, read_events
from shiftlif.data.events import prophesee_raw as raw
from shiftlif.errors import DataError

# Ending, writer, rows and columns of the sensor, largest time that the format can say.
FORMATS = {
    "aedat2 dvs128": (".aedat", layouts.aedat2_dvs128, (128, 128), 2**32 - 1),
    "aedat2 davis": (".aedat", layouts.aedat2_davis, (180, 240), 2**32 - 1),
    "aedat31": (".aedat", layouts.aedat31, (128, 128), 2**40),
    "aedat4": (".aedat4", layouts.aedat4, (260, 346), 2**51),
    "nmnist": (".bin", layouts.nmnist_bin, (34, 34), 10**6),
    "dat": (".dat", layouts.prophesee_dat, (720, 1280), 2**32 - 1),
    "evt2": (".raw", layouts.evt2, (480, 640), 2**34 - 1),
    "evt3": (".raw", layouts.evt3, (720, 1280), 2**24 - 1),
    "numpy": (".npy", layouts.numpy_events, (200, 300), 2**52),
}
ROWS = [
    (0, 3, 7, 1),
    (5, 33, 0, 0),
    (5, 34 - 1, 1, 1),
    (4097, 0, 33, 0),
    (9000, 1, 2, 1),
    (9000, 2, 2, 1),
    (9000, 4, 2, 1),
]


def write(folder, kind, rows, change=lambda content: content):
    ending, writer, _, _ = FORMATS[kind]
    path = folder / f"x{ending}"
    path.write_bytes(change(writer(rows)))
    return path


def rows_of(recording):
    return [tuple(int(v) for v in event) for event in recording.events]


@st.composite
def rows_for(draw, kind):
    _, _, (height, width), latest = FORMATS[kind]
    count = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    times = np.sort(rng.integers(0, draw(st.sampled_from([3, 9000, latest])) + 1, count)).tolist()
    pixels = rng.integers(0, (width, height, 2), (count, 3)).tolist()
    return [(t, *pixel) for t, pixel in zip(times, pixels, strict=True)]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_event_comes_back_as_it_was_written(kind, tmp_path):
    recording = read_events(write(tmp_path, kind, ROWS))
    assert recording.events.dtype == EVENT
    assert rows_of(recording) == ROWS


@pytest.mark.parametrize("kind", FORMATS)
def test_any_recording_comes_back(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")

    @settings(max_examples=40, deadline=None)
    @given(rows_for(kind))
    def check(rows):
        assert rows_of(read_events(write(folder, kind, rows))) == rows

    check()


def test_sensors_are_as_large_as_the_files_say(tmp_path):
    sizes = {kind: read_events(write(tmp_path, kind, ROWS)).size for kind in FORMATS}
    unknown = {"nmnist", "numpy", "aedat31"}
    assert sizes == {kind: None if kind in unknown else FORMATS[kind][2] for kind in FORMATS}
    assert read_events(write(tmp_path, "nmnist", ROWS)).reach == (34, 34)


def test_dvs128_addresses_are_decoded_bit_by_bit(tmp_path):
    path = tmp_path / "x.aedat"
    # 0x0503: bits 8 to 14 are 5, bits 1 to 7 are 1, bit 0 is set (darker); 0x7F00: 127 and 0, brighter.
    path.write_bytes(layouts.AEDAT2_HEADER + bytes.fromhex("0000050300000064" + "00007F00000F4240"))
    assert rows_of(read_events(path)) == [(100, 126, 122, 0), (1_000_000, 127, 0, 1)]


def test_nmnist_events_are_forty_bits_and_row_240_moves_the_clock(tmp_path):
    path = tmp_path / "x.bin"
    # x 3, y 7, brighter, time 0x001203; overflow; x 233, y 173, darker, time 1.
    path.write_bytes(bytes([3, 7, 0x80, 0x12, 0x03, 0, 240, 0, 0, 0, 233, 173, 0x00, 0x00, 0x01]))
    assert rows_of(read_events(path)) == [(0x1203, 3, 7, 1), (8193, 233, 173, 0)]


def test_davis_frames_and_motion_samples_are_left_out(tmp_path):
    extra = struct.pack(">IIII", 0x8000_0000, 1, 0x0000_0400, 2)
    path = write(tmp_path, "aedat2 davis", ROWS, lambda content: content + extra)
    assert rows_of(read_events(path)) == ROWS


def test_aedat31_leaves_out_events_that_are_not_valid_and_adds_the_overflow(tmp_path):
    events = struct.pack("<IIII", 5 << 17 | 6 << 2 | 1 << 1 | 1, 7, 9 << 17 | 1 << 2, 8)
    path = tmp_path / "x.aedat"
    path.write_bytes(layouts.AEDAT31_HEADER + layouts.aedat31_packet(1, events, 8, overflow=1))
    assert rows_of(read_events(path)) == [(2**31 + 7, 5, 6, 1)]


def test_evt2_words_are_decoded_bit_by_bit(tmp_path):
    path = tmp_path / "x.raw"
    header = b"% evt 2.0\n% end\n"
    # Time high 2 (128 us); an ON event, 3 us more, column 5, row 9.
    path.write_bytes(header + struct.pack("<II", 0x8000_0002, 0x10C0_2809))
    assert rows_of(read_events(path)) == [(131, 5, 9, 1)]


def test_evt3_vectors_are_decoded_bit_by_bit(tmp_path):
    path = tmp_path / "x.raw"
    # Time high 1, low 2; row 9; vector base 100, ON; 12 places with bits 0 and 11; 8 places with bit 7; one more, OFF.
    words = (0x8001, 0x6002, 0x0009, 0x3864, 0x4801, 0x5080, 0x2003)
    path.write_bytes(b"% evt 3.0\n" + struct.pack("<7H", *words))
    assert rows_of(read_events(path)) == [
        (4098, 100, 9, 1),
        (4098, 111, 9, 1),
        (4098, 119, 9, 1),
        (4098, 3, 9, 0),
    ]


def test_times_go_on_where_a_counter_wraps(tmp_path):
    evt2 = write(tmp_path, "evt2", [(2**34 - 1, 1, 2, 0), (2**34 + 5, 1, 2, 0)])
    assert [t for t, *_ in rows_of(read_events(evt2))] == [2**34 - 1, 2**34 + 5]
    evt3 = write(tmp_path, "evt3", [(2**24 - 1, 1, 2, 0), (2**24 + 5, 1, 2, 0), (2**25 + 2**23, 1, 2, 1)])
    assert [t for t, *_ in rows_of(read_events(evt3))][:2] == [2**24 - 1, 2**24 + 5]
    aedat2 = write(tmp_path, "aedat2 dvs128", [(2**32 - 1, 1, 2, 0), (2**32 + 5, 1, 2, 0)])
    assert [t for t, *_ in rows_of(read_events(aedat2))] == [2**32 - 1, 2**32 + 5]


def test_evt3_without_a_time_or_a_row_sends_nothing(tmp_path):
    path = tmp_path / "x.raw"
    # An event before any time; a time; an event before any row; a vector before any base; a row; an event.
    words = (0x2001, 0x8000, 0x2001, 0x4001, 0x0003, 0x4001, 0x2002)
    path.write_bytes(b"% evt 3.0\n" + struct.pack("<7H", *words))
    assert rows_of(read_events(path)) == [(0, 2, 3, 0)]


@pytest.mark.parametrize("kind", ["evt2", "evt3"])
@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_a_file_decoded_in_pieces_gives_the_same(kind, piece, tmp_path, monkeypatch):
    rng = np.random.default_rng(piece)
    times = np.sort(rng.integers(0, 2**24, 200)).tolist()
    rows = [(t, int(rng.integers(640)), int(rng.integers(3)), int(rng.integers(2))) for t in times]
    rows += [(times[-1], x, 5, 1) for x in (0, 3, 11, 12, 19)]
    path = write(tmp_path, kind, rows)
    whole = rows_of(read_events(path))
    monkeypatch.setattr(raw, "PIECE", piece)
    assert rows_of(read_events(path)) == whole == rows


@pytest.mark.parametrize(
    ("number", "package"), [(1, "lz4.frame"), (2, "lz4.frame"), (3, "zstandard"), (4, "zstandard")]
)
def test_compressed_aedat4_packets_are_read(number, package, tmp_path):
    library = pytest.importorskip(package)
    compress = library.compress if package == "lz4.frame" else library.ZstdCompressor().compress
    path = tmp_path / "x.aedat4"
    path.write_bytes(layouts.aedat4(ROWS, number, compress))
    assert rows_of(read_events(path)) == ROWS
    path.write_bytes(layouts.aedat4(ROWS, number, lambda packet: b"\x01" + compress(packet)))
    with pytest.raises(DataError, match=r"the packet at offset \d+ is damaged"):
        read_events(path)


def test_a_missing_decompressor_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lz4.frame", None)
    path = tmp_path / "x.aedat4"
    path.write_bytes(layouts.aedat4(ROWS, 1))
    with pytest.raises(
        DataError, match=r"needs lz4\.frame, which is not installed: pip install 'shiftlif\[events\]'"
    ):
        read_events(path)


def test_numpy_columns_may_have_the_names_of_other_libraries(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(layouts.numpy_events(ROWS, ("timestamp", "x", "y", "polarity")))
    assert rows_of(read_events(path)) == ROWS
    path.write_bytes(layouts.numpy_events([(t, x, y, 2 * p - 1) for t, x, y, p in ROWS]))
    assert rows_of(read_events(path)) == ROWS


def test_events_that_are_not_in_order_are_sorted_and_equal_times_keep_theirs(tmp_path):
    rows = [(9, 1, 0, 0), (5, 2, 0, 0), (9, 3, 0, 1), (5, 4, 0, 1)]
    recording = read_events(write(tmp_path, "numpy", rows))
    assert rows_of(recording) == [(5, 2, 0, 0), (5, 4, 0, 1), (9, 1, 0, 0), (9, 3, 0, 1)]


DAMAGE = {
    "aedat2 dvs128": (
        lambda c: c[:-3],
        r"x\.aedat: 53 bytes after the header \(from offset 71\), expected a multiple of 8",
    ),
    "aedat31": (lambda c: c[:-3], r"the packet at offset \d+ has 8 bytes, but 5 follow; it is truncated"),
    "aedat4": (lambda c: c[:-3], r"the packet at offset \d+ has \d+ bytes, but \d+ follow; it is truncated"),
    "nmnist": (
        lambda c: c[:-3],
        r"x\.bin: \d+ bytes after the header \(from offset 0\), expected a multiple of 5",
    ),
    "dat": (lambda c: c.replace(b"Version 2", b"Version 1"), "has a header of 5 lines with the version '1'"),
    "evt2": (lambda c: c.replace(b"evt 2.0", b"evt 2.1"), "has the encoding 2.1, expected a header line"),
    "evt3": (lambda c: c[:-1], r"bytes after the header \(from offset \d+\), expected a multiple of 2"),
    "numpy": (lambda c: c[:-3], "x.npy"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_named_with_offset_and_expectation(kind, tmp_path):
    change, message = DAMAGE[kind]
    with pytest.raises(DataError, match=message):
        read_events(write(tmp_path, kind, ROWS, change))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.dat",
            layouts.prophesee_dat(ROWS).replace(b"\x0c\x08", b"\x0e\x08", 1),
            r"are \[14, 8\], expected 0 or 12",
        ),
        ("x.dat", layouts.prophesee_dat([(0, 40, 0, 0)], width=34), "has x = 40, expected 0 to 33"),
        ("x.raw", b"% date 1\n\x00\x00", "has the encoding none"),
        (
            "x.raw",
            b"% evt 3.0\n" + struct.pack("<4H", 0x8000, 0, 0x3FFF, 0x4800),
            "has x = 2058, expected 0 to 2047",
        ),
        ("x.raw", b"% evt 3.0\n\x00\x00", "holds no event of a pixel"),
        ("x.bin", b"", "0 bytes after the header"),
        ("x.bin", bytes([0, 240, 0, 0, 0]), "holds no event of a pixel"),
        ("x.aedat", b"#!AER-DAT3.0\r\n", r"begins with b'#!AER-DAT3\.0', expected '#!AER-DAT2\.0'"),
        (
            "x.aedat",
            layouts.AEDAT2_HEADER + b"# AEChip: x.Tmpdiff64\r\n" + bytes(8),
            "is of the chip 'x.Tmpdiff64'",
        ),
        ("x.aedat", layouts.AEDAT2_HEADER + b"# AEChip: x.Davis999\r\n" + bytes(8), "is of a DAVIS999"),
        ("x.aedat", layouts.AEDAT31_HEADER, "holds no packet of polarity events"),
        ("x.aedat", layouts.AEDAT2_HEADER[:-2], r"25 bytes after the header \(from offset 44\)"),
        ("x.aedat", layouts.AEDAT31_HEADER.replace(b"RAW", b"PNG"), "has the format 'PNG'"),
        (
            "x.aedat",
            layouts.AEDAT31_HEADER + layouts.aedat31_packet(1, bytes(8), 8, capacity=0),
            "1 events of 0",
        ),
        (
            "x.aedat4",
            b"#!AER-DAT4.0\r\n\x08\0\0\0",
            "the header at offset 14 is damaged: its size is 8, but 0 bytes follow",
        ),
        ("x.aedat4", layouts.aedat4([]), "holds no packet of events"),
        ("x.aedat4", layouts.aedat4(ROWS, compression=9), "has compression 9, expected 0 to 4"),
        (
            "x.npy",
            layouts.numpy_events(ROWS, ("t", "x", "y", "q")),
            "has the columns t, x, y, q; expected one of p, pol",
        ),
        ("x.npy", layouts.numpy_events([(0, 1, 1, 3)]), "event 0 .* has p = 3, expected 0 to 1"),
        ("x.png", b"\x89PNG", r"begins with b'\\x89PNG' and ends in '\.png', expected AEDAT"),
        ("x.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file of many recordings"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_reason(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_events(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.bin: cannot be read"):
        read_events(tmp_path / "none.bin")


@pytest.mark.parametrize("kind", FORMATS)
def test_altered_bytes_are_refused_or_give_valid_events(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    content = FORMATS[kind][1](ROWS)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=8),
        st.integers(0, len(content)),
        st.binary(max_size=20),
    )
    @example([], 0, b"")
    def check(edits, end, tail):
        altered = bytearray(content)
        for at, value in edits:
            altered[at] = value
        path = folder / f"x{FORMATS[kind][0]}"
        path.write_bytes(bytes(altered[:end]) + tail)
        try:
            recording = read_events(path)
        except DataError:
            return
        assert len(recording) > 0
        assert np.all(np.diff(recording.events["t"]) >= 0)
        assert recording.events["p"].max() <= 1
        assert recording.events["y"].max() < recording.reach[0]
        assert recording.events["x"].max() < recording.reach[1]

    check()
