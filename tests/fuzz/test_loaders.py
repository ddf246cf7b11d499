"""Altered files: each is refused with a ShiftLIFError, or is the program that was saved; in bounded memory and time."""

import io
import json
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.errors import ModelFileError, ProgramError
from shiftlif.program import GoldenVectors, IntegerProgram, record
from shiftlif.program.checks import fail
from shiftlif.program.membrane import Interval
from shiftlif.program.operations import Linear
from shiftlif.program.ranges import _synapse
from shiftlif.program.storage import read_file
from tests.program.examples import frames, tiny
from tests.program.strategies import random_frames, random_program

from . import loaders

PROGRAMS = [tiny(), *map(random_program, (0, 5, 22, 37))]
FILES = [loaders.content_of(program) for program in PROGRAMS]
LIMIT = 2**24  # bytes; the largest of these files has a few thousand
which = st.integers(0, len(PROGRAMS) - 1)


@contextmanager
def bounded():
    """Memory that a loader may take, arrays included."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


places = st.floats(0, 1, exclude_max=True)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), places, st.integers(1, 255)),
        st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("delete"), places, st.integers(1, 8)),
        st.tuples(st.just("truncate"), places, st.none()),
        st.tuples(st.just("repeat"), places, st.integers(1, 64)),
    ),
    min_size=1,
    max_size=3,
)


def edited(content, changes):
    for kind, where, value in changes:
        at = int(where * len(content))
        match kind:
            case "flip":
                content = content[:at] + bytes(b ^ value for b in content[at : at + 1]) + content[at + 1 :]
            case "insert":
                content = content[:at] + value + content[at:]
            case "delete":
                content = content[:at] + content[at + value :]
            case "truncate":
                content = content[:at]
            case "repeat":
                content = content[: at + value] + content[at:]
    return content


@settings(max_examples=200, deadline=None)
@given(which, edits)
def test_bytes_of_a_model_file_may_be_altered_only_to_be_refused(index, changes):
    with bounded():
        program = loaders.loads_as_written(edited(FILES[index], changes))
    assert program is None or program.digest() == PROGRAMS[index].digest()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.sampled_from([2**15, 2**20, 2**31 - 1, 2**31, 2**53, 2**64, 10**400, -1, -(2**63)]),
    st.floats(),
    st.text(max_size=4),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def like(value):
    """Values that Python calls equal, or that are nearly so: each is another file."""
    others = [[value], {"": value}, str(value), None]
    if isinstance(value, (int, float)):
        others += [bool(value), value + 1, -value, value * 2**20]
        others.append(float(value) if isinstance(value, int) else int(value))
    if isinstance(value, (str, list)):
        others += [value[:-1], value + value, value[::-1]]
    if isinstance(value, dict):
        others += [{}, list(value), {**value, "more": 1}]
    return others


def at_place(header, at):
    """The part of a JSON value that a path leads to."""
    return at_place(header[at[0]], at[1:]) if at else header


@pytest.mark.parametrize("unit", [0.5, 1.0])
def test_every_value_of_a_header_is_what_it_is_saved_as_and_nothing_equal(unit):
    """1.0 for 1, True for 1, 1 for 1.0 and the like: signed by nobody, and signed as if it were meant so."""
    header, tensors = loaders.opened(loaders.content_of(replace(tiny(), output_unit=unit)))
    for at in loaders.places(header):
        for other in like(at_place(header, at)):
            changed = loaders.replaced(header, at, other)
            program = loaders.loads_as_written(loaders.written(changed, tensors))
            assert program is None or changed == header, (at, other)
            if isinstance(changed, dict):
                loaders.loads_as_written(loaders.signed(changed, tensors))


def other_header(data, header):
    """The header with one to three parts replaced."""
    for _ in range(data.draw(st.integers(1, 3))):
        paths = [at for at in loaders.places(header) if at]
        at = data.draw(st.sampled_from(paths))
        other = data.draw(st.sampled_from(like(at_place(header, at))) | values)
        header = loaders.replaced(header, at, other)
    return header


@settings(max_examples=120, deadline=None)
@given(which, st.data())
def test_a_header_of_other_values_is_refused_or_is_the_program_that_it_says(index, data):
    header, tensors = loaders.opened(FILES[index])
    changed = other_header(data, header)
    with bounded():
        program = loaders.loads_as_written(loaders.written(changed, tensors))
    assert program is None or program.digest() == PROGRAMS[index].digest()
    try:
        forged = loaders.signed(changed, tensors)
    except (TypeError, AttributeError, ValueError):
        return
    with bounded():
        program = loaders.loads_as_written(forged)
    # The signature took the place of whatever stood there as a digest.
    said, meant = ({**fields, "digest": None} for fields in (changed, header))
    same = json.dumps(said, sort_keys=True) == json.dumps(meant, sort_keys=True)
    assert program is None or same == (program.digest() == PROGRAMS[index].digest())


@settings(max_examples=80, deadline=None)
@given(which, st.data())
def test_tensors_that_changed_places_type_or_shape_are_refused(index, data):
    header, tensors = loaders.opened(FILES[index])
    names = sorted(tensors)
    changed = dict(tensors)
    one, other = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
    match data.draw(st.sampled_from(["swap", "drop", "add", "dtype", "shape", "value"])):
        case "swap":
            changed[one], changed[other] = changed[other], changed[one]
        case "drop":
            del changed[one]
        case "add":
            changed[one + "x"] = changed[other]
        case "dtype":
            kind = data.draw(st.sampled_from(["int8", "uint8", "int64", "float32", "float64", "bool"]))
            changed[one] = changed[one].astype(kind)
        case "shape":
            changed[one] = changed[one].reshape(-1, 1)
        case "value":
            changed[one] = changed[one].copy()
            value = np.int64(data.draw(st.sampled_from([-128, -1, 0, 1, 7, 127])))  # some as it was
            changed[one].flat[0] = value.astype(changed[one].dtype)
    with bounded():
        program = loaders.loads_as_written(loaders.written(header, changed))
        assert program is None or program.digest() == PROGRAMS[index].digest()
        loaders.loads_as_written(loaders.signed(header, changed))


VECTORS_OF = random_program(5)


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """Golden vectors, their file and a folder for altered ones."""
    folder = tmp_path_factory.mktemp("vectors")
    vectors = record(VECTORS_OF, random_frames(VECTORS_OF, 0), 2)
    vectors.save(folder / "golden.npz")
    return vectors, (folder / "golden.npz").read_bytes(), folder


@settings(max_examples=300, deadline=None)
@given(changes=edits)
def test_bytes_of_golden_vectors_may_be_altered_only_to_be_refused(golden, changes):
    vectors, content, folder = golden
    with bounded():
        loaded = loaders.load_vectors(edited(content, changes), folder)
    assert loaded is None or loaders.same_vectors(loaded, vectors)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_members_of_golden_vectors_whose_checksums_fit_are_refused_or_compared(golden, data):
    vectors, content, folder = golden
    files = loaders.members(content)
    name = data.draw(st.sampled_from(sorted(files)))
    if data.draw(st.booleans()):
        files[name] = edited(files[name], data.draw(edits))
    else:
        digits = data.draw(
            st.sampled_from(["0", "7", "2305843009213693952", "9" * 30, "-1", "1.0", "None", "(1,)"])
        )
        start = files[name].index(b"(")
        files[name] = files[name][: start + 1] + digits.encode() + files[name][start + 2 :]
    with bounded():
        loaded = loaders.load_vectors(loaders.zipped(files), folder)
        if loaded is not None:
            assert not loaders.verifies(VECTORS_OF, loaded) or loaders.same_vectors(
                replace(loaded, digest=vectors.digest), vectors
            )


def npy(header, data=b""):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def shape(text, descr="|i1"):
    return npy(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {text}, }}\n", b"\1\2")


HOSTILE = {
    "4 EiB": shape("(4611686018427387904,)"),
    "more digits than Python converts": shape("(" + "9" * 5000 + ",)"),
    "no extent": shape("(0, 2)"),
    "negative extent": shape("(-2,)"),
    "more data than its shape": shape("(1, 1)"),
    "nested parentheses": npy("(" * 5000),
    "no Python": npy("{'descr': lambda: 0"),
    "long header": npy("{" + " " * 60000 + "}"),
    "object": shape("(1, 1)", "|O"),
    "unterminated text": npy("'''"),
    "null": npy("\0"),
    "characters beyond Unicode": npy(
        "{'descr': '<U1', 'fortran_order': False, 'shape': (1, 1), }\n", b"\xff\xff\xff\xff"
    ),
    "text without characters": npy("{'descr': '<U0', 'fortran_order': False, 'shape': (1, 1), }\n"),
    "66 axes": npy("{'descr': '|i1', 'fortran_order': False, 'shape': (" + "1, " * 65 + "1), }\n", b"\1"),
}


@pytest.mark.parametrize("member", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("name", ["inputs", "digest"])
def test_a_hostile_array_is_refused_before_it_is_believed(golden, member, name):
    _, content, folder = golden
    files = loaders.members(content) | {f"{name}.npy": member}
    with bounded():
        assert loaders.load_vectors(loaders.zipped(files), folder) is None


def test_an_archive_that_claims_more_than_it_can_expand_to_is_refused(golden):
    _, content, folder = golden
    files = loaders.members(content) | {"inputs.npy": b"\0" * 2**25}
    bomb = loaders.zipped(files)
    at = bomb.rindex(b"PK\1\2", 0, bomb.rindex(b"inputs.npy"))
    assert int.from_bytes(bomb[at + 24 : at + 28], "little") == 2**25
    lies = bomb[: at + 24] + (2**32 - 2).to_bytes(4, "little") + bomb[at + 28 :]
    with pytest.raises(ModelFileError, match="more than its bytes can be expanded to"):
        _load(lies, folder)


def _load(content, folder):
    path = folder / "vectors.npz"
    path.write_bytes(content)
    return GoldenVectors.load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_numpy_does_not_write_is_refused(golden, compression):
    _, content, folder = golden
    with pytest.raises(ModelFileError, match="compressed in a way that numpy does not use"):
        _load(loaders.zipped(loaders.members(content), compression), folder)


def test_a_member_that_is_there_twice_is_refused(golden):
    _, content, folder = golden
    files = loaders.members(content)
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("inputs.npy", files["inputs.npy"])
    with pytest.raises(ModelFileError, match=r"'inputs\.npy' is no \.npy file or is there twice"):
        _load(buffer.getvalue(), folder)


def test_vectors_of_another_type_are_refused_by_name(tmp_path):
    vectors = record(tiny(), frames(1, 2))
    for name, array in (
        ("inputs", vectors.inputs.astype(np.float64)),
        ("logits", vectors.logits.astype(np.int64)),
    ):
        path = tmp_path / f"{name}.npz"
        GoldenVectors(**{**vars(vectors), name: array}).save(path)
        with pytest.raises(ModelFileError, match=rf"{name}\.npz: array '{name}' is .*64 .*, expected int"):
            GoldenVectors.load(path)


def nested(depth, content):
    """The file with metadata of so many lists in each other, signed with as deep a stack as that takes."""
    header, tensors = loaders.opened(content)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * depth + 1000)
    try:
        inner = []
        for _ in range(depth):
            inner = [inner]
        return loaders.signed({**header, "metadata": {"": inner}}, tensors)
    finally:
        sys.setrecursionlimit(limit)


def test_metadata_that_is_nested_too_deeply_is_refused():
    loaded = []
    for depth in (10, *range(900, 1000), 4000):
        try:
            loaders.decode(nested(depth, FILES[0]))
            loaded.append(depth)
        except ModelFileError:
            assert depth > 10
    assert 10 in loaded
    assert 4000 not in loaded


def test_numbers_too_long_to_be_written_out_are_refused_with_a_message():
    assert str(fail("x", "y", 10**5000, "small")) == "x: y is a int of many digits, expected small"
    assert len(str(fail("x", "y", list(range(10**4)), "few"))) < 600
    first = PROGRAMS[0]
    with pytest.raises(ProgramError, match="output_unit is 1000"):
        IntegerProgram(first.operations, first.quantizer, 1, 2, ("only",), 10**400)


def test_a_path_that_no_system_takes_is_refused():
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_file("model\0.safetensors")


def test_the_range_proof_does_not_wrap():
    """4 * 127 * 2^60 is -2^62 in 64 bits."""
    giant = Interval(np.full(4, -(2**60)), np.full(4, 2**60))
    linear = Linear("current", "x", np.full((1, 4), 127, np.int8))
    assert _synapse(linear, giant).accumulator == 4 * 127 * 2**60
