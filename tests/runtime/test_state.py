"""State is a value: streams, interleaving, continuation, and the way to the interpreter and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.errors import ProgramError
from shiftlif.program import initial_state
from shiftlif.runtime import Engine, paths
from tests.program.examples import frames, tiny
from tests.program.strategies import programs, random_frames, seeds
from tests.runtime.comparison import needs_engine, require_same_state
from tests.runtime.programs import frames_of, large_program

pytestmark = needs_engine
EVERY_PATH = pytest.mark.parametrize("path", paths())


@pytest.fixture(params=[1, 2, 4])
def program(request):
    """1-d, dense and 1-d, with membranes of both widths among them."""
    return large_program(request.param)


@EVERY_PATH
def test_streaming_equals_the_whole_sequence(program, path):
    engine, x = Engine(program, path=path), frames_of(program, 0, 3, steps=4)
    whole = engine.run(x)
    stream, state = engine.stream(3), None
    for t, frame in enumerate(x):
        by_stream = stream.step(frame)
        by_value, state = engine.step(frame, state)
        np.testing.assert_array_equal(by_stream, by_value)
        assert stream.steps == t + 1
    np.testing.assert_array_equal(by_stream, whole.logits)
    require_same_state(state, whole.state)


@EVERY_PATH
def test_two_interleaved_streams_do_not_influence_each_other(program, path):
    engine, a, b = Engine(program, path=path), frames_of(program, 1, 2, 4), frames_of(program, 2, 2, 4)
    one, other = engine.stream(2), engine.stream(2)
    for first, second in zip(a, b, strict=True):
        left, right = one.step(first), other.step(second)
    np.testing.assert_array_equal(left, program.run(a).logits)
    np.testing.assert_array_equal(right, program.run(b).logits)


@EVERY_PATH
def test_reset_and_rerun_gives_the_same(program, path):
    stream, x = Engine(program, path=path).stream(2), frames_of(program, 3, 2, 4)
    first = [stream.step(frame) for frame in x]
    stream.reset()
    assert stream.steps == 0
    again = [stream.step(frame) for frame in x]
    np.testing.assert_array_equal(first, again)
    assert np.ptp(np.array(first), axis=0).any()  # what a step returned is not written to by the next


@settings(max_examples=15, deadline=None)
@given(programs, seeds, st.sampled_from(paths() or ("none",)), st.integers(1, 3))
def test_a_run_changes_over_from_interpreter_to_engine_and_back_at_any_step(program, seed, path, at):
    steps = min(program.max_steps, 6)
    x = random_frames(program, seed, 2, steps=steps)
    expected, engine = program.run(x), Engine(program, path=path)
    first = program.run(x[:at])
    second = engine.run(x[at : 2 * at], state=first.state)
    last = second if 2 * at == steps else program.run(x[2 * at :], state=second.state)
    np.testing.assert_array_equal(last.logits, expected.logits)
    require_same_state(last.state, expected.state)
    by_engine = engine.run(x[:at])
    require_same_state(engine.run(x[at:], state=by_engine.state).state, expected.state)


def test_a_state_that_was_handed_in_is_left_unchanged(program):
    engine, x = Engine(program), frames_of(program, 4, 2)
    state = engine.run(x, 2).state
    before = {name: values.copy() for name, values in state.items()}
    engine.run(x, 2, state=state)
    require_same_state(state, before)


def test_the_memory_of_a_stream_can_be_kept_and_put_back():
    program = tiny()
    stream = Engine(program).stream()
    assert stream.step(frames(3)[0]).tolist() == [[1]]
    kept = stream.memory
    after = [stream.step(frames(n)[0]).tolist() for n in (4, 9)]
    stream.memory = kept
    assert stream.steps == 1
    assert [stream.step(frames(n)[0]).tolist() for n in (4, 9)] == after
    stream.memory = kept
    kept[:] = 0  # a copy: it is not the stream's own
    assert stream.steps == 1


def test_a_foreign_memory_is_refused():
    stream, other = Engine(tiny()).stream(2), Engine(tiny(weight=2)).stream(2)
    for memory, message in (
        (stream.memory[:1], r"memory is uint8 \(1, \d+\), expected uint8 \(2, "),
        (stream.memory.astype(int), "memory is int64"),
        ("text", "memory is str"),
        (other.memory, "of another program"),
    ):
        with pytest.raises(ProgramError, match=message):
            stream.memory = memory


def test_steps_add_up_and_stop_at_the_proof():
    program = tiny(max_steps=5)
    engine = Engine(program)
    stream = engine.stream()
    for _ in range(5):
        stream.step(frames(1)[0])
    with pytest.raises(ProgramError, match="stream: 5 steps made, expected at most max_steps=5; reset it"):
        stream.step(frames(1)[0])
    state = engine.run(frames(1)[0], 4).state
    with pytest.raises(ProgramError, match="4 steps made and 2 more asked for"):
        engine.run(frames(1)[0], 2, state=state)
    engine.run(frames(1)[0], 1, state=state)


def test_a_foreign_state_is_refused():
    program = tiny()
    engine, x = Engine(program), frames(1)[0]
    good = initial_state(program, 1)
    for state, message in (
        (initial_state(program, 2), r"state: 'neuron' is int32 \(2, 1\), expected \(1, 1\)"),
        ({"steps": good["steps"]}, r"state: holds \['steps'\], expected"),
        ({**good, "neuron": good["neuron"].astype(float)}, "state: 'neuron' is float64"),
        ({**good, "neuron": good["neuron"] + 40000}, "'neuron' reaches 40000, expected what fits 16 bits"),
        ({**good, "steps": np.asarray(99)}, "99 steps made and 1 more asked for"),
    ):
        with pytest.raises(ProgramError, match=message):
            engine.step(x, state)
