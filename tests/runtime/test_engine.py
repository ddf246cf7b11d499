"""What the engine takes and refuses, and that threads and forms of the input change nothing."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from shiftlif.errors import ProgramError
from shiftlif.program import Accumulate, Conv, Flatten, Input, InputQuantizer, IntegerProgram, Linear
from shiftlif.runtime import Engine, lower, paths
from tests.program.examples import frames, tiny
from tests.runtime.comparison import needs_engine, require_same
from tests.runtime.programs import frames_of, large_program

pytestmark = needs_engine
EVERY_PATH = pytest.mark.parametrize("path", paths())


@pytest.fixture(scope="module")
def program():
    return large_program(6)


def test_the_program_makes_its_engine_and_the_last_path_is_the_portable_one(program):
    engine = program.engine(path="portable", threads=3)
    assert (engine.program, engine.path, engine.threads) == (program, "portable", 3)
    assert program.engine().path == paths()[0]
    assert program.engine(threads=0).threads >= 1
    assert paths()[-1] == "portable"


@EVERY_PATH
def test_several_threads_give_what_one_gives(program, path):
    x = frames_of(program, 1, 23)
    one, several = Engine(program, path=path), Engine(program, path=path, threads=4)
    expected = one.run(x, record=True)
    require_same(several, x, expected)
    require_same(Engine(program, path=path, threads=64), x[:3], one.run(x[:3], record=True))
    sequence = frames_of(program, 2, 23, steps=3)
    require_same(several, sequence, one.run(sequence, record=True))


@EVERY_PATH
def test_one_engine_serves_several_python_threads_at_once(program, path):
    engine = Engine(program, path=path)
    batches = [frames_of(program, seed, 5) for seed in range(8)]
    expected = [program.run(x).logits for x in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, right in zip(pool.map(engine.logits, batches), expected, strict=True):
                np.testing.assert_array_equal(found, right)
        ran = pool.map(engine.run, batches)
        np.testing.assert_array_equal([result.logits for result in ran], expected)


def test_a_sample_does_not_depend_on_its_batch(program):
    engine, x = Engine(program), frames_of(program, 3, 9)
    whole = engine.logits(x)
    np.testing.assert_array_equal(whole[4:5], engine.logits(x[4:5]))
    np.testing.assert_array_equal(whole.argmax(1), engine.predict(x))


@EVERY_PATH
def test_any_memory_layout_and_cpu_tensors_give_the_same(program, path):
    engine, x = Engine(program, path=path), frames_of(program, 4, 6)
    expected = program.run(x)
    readonly = x.copy()
    readonly.flags.writeable = False
    reversed_twice = np.ascontiguousarray(x[::-1])[::-1]
    for same in (
        readonly,
        reversed_twice,
        np.asfortranarray(x),
        np.repeat(x, 2, axis=0)[::2],
        torch.from_numpy(x),
        torch.from_numpy(np.asfortranarray(x)),
    ):
        np.testing.assert_array_equal(engine.logits(same), expected.logits)
        np.testing.assert_array_equal(engine.run(same).logits, expected.logits)
    assert engine.predict(torch.from_numpy(x)).tolist() == expected.predictions.tolist()


@EVERY_PATH
def test_a_bound_array_is_read_at_every_call(program, path):
    engine, x = Engine(program, path=path, threads=2), frames_of(program, 7, 8)
    kept = x[:4].copy()
    logits = engine.bind(kept)
    first = logits()
    np.testing.assert_array_equal(first, program.run(x[:4]).logits)
    kept[:] = x[4:]
    assert logits() is first  # filled again
    np.testing.assert_array_equal(first, program.run(x[4:]).logits)
    sequence = frames_of(program, 8, 3, steps=3)
    np.testing.assert_array_equal(engine.bind(sequence)(), program.run(sequence).logits)
    np.testing.assert_array_equal(engine.bind(kept, 2)(), program.run(kept, 2).logits)


def test_a_bound_array_and_its_program_live_as_long_as_the_function():
    logits = Engine(tiny()).bind(np.full((1, 1), 5, np.int8))
    gc.collect()
    np.testing.assert_array_equal(logits(), tiny().run(np.full((1, 1), 5, np.int8)).logits)


def test_frames_that_cannot_be_read_in_place_are_not_bound():
    with pytest.raises(ProgramError, match="bind: the frames are not contiguous"):
        Engine(tiny()).bind(np.zeros((4, 1), np.int8)[::2])


def test_ties_go_to_the_lowest_class():
    operations = (
        Input("x", (1,)),
        Linear("two", "x", np.array([[1], [1]], np.int8)),
        Accumulate("y", "two", 0, np.zeros(2, np.int32)),
    )
    program = IntegerProgram(operations, InputQuantizer.identity(1), 1, 1, ("a", "b"))
    assert Engine(program).predict(frames(5)[0]).tolist() == [0]


INT8 = "an int8 array"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 1)), f"input: dtype is float64, expected {INT8}"),
        (np.zeros((1, 1), np.uint8), f"input: dtype is uint8, expected {INT8}"),
        (np.zeros((1, 1), np.int64), f"input: dtype is int64, expected {INT8}"),
        (torch.zeros(1, 1), f"input: dtype is float32, expected {INT8}"),
        (torch.zeros(1, 1, dtype=torch.int8, device="meta"), "input: is no array"),
        ([[1], [2, 3]], "input: is no array"),
        ("text", "input: dtype is <U4"),
        (np.zeros((1, 2), np.int8), r"input: shape is \(1, 2\), expected \[B, 1\] or \[T, B, 1\]"),
        (np.zeros(1, np.int8), r"input: shape is \(1,\)"),
        (np.zeros((0, 1), np.int8), r"input: shape is \(0, 1\)"),
        (np.zeros((0, 1, 1), np.int8), r"input: shape is \(0, 1, 1\)"),
        (np.zeros((1, 1, 1, 1), np.int8), r"input: shape is \(1, 1, 1, 1\)"),
    ],
)
def test_an_input_of_the_wrong_kind_is_refused_and_never_converted(x, message):
    engine = Engine(tiny())
    stream = engine.stream()
    for call in (engine.logits, engine.bind, engine.predict, engine.run, engine.step, stream.step):
        with pytest.raises(ProgramError, match=message):
            call(x)


@pytest.mark.parametrize("steps", [0, -1, 17, 2.0, True, "2", np.int64(2)])
def test_steps_outside_the_proof_are_refused(steps):
    engine = Engine(tiny(max_steps=16))
    for call in (engine.logits, engine.bind, engine.run, engine.predict):
        with pytest.raises(ProgramError, match=r"run: steps is .*, expected a Python int from 1 to 16"):
            call(frames(1)[0], steps)


def test_a_sequence_fixes_its_steps():
    engine = Engine(tiny())
    for call in (engine.logits, engine.bind, engine.run):
        with pytest.raises(ProgramError, match="run: steps is 3, expected 2, one per frame"):
            call(frames(1, 2), 3)
        with pytest.raises(ProgramError, match="run: steps is 17, expected a Python int from 1 to 16"):
            call(frames(*range(17)))
    assert engine.logits(frames(4, 8), 2).tolist() == tiny().run(frames(4, 8)).logits.tolist()


def test_a_stream_takes_the_batch_that_it_was_made_for():
    stream = Engine(tiny()).stream(2)
    with pytest.raises(ProgramError, match="stream: the frame has 1 samples, expected 2"):
        stream.step(frames(1)[0])
    with pytest.raises(ProgramError, match="stream: batch is 0, expected a Python int from 1"):
        Engine(tiny()).stream(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "neon9"}, r"engine: path is 'neon9', expected one of \[.*'portable'\]"),
        ({"threads": -1}, "engine: threads is -1, expected a Python int from 0 to 1024"),
        ({"threads": 1.5}, "engine: threads is 1.5"),
        ({"plan": lower(tiny(weight=2))}, "engine: the plan is of program"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ProgramError, match=message):
        tiny().engine(**options)


def far_padding(padding):
    """A 3x3 frame in a sea of padding: valid, and far from what a copy with padding can hold."""
    weight = np.full((2, 2, 1, 1), 3, np.int8)
    operations = (
        Input("x", (2, 3, 3)),
        Conv("far", "x", weight, (padding, padding), (padding, padding), (1, 1)),
        Flatten("flat", "far"),
        Linear("sum", "flat", np.ones((1, 18), np.int8)),
        Accumulate("y", "sum", 0, np.zeros(1, np.int32)),
    )
    return IntegerProgram(operations, InputQuantizer.identity(2), 1, 1, ("only",))


@EVERY_PATH
@pytest.mark.parametrize("padding", [100, 10_000, 2**20])
def test_windows_far_in_the_padding_read_zeros(path, padding):
    program = far_padding(padding)
    x = np.full((1, 2, 3, 3), 5, np.int8)
    assert padding > 100 or program.run(x).logits.tolist() == [[60]]  # the interpreter makes a padded copy
    assert Engine(program, path=path).logits(x).tolist() == [[60]]


def test_a_program_beyond_the_runtimes_addresses_is_refused_by_the_name_of_its_operation():
    wide = IntegerProgram(
        (
            Input("x", (1, 2**10, 2**10)),
            Conv(
                "far",
                "x",
                np.ones((1, 1, 1, 1), np.int8),
                (2**20, 2**20),
                (2**20 - 2**10, 2**20 - 2**10),
                (1, 1),
            ),
            Flatten("flat", "far"),
            Linear("sum", "flat", np.ones((1, 4), np.int8)),
            Accumulate("y", "sum", 0, np.zeros(1, np.int32)),
        ),
        InputQuantizer.identity(1),
        1,
        1,
        ("only",),
    )
    with pytest.raises(ProgramError, match=r"Conv 'far': 4 weights on 1048576 positions .*use program\.run"):
        Engine(wide)
