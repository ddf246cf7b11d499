"""Lists of events in place of frames: the same letters and membranes, and one add for each event and tap."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from shiftlif.data.events import EVENT
from shiftlif.errors import ProgramError
from shiftlif.program import (
    Conv,
    Input,
    InputQuantizer,
    Linear,
    MaxPool,
    event_adds,
    frame_of,
    load,
    measure,
    run_events,
    save,
    step_events,
)
from shiftlif.program.events import event_current
from shiftlif.runtime import lower, unavailable
from tests.data.events.layouts import evt3
from tests.program.events import counting, listed, random_counts, small
from tests.program.strategies import random_program, seeds


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_lists_give_the_letters_and_membranes_of_their_frames(seed):
    program = counting(seed, (1, 3, 127)[seed % 3])
    frames = random_counts(program, seed)
    dense = program.run(frames[:, None], record=True)
    sparse = run_events(program, listed(program, frames), record=True)
    assert sparse.logits.tolist() == dense.logits.tolist()
    for name, letters in dense.letters.items():
        assert np.array_equal(sparse.letters[name], letters)
    for name, membranes in dense.membranes.items():
        assert np.array_equal(sparse.membranes[name], membranes)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_binary_frames_cost_an_add_for_each_event_and_connection(seed):
    program = counting(seed, 1)
    frames = random_counts(program, seed)
    lists = listed(program, frames)
    first = {
        op.name
        for op in program.operations
        if isinstance(op, (Conv, Linear)) and op.source in ("input", "flatten")
    }
    first &= {next(op.name for op in program.operations if isinstance(op, (Conv, Linear)))}
    layers = [layer for layer in measure(program, frames[:, None]).layers if layer.name in first]
    assert event_adds(program, lists) == sum(layer.adds for layer in layers)
    assert all(layer.adds == layer.synaptic_operations and layer.shifts == 0 for layer in layers)


def test_every_event_adds_each_weight_that_it_meets_once():
    # Kernel 3, padding 1: column 0 meets taps 1 and 0 of the outputs 0 and 1; column 2 three of 1, 2 and 3.
    weight = np.array([[[1, 10, 100]]], np.int8)
    conv = Conv("conv", "input", weight, (1,), (1,), (1,))
    assert event_current(conv, (1, 4), np.array([0])).tolist() == [[[10, 1, 0, 0]]]
    assert event_current(conv, (1, 4), np.array([2, 2])).tolist() == [[[0, 200, 20, 2]]]


def events(*rows):
    return np.array([(0, x, y, p) for x, y, p in rows], EVENT)


def test_more_events_than_the_limit_at_one_place_count_as_so_many():
    program = small(2)
    lists = [events((1, 2, 0), (1, 2, 0), (1, 2, 0), (3, 4, 1))]
    frame = frame_of(program, lists[0])
    assert frame[0, 0, 2, 1] == 2
    assert frame.sum() == 3
    assert run_events(program, lists).logits.tolist() == program.run(frame[None]).logits.tolist()


def test_a_silent_step_is_a_step():
    program = small(1)
    logits, state = step_events(program, events((1, 2, 0)))
    _, state = step_events(program, events(), state)
    assert int(state["steps"]) == 2
    frames = np.concatenate([frame_of(program, events((1, 2, 0)))[None], np.zeros((1, 1, 2, 5, 6), np.int8)])
    assert (
        program.run(frames).logits.tolist()
        == step_events(program, events(), step_events(program, events((1, 2, 0)))[1])[0].tolist()
    )
    assert logits.shape == (1, 3)


@pytest.mark.skipif(unavailable() is not None, reason="no engine")
def test_a_stream_takes_lists():
    program = small(1)
    rng = np.random.default_rng(1)
    lists = listed(program, random_counts(program, 5, steps=6))
    stream = program.engine().stream()
    for each in lists:
        sums = stream.step_events(rng.permutation(each))
    assert sums.tolist() == run_events(program, lists).logits.tolist()


def test_a_first_layer_of_counts_has_a_list_for_each_digit_that_can_be():
    lists = {limit: lower(small(limit)).steps[0].synapse.lists for limit in (1, 2, 127)}
    assert lists == {1: 1, 2: 2, 127: 16}  # 127 = 128 - 1: digits may be negative


def test_what_is_no_event_of_the_frame_is_named():
    program = small(1)
    with pytest.raises(ProgramError, match=r"event 1 .* has x = 6, expected 0 to 5"):
        step_events(program, events((1, 2, 0), (6, 2, 0)))
    with pytest.raises(ProgramError, match=r"event 0 .* has p = 2, expected 0 to 1"):
        frame_of(program, events((1, 2, 2)))
    with pytest.raises(ProgramError, match="expected a structured array"):
        step_events(program, np.zeros((1, 2, 5, 6), np.int8))
    with pytest.raises(ProgramError, match="one for every step"):
        run_events(program, [])


def test_a_program_of_other_frames_takes_no_lists():
    program = random_program(3)
    with pytest.raises(ProgramError, match="expected counts as they are"):
        step_events(program, events((0, 0, 0)))


def test_a_pool_on_the_frame_is_named():
    program = small(1)
    operations = (
        program.operations[0],
        MaxPool("pool", "input", (1, 1), (1, 1)),
        replace(program.operations[1], source="pool"),
        *program.operations[2:],
    )
    pooled = replace(program, operations=operations)
    with pytest.raises(ProgramError, match="the frame is read by 'pool'"):
        step_events(pooled, events((1, 2, 0)))


@pytest.mark.skipif(unavailable() is not None, reason="no engine")
@pytest.mark.parametrize("value", [-1, 2])
def test_frames_beyond_the_range_of_the_input_are_refused(value):
    program = small(1)
    frame = np.zeros((1, 2, 5, 6), np.int8)
    engine = program.engine()
    bound = engine.bind(frame)
    assert bound().tolist() == program.run(frame).logits.tolist()
    frame[0, 1, 2, 3] = value
    calls = (program.run, program.step, engine.logits, engine.run, engine.stream().step, lambda _: bound())
    for call in calls:
        with pytest.raises(ProgramError, match=r"values reach from .*, expected 0 to 1"):
            call(frame)


def test_the_range_of_the_input_is_kept_in_the_model_file_and_proves_more(tmp_path):
    program = small(1)
    save(program, tmp_path / "x")
    loaded = load(tmp_path / "x")
    assert (loaded.input.low, loaded.input.high) == (0, 1) == (loaded.quantizer.low, loaded.quantizer.high)
    assert loaded.digest() == program.digest()
    whole = replace(
        program,
        operations=(
            Input("input", (2, 5, 6)),
            *program.operations[1:2],
            replace(program.neurons[0], membrane_bits=32),
            *program.operations[3:],
        ),
        quantizer=InputQuantizer.identity(2),
    )
    assert program.ranges["conv"].high * 127 <= whole.ranges["conv"].high
    assert program.neurons[0].membrane_bits == 16


def test_quantizer_and_input_must_agree():
    program = small(1)
    with pytest.raises(
        ProgramError, match=r"quantizer range is \(0, 3\), expected \(0, 1\), as the Input has"
    ):
        replace(program, quantizer=InputQuantizer.counts(2, 3))


def test_counts_beyond_the_limit_are_clipped():
    quantizer = InputQuantizer.counts(1, 3)
    assert quantizer.quantize(np.array([[[0, 1, 3, 4, 300]]])).tolist() == [[[0, 1, 3, 3, 3]]]
    for limit in (0, 128):
        with pytest.raises(ProgramError, match="limit"):
            InputQuantizer.counts(1, limit)


@pytest.mark.skipif(unavailable() is not None, reason="no engine")
def test_the_python_blocks_of_the_page_on_events_run(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    reading, feeding = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    header = b"% evt 3.0\n% geometry 6x5\n% end\n"
    Path("hand.raw").write_bytes(evt3([(t, t % 6, t % 5, t % 2) for t in range(30)], header))
    small(1).save("program.safetensors")
    names: dict[str, object] = {}
    exec(compile(reading, "events.md", "exec"), names)
    assert names["frames"].shape == (4, 2, 5, 6)
    exec(compile(feeding, "events.md", "exec"), names)
    assert names["scores"].tolist() == names["result"].logits.tolist()
