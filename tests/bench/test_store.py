import fcntl
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from shiftlif.bench.store import append_record, keep_records, read_records
from shiftlif.errors import DataError, ModelFileError


def test_what_is_appended_is_read_in_its_order(tmp_path):
    file = tmp_path / "r.jsonl"
    assert read_records(file) == {}
    for key in "bca":
        append_record(file, {"key": key, "x": 1.5})
    assert list(read_records(file)) == ["b", "c", "a"]
    assert file.read_text().count("\n") == 3


def test_a_line_that_was_cut_off_is_left_out_and_replaced_by_the_next(tmp_path):
    file = tmp_path / "r.jsonl"
    append_record(file, {"key": "a"})
    with open(file, "ab") as stream:
        stream.write(b'{"key": "b", "x": "' + b"y" * 10_000)
    assert list(read_records(file)) == ["a"]
    append_record(file, {"key": "c"})
    assert file.read_text() == '{"key": "a"}\n{"key": "c"}\n'


def test_of_two_records_with_one_key_the_later_one_holds(tmp_path):
    file = tmp_path / "r.jsonl"
    append_record(file, {"key": "a", "x": 1})
    append_record(file, {"key": "a", "x": 2})
    assert read_records(file)["a"]["x"] == 2
    assert keep_records(file, ["a"]) == 1
    assert file.read_text() == '{"key": "a", "x": 2}\n'


def test_pruning_drops_what_is_not_wanted(tmp_path):
    file = tmp_path / "r.jsonl"
    assert keep_records(file, []) == 0
    for key in "abc":
        append_record(file, {"key": key})
    assert keep_records(file, ["c", "a", "other"]) == 1
    assert list(read_records(file)) == ["a", "c"]


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"name": 1}'])
def test_a_damaged_line_is_named(tmp_path, line):
    file = tmp_path / "r.jsonl"
    file.write_text('{"key": "a"}\n' + line + "\n")
    with pytest.raises(DataError, match="line 2: is not a record"):
        read_records(file)


def test_nothing_that_is_not_a_number_is_written(tmp_path):
    file = tmp_path / "r.jsonl"
    append_record(file, {"key": "a"})
    with pytest.raises(ValueError, match="JSON compliant"):
        append_record(file, {"key": "b", "x": float("nan")})
    assert list(read_records(file)) == ["a"]


def test_lines_of_many_writers_are_whole(tmp_path):
    file = tmp_path / "r.jsonl"

    def write(name):
        for i in range(20):
            append_record(file, {"key": f"{name}{i}", "filler": "x" * 3000})

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_records(file)) == 80


def test_a_writer_that_is_killed_leaves_whole_lines(tmp_path):
    file = tmp_path / "r.jsonl"
    code = (
        "import itertools, sys\nfrom shiftlif.bench.store import append_record\n"
        "for i in itertools.count():\n    append_record(sys.argv[1], {'key': str(i), 'filler': 'x' * 100_000})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(file)])
    while not (file.exists() and file.stat().st_size > 500_000):
        assert writer.poll() is None
    writer.kill()
    writer.wait()
    append_record(file, {"key": "last"})
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["key"] for record in records] == [*map(str, range(len(records) - 1)), "last"]


@pytest.fixture
def held(tmp_path):
    """A file with the records a and b that another process has locked, and what waits for it."""
    file = tmp_path / "r.jsonl"
    for key in "ab":
        append_record(file, {"key": key})
    handle = os.open(file, os.O_RDWR | os.O_APPEND)
    fcntl.flock(handle, fcntl.LOCK_EX)

    def wait(call, *arguments):
        waiting = threading.Thread(target=call, args=(file, *arguments))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        return waiting

    yield file, handle, wait
    os.close(handle)


def test_a_record_goes_to_the_file_that_took_the_place_of_the_one_waited_for(held):
    file, handle, wait = held
    appending = wait(append_record, {"key": "c"})
    new = file.with_suffix(".new")
    new.write_text('{"key": "a"}\n')
    os.replace(new, file)
    fcntl.flock(handle, fcntl.LOCK_UN)
    appending.join(10)
    assert list(read_records(file)) == ["a", "c"]


def test_a_file_that_was_removed_meanwhile_is_made_again(held):
    file, handle, wait = held
    appending = wait(append_record, {"key": "c"})
    file.unlink()
    fcntl.flock(handle, fcntl.LOCK_UN)
    appending.join(10)
    assert list(read_records(file)) == ["c"]


def test_pruning_waits_for_who_appends_and_keeps_what_that_added(held):
    file, handle, wait = held
    pruning = wait(keep_records, ["b", "c"])
    os.write(handle, b'{"key": "c"}\n')
    fcntl.flock(handle, fcntl.LOCK_UN)
    pruning.join(10)
    assert list(read_records(file)) == ["b", "c"]


def test_no_record_is_lost_between_appending_and_pruning(tmp_path):
    file = tmp_path / "r.jsonl"
    keys = [f"{name}{i}" for name in "ab" for i in range(30)]
    writers = [
        threading.Thread(target=lambda n=name: [append_record(file, {"key": f"{n}{i}"}) for i in range(30)])
        for name in "ab"
    ]
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 20
    while any(writer.is_alive() for writer in writers) and time.monotonic() < deadline:
        keep_records(file, keys)
    assert sorted(read_records(file)) == sorted(keys)


def test_pruning_a_folder_is_said(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be opened for writing"):
        keep_records(tmp_path, [])
