"""Streams of the engine: a frame that is kept, and events in place of frames, give what whole runs of frames give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.errors import ProgramError
from shiftlif.runtime import Engine, InterpretedStream, lower, paths
from tests.program.events import counting, listed, random_counts, small
from tests.program.examples import tiny
from tests.program.strategies import programs, random_frames, seeds
from tests.runtime.comparison import needs_engine
from tests.runtime.programs import frames_of, large_program

pytestmark = needs_engine
EVERY_PATH = pytest.mark.parametrize("path", paths())
PIECES = ((1, 1, 1), (2, 1), (1, 2), (3,))


def require_the_same_in_pieces(program, x, engine):
    """Every membrane and sum after each piece of a run is that of one call for so many steps."""
    for pieces in PIECES:
        stream, done = engine.stream(len(x)), 0
        for number, steps in enumerate(pieces):
            if done + steps > program.max_steps:
                break
            sums = stream.again(steps) if number else stream.step(x, steps, keep=True)
            done += steps
            whole = engine.stream(len(x))
            np.testing.assert_array_equal(sums, whole.step(x, done))
            np.testing.assert_array_equal(stream.memory, whole.memory)
            np.testing.assert_array_equal(sums, program.run(x, done).logits)
        assert stream.steps == done


@settings(max_examples=40, deadline=None)
@given(programs, seeds, st.booleans())
def test_a_kept_frame_for_more_steps_is_one_call_for_all_of_them(program, seed, cached):
    """Of random programs, T = 1 among them, whether the plan keeps currents of the frame or not."""
    x = random_frames(program, seed, 2)
    for path in paths():
        require_the_same_in_pieces(program, x, Engine(program, path=path, plan=lower(program, cached=cached)))


@EVERY_PATH
@pytest.mark.parametrize("seed", range(12))
def test_the_same_of_larger_programs_and_several_threads(path, seed):
    program = large_program(seed)
    require_the_same_in_pieces(program, frames_of(program, seed, 3), Engine(program, path=path, threads=2))


@EVERY_PATH
def test_streams_and_batches_between_do_not_touch_a_kept_frame(path):
    program = large_program(3)
    engine, x = Engine(program, path=path), frames_of(program, 3, 4)
    one, other = engine.stream(), engine.stream()
    one.step(x[:1], keep=True)
    other.step(x[1:2], keep=True)
    engine.logits(x)
    other.step(x[2:3])
    np.testing.assert_array_equal(one.again(2), program.run(x[:1], 3).logits)


@EVERY_PATH
def test_the_letters_of_a_kept_frame_are_those_of_one_call(path):
    """The arena holds every letter of the last step."""
    program = large_program(5)
    engine, x = Engine(program, path=path), frames_of(program, 5, 2)
    parts, whole = engine.stream(2), engine.stream(2)
    parts.step(x, keep=True)
    parts.again(2)
    whole.step(x, 3, keep=True)
    np.testing.assert_array_equal(parts._arena, whole._arena)


def test_again_wants_a_frame_that_was_kept():
    program = tiny()
    x = np.ones((1, *program.input_shape), np.int8)
    for stream in (Engine(program).stream(), InterpretedStream(program)):

        def refused(stream=stream):
            with pytest.raises(ProgramError, match=r"no frame is kept, expected step\(frame, keep=True\)"):
                stream.again()

        refused()
        stream.step(x)
        refused()
        stream.step(x, keep=True)
        stream.again()
        stream.again(3)
        stream.step(x)
        refused()
        stream.step(x, keep=True)
        stream.reset()
        refused()


def test_a_state_that_is_put_back_comes_without_a_frame():
    stream = Engine(tiny()).stream()
    kept = stream.memory
    stream.step(np.ones((1, 1), np.int8), keep=True)
    stream.memory = kept
    with pytest.raises(ProgramError, match="no frame is kept"):
        stream.again()


def test_more_steps_than_proven_are_refused_and_leave_the_stream_as_it_is():
    stream = Engine(tiny(max_steps=5)).stream()
    stream.step(np.ones((1, 1), np.int8), 3, keep=True)
    before = stream.memory
    with pytest.raises(ProgramError, match="3 steps made and 3 more asked for, expected at most max_steps=5"):
        stream.again(3)
    with pytest.raises(ProgramError, match="stream: steps is 0"):
        stream.again(0)
    np.testing.assert_array_equal(stream.memory, before)
    stream.again(2)
    assert stream.steps == 5


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans())
def test_lists_of_events_give_the_letters_and_membranes_of_their_frames(seed, cached):
    program = counting(seed, (1, 3, 127)[seed % 3])
    x = random_counts(program, seed)
    for path in paths():
        engine = Engine(program, path=path, plan=lower(program, cached=cached))
        listed_, framed = engine.stream(), engine.stream()
        for frame, events in zip(x, listed(program, x), strict=True):
            sums = listed_.step_events(events, keep=True)
            np.testing.assert_array_equal(sums, framed.step(frame[None], keep=True))
            np.testing.assert_array_equal(listed_.memory, framed.memory)
            np.testing.assert_array_equal(listed_._arena, framed._arena)  # the letters


@EVERY_PATH
def test_more_events_than_the_limit_at_one_place_count_as_so_many(path):
    for limit in (1, 2, 127):
        program = small(limit)
        frame = random_counts(program, 7, 1)
        events = np.repeat(listed(program, frame)[0], 2 if limit == 127 else 5)
        listed_, framed = (Engine(program, path=path).stream() for _ in range(2))
        several = 2 if limit == 127 else 5
        counts = np.minimum(frame.astype(int) * several, limit).astype(np.int8)
        np.testing.assert_array_equal(listed_.step_events(events), framed.step(counts))
        np.testing.assert_array_equal(listed_.memory, framed.memory)


def test_events_that_were_kept_can_be_shown_again():
    program = small(3)
    frame = random_counts(program, 2, 1)
    stream = Engine(program).stream()
    stream.step_events(listed(program, frame)[0], keep=True)
    np.testing.assert_array_equal(stream.again(2), program.run(frame, 3).logits)
    stream.step_events(listed(program, frame)[0])
    with pytest.raises(ProgramError, match="no frame is kept"):
        stream.again()


def test_events_of_a_batch_or_beyond_the_steps_are_refused():
    program = small(1)
    events = listed(program, random_counts(program, 2, 1))[0]
    with pytest.raises(ProgramError, match="events are of one stream, expected 2"):
        Engine(program).stream(2).step_events(events)
    stream = Engine(program).stream()
    stream.step(np.zeros((1, 2, 5, 6), np.int8), 100)
    with pytest.raises(ProgramError, match="100 steps made, expected at most max_steps=100"):
        stream.step_events(events)


@pytest.mark.parametrize("event", [(60, 1), (2**32 - 1, 1), (0, 2)])
def test_the_runtime_itself_refuses_what_is_no_event_and_leaves_the_state(event):
    engine = Engine(small(1))
    stream = engine.stream()
    arena = np.full((1, engine.plan.arena_size), 77, np.uint8)
    memory, untouched = stream.memory, arena.copy()
    with pytest.raises(ValueError, match="no event of the frame"):
        engine._native.step_events(np.array([(1, 1), event, (2, 1)], np.uint32), memory, arena)
    np.testing.assert_array_equal(memory, stream.memory)
    np.testing.assert_array_equal(arena, untouched)
