import io
import os
from pathlib import Path

import numpy as np
import pytest

from shiftlif.data import read_csv, read_csv_windows
from shiftlif.errors import DataError


def write(tmp_path, content):
    path = tmp_path / "window.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_rows_become_time_and_columns_channels(tmp_path):
    windows = read_csv_windows(write(tmp_path, "1,10\n2,20\n3,30\n4,40\n"), 2)
    assert windows.dtype == np.float32
    assert windows.tolist() == [[[1, 2], [10, 20]], [[3, 4], [30, 40]]]


def test_a_header_line_names_the_columns(tmp_path):
    table = read_csv(write(tmp_path, 'ax,"ay"\n1,2\n'))
    assert table.columns == ("ax", "ay")
    assert table.values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "content", ["1, 2\r\n3,-4e0\r\n", "\ufeff1,2\n3,-4\n", "\n1,2\n\n3,-4", " 1 ,2\n3,-4.0\n\n"]
)
def test_line_ends_blanks_and_byte_order_mark_do_not_matter(tmp_path, content):
    assert read_csv(write(tmp_path, content)).values.tolist() == [[1, 2], [3, -4]]


def test_text_and_byte_streams_read_like_files():
    assert read_csv(io.StringIO("1,2\n")).values.tolist() == [[1, 2]]
    assert read_csv(io.BytesIO(b"\xef\xbb\xbf1,2\n")).values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "header line only"),
        (",a\n0,1\n", "header column 1 has no name.*index=False"),
        ("1,2\n3\n", "line 2: 1 columns, expected 2"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 columns, expected 2"),
        ("a,b\n1,2,3\n", "line 2: 3 columns, expected 2"),
        ("1,2\n3,x\n", "line 2, column 2: 'x' is not a number"),
        ("1,2\n,4\n", "line 2, column 1: the cell is empty"),
        ("1,2\n1_0,4\n", "line 2, column 1: '1_0'"),
        ("1,a\n2,3\n", "line 1, column 2: 'a'"),
        ("a;b\n1;2\n", "line 2, column 1: '1;2'.*separate cells by commas"),
        ("1,2\n3,nan\n", "line 2, column 2: nan is not a finite"),
        ("a,b\n1,2\n-inf,3\n", "line 3, column 1: -inf"),
        ("1,1e39\n", "line 1, column 2: 1e\\+39"),
        (b"1,\xff\n", "not UTF-8"),
    ],
)
def test_an_error_names_file_line_and_column(tmp_path, content, message):
    with pytest.raises(DataError, match=rf"window\.csv.*{message}"):
        read_csv(write(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: cannot be read"):
        read_csv(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (2, "3 rows, expected a multiple of 2 time steps; remove 1 or add 1 rows"),
        (64, "3 rows, expected a multiple of 64 time steps; add 61 rows"),
        (0, "window is 0, expected at least 1"),
    ],
)
def test_rows_that_do_not_fill_windows_are_refused_with_what_would_fill_them(tmp_path, window, message):
    with pytest.raises(DataError, match=message):
        read_csv_windows(write(tmp_path, "1\n2\n3\n"), window)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "x.csv").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"x\.csv: is a device, expected a file"):
        read_csv(tmp_path / "x.csv")
    with open("/dev/zero", "rb") as stream, pytest.raises(DataError, match="is a device"):
        read_csv(stream)


def test_a_pipe_is_read_like_a_file():
    reader, writer = os.pipe()
    os.write(writer, b"1,2\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        assert read_csv(stream).values.tolist() == [[1, 2]]


def test_a_header_that_comes_again_is_skipped_and_another_one_is_not(tmp_path):
    (tmp_path / "joined.csv").write_text("x,y\n1,2\nx,y\n\n3,4\nx,y\n")
    table = read_csv(tmp_path / "joined.csv")
    assert table.columns == ("x", "y")
    assert table.values.tolist() == [[1, 2], [3, 4]]
    (tmp_path / "other.csv").write_text("x,y\n1,2\ny,x\n3,4\n")
    with pytest.raises(DataError, match="line 3, column 1: 'y' is not a number"):
        read_csv(tmp_path / "other.csv")
