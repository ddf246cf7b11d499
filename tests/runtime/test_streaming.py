"""Decisions about a stream equal those of whole runs; an early rule is the same by steps and by recorded read-outs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.errors import ConfigurationError, ProgramError
from shiftlif.program import Accumulate, Input, InputQuantizer, IntegerProgram, Linear
from shiftlif.runtime import Classifier, EarlyRule, Engine, InterpretedStream, Windows, decide, unavailable
from shiftlif.runtime.early import margin, probabilities
from shiftlif.runtime.latency import KEPT, Latency
from tests.program.strategies import programs, seeds
from tests.runtime.comparison import needs_engine
from tests.runtime.test_windows import pieces_of

RUNNERS = [pytest.param(Engine, marks=needs_engine), None]
hops = st.integers(1, 7)
cuts = st.lists(st.integers(0, 60), max_size=10)
rules = st.builds(EarlyRule, st.one_of(st.none(), st.floats(0.01, 1.0)), st.integers(1, 3), st.integers(1, 3))


def stepper(program, engine):
    return (lambda: InterpretedStream(program)) if engine is None else engine(program).stream


def frame_of(program, length):
    """A quantiser that is none: rows hold int8 numbers already; a window of several rows is read as channels x time."""

    def prepare(rows):
        return rows.astype(np.int8).reshape(1, *program.input_shape)

    return prepare


def classifier(program, runner, hop, rule=None, temporal=False):
    size = math.prod(program.input_shape)
    windows = Windows(program.steps if temporal else 1, hop, size)
    return Classifier(
        program, stepper(program, runner), frame_of(program, 1), windows, rule, temporal=temporal
    )


def stream_rows(program, seed, count):
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (count, math.prod(program.input_shape))).astype(np.float32)


def facts(decisions):
    return [(d.start, d.end, d.index, d.steps, d.margin, d.confidence, d.readout.tolist()) for d in decisions]


def capped(rule, program):
    return EarlyRule(rule.confidence, min(rule.patience, program.steps), min(rule.min_steps, program.steps))


@pytest.mark.parametrize("runner", RUNNERS)
@settings(max_examples=15, deadline=None)
@given(programs, seeds, hops)
def test_without_an_early_rule_every_window_is_what_a_whole_run_gives(runner, program, seed, hop):
    x = stream_rows(program, seed, 12)
    found = classifier(program, runner, hop).push(x)
    frames = x[::hop].astype(np.int8).reshape(-1, *program.input_shape)
    expected = program.run(frames)
    assert [d.index for d in found] == expected.predictions.tolist()
    np.testing.assert_array_equal([d.readout for d in found], expected.logits)
    assert [(d.start, d.end, d.steps) for d in found] == [
        (s, s + 1, program.steps) for s in range(0, 12, hop)
    ]


@pytest.mark.parametrize("runner", RUNNERS)
@settings(max_examples=15, deadline=None)
@given(programs, seeds, hops)
def test_windows_of_a_temporal_program_overlap_and_equal_runs_of_their_frames(runner, program, seed, hop):
    count, steps = 14, program.steps
    x = stream_rows(program, seed, count)
    found = classifier(program, runner, hop, temporal=True).push(x)
    starts = range(0, count - steps + 1, hop)
    assert [(d.start, d.end, d.steps) for d in found] == [(s, s + steps, steps) for s in starts]
    for decision in found:
        frames = x[decision.start : decision.end].astype(np.int8).reshape(steps, 1, *program.input_shape)
        expected = program.run(frames)
        np.testing.assert_array_equal(decision.readout, expected.logits[0])
        assert decision.index == expected.predictions[0]


@settings(max_examples=25, deadline=None)
@given(programs, seeds, hops, cuts, rules, st.booleans(), st.integers(0, 12))
def test_pieces_and_a_change_over_make_no_difference(program, seed, hop, at, rule, temporal, change):
    x, rule = stream_rows(program, seed, 20), capped(rule, program)
    runner = None if unavailable() else Engine
    whole = classifier(program, runner, hop, rule, temporal).push(x)
    found, one = [], classifier(program, runner, hop, rule, temporal)
    for number, piece in enumerate(pieces_of(x, at)):
        if number == change:
            other = classifier(program, runner, hop, rule, temporal)
            other.state = one.state
            one.push(x)  # spoils the first one
            one = other
        found += one.push(piece)
    assert facts(found) == facts(whole)
    assert one.seen == 20


@settings(max_examples=40, deadline=None)
@given(programs, seeds, rules)
def test_the_rule_is_the_same_by_steps_and_by_recorded_readouts(program, seed, rule):
    x, rule = stream_rows(program, seed, 6), capped(rule, program)
    found = classifier(program, None, 1, rule).push(x)
    frames = x.astype(np.int8).reshape(-1, *program.input_shape)
    readouts = program.run(frames, record=True).membranes[program.output]
    classes, steps = decide(readouts, program.output_unit, rule)
    assert [d.index for d in found] == classes.tolist()
    assert [d.steps for d in found] == steps.tolist()


def test_the_rule_by_hand():
    """Two classes a distance d apart in the mean have the probability 1 / (1 + e^-d)."""
    # sums after 1, 2, 3, 4 steps; means: 2 : 0, 1 : 0, 1 : 2, 1 : 3; probabilities .88, .73, .73, .88
    sums = np.array([[2, 0], [2, 0], [3, 6], [4, 12]], np.int32)[:, None]
    np.testing.assert_allclose(probabilities(sums[0, 0], 1.0, 1)[0], 1 / (1 + math.exp(-2)))
    for settings_, expected in (
        ((None, 1, 1), (1, 4)),
        ((0.8, 1, 1), (0, 1)),
        ((0.8, 1, 2), (1, 4)),  # the second step is not sure, the third neither
        ((0.7, 2, 1), (0, 2)),
        ((0.7, 2, 3), (1, 4)),  # another class begins a new streak at step 3
        ((0.7, 1, 3), (1, 3)),
        ((0.7, 3, 1), (1, 4)),
    ):
        classes, steps = decide(sums, 1.0, EarlyRule(*settings_))
        assert (classes[0], steps[0]) == expected, settings_


def test_a_step_that_is_not_sure_begins_the_row_of_steps_again():
    """Means 2, 1, 2, 2, 2 before 0: sure at steps 1, 3, 4 and 5."""
    sums = np.array([[2, 0], [2, 0], [6, 0], [8, 0], [10, 0]], np.int32)[:, None]
    assert decide(sums, 1.0, EarlyRule(0.8, patience=2))[1] == [4]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("change", range(9))
def test_windows_in_progress_are_part_of_the_state(runner, change):
    """T = 4, hop 1: up to three windows are open at any time; each has the sum of its own frames."""
    program, x = two_classes(), np.arange(9, dtype=np.float32)[:, None]
    first = classifier(program, runner, 1, temporal=True)
    found = first.push(x[:change])
    assert first.pending == min(change, 3)
    other = classifier(program, runner, 1, temporal=True)
    other.state = first.state
    first.push(x)
    found += other.push(x[change:])
    assert [d.readout.tolist() for d in found] == [[0, 6], [0, 10], [0, 14], [0, 18], [0, 22], [0, 26]]


def test_margins_are_integers():
    assert margin(np.array([5, -3, 4], np.int32)) == 1
    assert margin(np.array([2**31 - 1, -(2**31)], np.int32)) == 2**32 - 1
    assert margin(np.array([7], np.int32)) == 0


@pytest.mark.parametrize("confidence", [0, -0.1, 1.01, math.nan])
def test_a_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(ConfigurationError, match=r"confidence is .*, expected a probability"):
        EarlyRule(confidence)


def two_classes(steps=4):
    """Read-out grows by x for class b and by 0 for class a, at every step."""
    operations = (
        Input("x", (1,)),
        Linear("w", "x", np.array([[0], [1]], np.int8)),
        Accumulate("y", "w", 0, np.zeros(2, np.int32)),
    )
    return IntegerProgram(operations, InputQuantizer.identity(1), steps, 16, ("a", "b"), 1.0, {})


def test_latency_is_what_the_clock_says():
    """Each look at the clock is one second: a window begins, then two looks around each step, then one at the end."""
    ticks = iter(range(100))
    program = two_classes()
    one = Classifier(
        program,
        lambda: InterpretedStream(program),
        lambda rows: rows.astype(np.int8),
        Windows(1, 1, 1),
        EarlyRule(0.9, patience=2),
        clock=lambda: float(next(ticks)),
    )
    sure, unsure = one.push(np.array([[9], [1]], np.float32))
    assert (sure.steps, sure.step_seconds, sure.seconds) == (2, (1.0, 1.0), 5.0)
    assert (unsure.steps, unsure.seconds) == (4, 9.0)
    assert one.busy == 14.0


def test_steps_without_an_early_rule_are_one_call_and_with_one_the_window_is_shown_once():
    calls = []

    class Counted(InterpretedStream):
        def step(self, frame, steps=1, *, keep=False):
            calls.append(("step", steps, keep))
            return super().step(frame, steps, keep=keep)

        def again(self, steps=1):
            calls.append(("again", steps))
            result = super().again(steps)
            calls.pop()  # how the interpreter does it
            return result

    program = two_classes()
    shown = [("step", 1, True), ("again", 1), ("again", 1), ("again", 1)]
    for rule, expected in ((None, [("step", 4, False)]), (EarlyRule(1.0), shown)):
        calls.clear()
        prepare = frame_of(program, 1)
        Classifier(program, lambda: Counted(program), prepare, Windows(1, 1, 1), rule).push(
            np.ones((1, 1), np.float32)
        )
        assert calls == expected


def test_what_does_not_fit_the_program_is_refused():
    program = two_classes()
    with pytest.raises(ProgramError, match=r"windows of 3 rows, expected 4, one for each step"):
        Classifier(
            program, lambda: InterpretedStream(program), frame_of(program, 1), Windows(3, 1, 1), temporal=True
        )
    with pytest.raises(ProgramError, match="min_steps is 5, expected"):
        classifier(program, None, 1, EarlyRule(0.5, 1, 5))


@needs_engine
def test_a_frame_shown_for_several_steps_is_that_many_steps():
    program = two_classes()
    stream, single = Engine(program).stream(), Engine(program).stream()
    frame = np.array([[3]], np.int8)
    several = stream.step(frame, 3)
    for _ in range(3):
        each = single.step(frame)
    assert several.tolist() == each.tolist() == [[0, 9]]
    assert stream.steps == 3
    with pytest.raises(
        ProgramError, match="3 steps made and 14 more asked for, expected at most max_steps=16"
    ):
        stream.step(frame, 14)
    with pytest.raises(ProgramError, match="stream: steps is 0"):
        stream.step(frame, 0)


def test_percentiles_are_of_the_last_durations_and_the_largest_of_all():
    latency = Latency()
    assert latency.percentile(50) == 0.0
    latency.add(9999.0)
    for n in range(KEPT):
        latency.add(float(n + 1))
    assert (latency.count, latency.largest) == (KEPT + 1, 9999.0)
    assert latency.percentile(50) == KEPT / 2
    assert latency.percentile(100) == KEPT
