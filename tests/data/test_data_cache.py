import numpy as np
import pytest

from shiftlif.data import cache_folder, cached


@pytest.fixture
def counter(tmp_path, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_CACHE", str(tmp_path / "cache"))
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(4.0)}

    return calls, compute


def test_a_second_call_reads_what_the_first_computed(counter):
    calls, compute = counter
    first = cached("toy", {"a": 1}, compute)
    second = cached("toy", {"a": 1}, compute)
    assert len(calls) == 1
    np.testing.assert_array_equal(first["x"], second["x"])


def test_another_key_is_another_entry(counter):
    calls, compute = counter
    cached("toy", {"a": 1}, compute)
    cached("toy", {"a": 2}, compute)
    assert len(calls) == 2
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda b: b[:40], lambda b: b"", lambda b: b"PK junk", lambda b: flip(b)])
def test_a_damaged_entry_is_computed_again_and_replaced(counter, damage):
    calls, compute = counter
    cached("toy", {}, compute)
    (entry,) = cache_folder().iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    assert cached("toy", {}, compute)["x"].tolist() == [0, 1, 2, 3]
    cached("toy", {}, compute)
    assert len(calls) == 2


def flip(content):
    at = content.index(np.float64(3.0).tobytes()) + 7  # within the stored values: only the checksum can tell
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_folder_that_cannot_be_written_only_costs_time(counter, tmp_path, monkeypatch):
    calls, compute = counter
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHIFTLIF_CACHE", str(tmp_path / "file" / "below"))
    assert cached("toy", {}, compute)["x"].tolist() == [0, 1, 2, 3]
    cached("toy", {}, compute)
    assert len(calls) == 2


def test_no_part_file_is_left_behind(counter):
    _, compute = counter
    cached("toy", {}, compute)
    assert [path.suffix for path in cache_folder().iterdir()] == [".npz"]


def test_without_the_variable_the_users_cache_folder_is_taken(monkeypatch, tmp_path):
    monkeypatch.delenv("SHIFTLIF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "shiftlif"
