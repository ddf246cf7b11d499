import io

import numpy as np
import pytest

from shiftlif.data import read_samples
from shiftlif.errors import DataError

X = np.arange(24, dtype=np.float32).reshape(4, 2, 3)


def lines(array):
    return "\n".join(",".join(str(value) for value in row) for row in array)


@pytest.mark.parametrize("kind", ["npy", "npz", "npz_one", "flat", "rows", "stream"])
def test_every_form_gives_the_same_samples(tmp_path, kind):
    path = tmp_path / f"x.{'npz' if kind.startswith('npz') else 'npy' if kind == 'npy' else 'csv'}"
    flat = lines(X.reshape(4, 6))
    if kind == "npy":
        np.save(path, X.astype(np.float16))
    elif kind.startswith("npz"):
        np.savez(path, **({"x": X, "y": np.zeros(4)} if kind == "npz" else {"signals": X}))
    else:
        path.write_text("a,b\n" + lines(X.swapaxes(1, 2).reshape(12, 2)) if kind == "rows" else flat)
    source = io.StringIO(flat) if kind == "stream" else str(path)
    read = read_samples(source, (2, 3))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, X)


def test_one_sample_may_come_without_the_first_axis(tmp_path):
    np.save(tmp_path / "x.npy", X[0])
    np.testing.assert_array_equal(read_samples(tmp_path / "x.npy", (2, 3)), X[:1])


@pytest.mark.parametrize("shape", [(5, 8), (8,), (5, 1, 8), (1, 8)])
def test_a_single_channel_axis_may_be_left_out(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    assert read_samples(tmp_path / "x.npy", (1, 8)).shape[1:] == (1, 8)


def test_images_come_flattened_from_csv():
    assert read_samples(io.BytesIO(b"1,2,3,4\n5,6,7,8\n"), (1, 2, 2)).tolist() == [
        [[[1, 2], [3, 4]]],
        [[[5, 6], [7, 8]]],
    ]


def test_one_time_step_reads_the_same_under_both_rules():
    assert read_samples(io.StringIO("1,2\n3,4"), (2, 1)).tolist() == [[[1], [2]], [[3], [4]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3\n", r"3 columns, expected 2 \(channels; 3 rows, .*, or 6 \(one sample of shape \(2, 3\) per"),
        ("1,2\n3,4\n", "2 rows, expected a multiple of 3"),
        ("1,2,3,4,5,x\n", "column 6: 'x' is not a number"),
        ("", "is empty"),
    ],
)
def test_csv_of_another_form_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        read_samples(io.StringIO(content), (2, 3))


def test_arrays_of_another_form_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 3, 2)))
    with pytest.raises(DataError, match=r"has shape \(4, 3, 2\), expected \[N, 2, 3\]"):
        read_samples(tmp_path / "a.npy", (2, 3))
    np.save(tmp_path / "a.npy", np.zeros((0, 2, 3)))
    with pytest.raises(DataError, match="holds no sample"):
        read_samples(tmp_path / "a.npy", (2, 3))
    np.save(tmp_path / "a.npy", np.where(np.arange(4)[:, None, None] == 2, np.nan, X))
    with pytest.raises(DataError, match=r"sample 2 \(.*NaN"):
        read_samples(tmp_path / "a.npy", (2, 3))
    np.savez(tmp_path / "a.npz", u=X, v=X)
    with pytest.raises(DataError, match="holds u, v; expected an array x"):
        read_samples(tmp_path / "a.npz", (2, 3))
    with pytest.raises(DataError, match="sample shape"):
        read_samples(tmp_path / "a.npz", (2, 0))
    with pytest.raises(DataError, match=r"expected a \.npy"):
        read_samples(tmp_path / "a.parquet", (2, 3))


def test_pickled_content_is_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=trap)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match="never unpickled"):
            read_samples(tmp_path / name, (2, 3))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04cut"])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_files_that_are_no_arrays_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read_samples(tmp_path / name, (2, 3))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_no_message_recommends_unsafe_loading(tmp_path, name):
    for content in (b"not an array", b"", b"\x93NUMPY\x01\x00cut"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_samples(tmp_path / name, (2, 3))
        assert "pickle" not in str(caught.value)
    (tmp_path / name).write_bytes(b"not an array")
    with pytest.raises(DataError, match="is not a NumPy file; save numeric arrays"):
        read_samples(tmp_path / name, (2, 3))


def test_a_wrong_suffix_or_a_missing_file_is_named(tmp_path):
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"single \.npy array"):
        read_samples(tmp_path / "a.npz", (2, 3))
    with pytest.raises(DataError, match="no such file"):
        read_samples(tmp_path / "gone.npy", (2, 3))
