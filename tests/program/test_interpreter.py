from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from shiftlif.errors import ProgramError
from shiftlif.program import Accumulate, Linear, initial_state, run, step

from . import naive
from .examples import frames, tiny
from .strategies import programs, random_frames, seeds


def trace(program, *values):
    result = run(program, frames(*values), record=True)
    return result.letters["neuron"].ravel().tolist(), result.membranes["neuron"].ravel().tolist()


def test_membranes_and_letters_over_several_steps_are_the_hand_computed_ones():
    # before: 3 | 3-1+2=4 on the threshold | 0+7=7 one below 8 | 3-1+6=8 on the threshold | 0-1 | -1-(-1)-1=-1
    letters, membranes = trace(tiny(), 3, 2, 7, 6, -1, -1)
    assert letters == [0, 1, 1, 2, 0, 0]
    assert membranes == [3, 0, 3, 0, -1, -1]


def test_a_value_on_a_threshold_takes_the_upper_letter_and_one_below_the_lower():
    assert [trace(tiny(), v)[0] for v in (3, 4, 7, 8)] == [[0], [1], [1], [2]]


def test_the_leak_rounds_down_so_negative_membranes_reach_zero_and_small_positive_ones_stay():
    # v - (v >> 2): -10 - (-3), -7 - (-2), -5 - (-2), -3 - (-1), -2 - (-1), -1 - (-1)
    assert trace(tiny(leak_shift=2), -10, 0, 0, 0, 0, 0, 0)[1] == [-10, -7, -5, -3, -2, -1, 0]
    assert trace(tiny(leak_shift=2), 3, 0, 0)[1] == [3, 3, 3]  # 3 >> 2 = 0 forever


def test_minus_one_shifted_is_minus_one_so_it_leaks_to_zero():
    assert trace(tiny(leak_shift=24), -1, 0) == ([0, 0], [-1, 0])


def test_the_leak_is_none_or_clears():
    assert trace(tiny(leak_shift=None), 3, 0, 0, 1) == ([0, 0, 0, 1], [3, 3, 3, 0])
    assert trace(tiny(leak_shift=0), 3, 3, 0, 2) == ([0, 0, 0, 0], [3, 3, 0, 2])


def test_a_hard_reset_clears_only_what_fired():
    assert trace(tiny(reset="hard", leak_shift=None), 3, 4, 2, 100) == ([0, 1, 0, 2], [3, 0, 2, 0])


def test_shift_and_bias_enter_at_every_step():
    program = tiny(leak_shift=None, current_shift=1, bias=np.array([-1], np.int32))
    assert trace(program, 1, 1, 0, 2) == ([0, 0, 0, 1], [1, 2, 1, 0])


def test_the_readout_accumulates_three_times_the_letter_plus_one():
    result = run(tiny(), frames(3, 2, 7, 6), record=True)
    assert result.membranes["y"].ravel().tolist() == [1, 5, 9, 16]
    assert result.logits.tolist() == [[16]]


def test_equal_thresholds_make_a_letter_unreachable():
    program = tiny(thresholds=np.array([[4, 4]], np.int32), leak_shift=None)
    assert trace(program, 3, 1)[0] == [0, 2]


@settings(max_examples=60, deadline=None)
@given(programs, seeds)
def test_an_independent_interpreter_in_plain_loops_agrees_on_everything(program, seed):
    x = random_frames(program, seed, batch=2, steps=3)
    result = run(program, x, record=True)
    for sample in range(2):
        letters, membranes, _ = naive.run_sample(program, x[:, sample])
        for name, expected in letters.items():
            assert np.array_equal(result.letters[name][:, sample], np.stack(expected).astype(np.int64)), name
        for name, expected in membranes.items():
            assert np.array_equal(result.membranes[name][:, sample], np.stack(expected).astype(np.int64)), (
                name
            )
        assert result.predictions[sample] == int(np.argmax(membranes[program.output][-1].astype(np.int64)))


@settings(max_examples=40, deadline=None)
@given(programs, seeds)
def test_streaming_equals_the_whole_sequence(program, seed):
    x = random_frames(program, seed, steps=4)
    whole = run(program, x, record=True)
    state = initial_state(program, 2)
    for t in range(4):
        output, state, wires = step(program, x[t], state)
        for name, letters in whole.letters.items():
            assert np.array_equal(wires[name], letters[t])
        for name, membranes in whole.membranes.items():
            assert np.array_equal(state[name], membranes[t])
    assert np.array_equal(output, whole.logits)
    first = run(program, x[:3])
    assert np.array_equal(run(program, x[3:], state=first.state).logits, whole.logits)


@settings(max_examples=40, deadline=None)
@given(programs, seeds)
def test_streaming_through_the_program_equals_run(program, seed):
    x = random_frames(program, seed, steps=4)
    state = None
    for t in range(4):
        logits, state = program.step(x[t], state)
        assert np.array_equal(logits, program.run(x[: t + 1]).logits)
    whole = program.run(x).state
    assert set(state) == set(whole)
    assert all(np.array_equal(state[name], whole[name]) for name in whole)


def test_a_streamed_frame_and_state_are_checked():
    with pytest.raises(ProgramError, match="dtype is list"):
        tiny().step([[1]])
    with pytest.raises(ProgramError, match=r"shape is \(1, 2\)"):
        tiny().step(np.zeros((1, 2), np.int8))
    program, state = tiny(max_steps=4), None
    for _ in range(4):
        _, state = program.step(frames(1)[0], state)
    with pytest.raises(ProgramError, match="4 steps made"):
        program.step(frames(1)[0], state)


@settings(max_examples=40, deadline=None)
@given(programs, seeds)
def test_a_static_input_equals_the_same_frame_at_every_step(program, seed):
    x = random_frames(program, seed)
    static = run(program, x, 3, record=True)
    repeated = run(program, np.stack([x] * 3), record=True)
    assert np.array_equal(static.logits, repeated.logits)
    for name in static.membranes:
        assert np.array_equal(static.membranes[name], repeated.membranes[name])


@settings(max_examples=20, deadline=None)
@given(programs, seeds)
def test_two_interleaved_instances_do_not_influence_each_other(program, seed):
    a, b = random_frames(program, seed, steps=3), random_frames(program, seed + 1, steps=3)
    states = [initial_state(program, 2), initial_state(program, 2)]
    outputs = [None, None]
    for t in range(3):
        for i, x in enumerate((a, b)):
            before = {name: array.copy() for name, array in states[i].items()}
            outputs[i], new, _ = step(program, x[t], states[i])
            assert all(np.array_equal(states[i][name], before[name]) for name in before)
            states[i] = new
    assert np.array_equal(outputs[0], run(program, a).logits)
    assert np.array_equal(outputs[1], run(program, b).logits)


@settings(max_examples=20, deadline=None)
@given(programs, seeds)
def test_a_sample_does_not_depend_on_its_batch(program, seed):
    x = random_frames(program, seed, batch=3)
    assert np.array_equal(run(program, x).logits[1:2], run(program, x[1:2]).logits)


def test_ties_go_to_the_lowest_class():
    program = tiny()
    operations = (
        *program.operations[:3],
        Linear("readout", "neuron", np.array([[1], [1], [0]], np.int8)),
        Accumulate("y", "readout", 0, np.zeros(3, np.int32)),
    )
    three = dataclasses.replace(program, operations=operations, classes=("a", "b", "c"))
    assert run(three, np.array([[8], [-8]], np.int8)).predictions.tolist() == [0, 0]


def test_default_steps_are_the_programs_for_a_static_input_and_the_frames_of_a_sequence():
    program = tiny(steps=3)
    assert run(program, np.array([[1]], np.int8), record=True).letters["neuron"].shape == (3, 1, 1)
    assert run(program, frames(1, 2), record=True).letters["neuron"].shape == (2, 1, 1)


def test_without_recording_nothing_is_kept():
    result = run(tiny(), frames(1, 2))
    assert result.letters == {}
    assert result.membranes == {}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 1), np.int16), "dtype is int16, expected an int8"),
        (np.zeros((1, 1), np.uint8), "dtype is uint8"),
        ([[1]], "dtype is list"),
        (np.zeros((1, 2), np.int8), r"shape is \(1, 2\), expected \[B, 1\]"),
        (np.zeros((1,), np.int8), r"shape is \(1,\)"),
        (np.zeros((0, 1), np.int8), r"shape is \(0, 1\)"),
        (np.zeros((1, 1, 1, 1), np.int8), r"shape is \(1, 1, 1, 1\)"),
    ],
)
def test_an_input_of_the_wrong_kind_is_refused(x, message):
    with pytest.raises(ProgramError, match=message):
        run(tiny(), x)


@pytest.mark.parametrize("steps", [0, -1, 17, 2.0, True])
def test_steps_outside_the_proof_are_refused(steps):
    with pytest.raises(ProgramError, match="steps is"):
        run(tiny(), np.array([[1]], np.int8), steps)


def test_a_sequence_fixes_its_steps():
    with pytest.raises(ProgramError, match="steps is 3, expected 2"):
        run(tiny(), frames(1, 2), 3)


def test_steps_add_up_over_continued_runs():
    program = tiny(max_steps=4)
    first = run(program, frames(1, 2, 3))
    run(program, frames(1), state=first.state)
    with pytest.raises(ProgramError, match="3 steps made and 2 more asked for"):
        run(program, frames(1, 2), state=first.state)
    last = run(program, frames(1), state=first.state)
    with pytest.raises(ProgramError, match="4 steps made"):
        step(program, frames(1)[0], last.state)


def test_a_state_of_another_batch_size_is_refused():
    program = tiny()
    with pytest.raises(ProgramError, match=r"state: 'neuron' is int32 \(2, 1\)"):
        step(program, frames(1)[0], initial_state(program, 2))


def test_a_state_of_another_program_or_dtype_is_refused():
    program = tiny()
    with pytest.raises(ProgramError, match="state: holds"):
        step(program, frames(1)[0], {"steps": np.asarray(0)})
    wide = {name: array.astype(np.int64) for name, array in initial_state(program, 1).items()}
    with pytest.raises(ProgramError, match="int64"):
        step(program, frames(1)[0], wide)
