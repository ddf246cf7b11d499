"""The engine computes what the interpreter computes: every letter, membrane, answer and state, on every path."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.program import (
    Accumulate,
    Conv,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    Neuron,
    with_proven_widths,
)
from shiftlif.runtime import Engine, lower, paths
from shiftlif.runtime.plan import ADD, MAX_POOL, NEURON, READOUT, RESHAPE, SUM_POOL, SYNAPSE
from tests.program.strategies import programs, random_frames, seeds
from tests.runtime.comparison import needs_engine, require_same
from tests.runtime.programs import ALPHABETS, CHANNELS, Builder, flattened, frames_of, large_program

pytestmark = needs_engine
LARGE = range(80)


def both_forms(program, frames, seed):
    """Frames and steps: one frame that is shown again and again, and a frame for every step."""
    yield frames(program, seed, 2), None
    yield frames(program, seed, 2), min(program.max_steps, 3)
    yield frames(program, seed, 3, steps=min(program.max_steps, 4)), None


def require_equal_everywhere(program, frames, seed):
    for x, steps in both_forms(program, frames, seed):
        expected = program.run(x, steps, record=True)
        for path in paths():
            require_same(Engine(program, path=path), x, expected, steps)


@settings(max_examples=50, deadline=None)
@given(programs, seeds)
def test_small_random_programs_are_equal_on_every_path(program, seed):
    require_equal_everywhere(program, random_frames, seed)


@pytest.mark.parametrize("seed", LARGE)
def test_larger_random_programs_are_equal_on_every_path(seed):
    require_equal_everywhere(large_program(seed), frames_of, seed)


def test_the_larger_programs_hold_every_case_they_are_there_for():
    made = [large_program(seed) for seed in LARGE]
    neurons = [op for program in made for op in program.neurons]
    assert {len(op.bias) for op in neurons} >= set(CHANNELS)
    assert {op.thresholds.shape[1] for op in neurons} == {a.n_levels - 1 for a in ALPHABETS}
    assert {op.leak_shift for op in neurons} == {None, 0, 2, 24}
    assert {(op.membrane_bits, op.reset) for op in neurons} == {
        (b, r) for b in (16, 32) for r in ("soft", "hard")
    }
    assert max(op.current_shift for op in neurons) > 16
    assert any(op.letters[0] < 0 for op in neurons)
    plans = [lower(program) for program in made]
    steps = [(plan, step) for plan in plans for step in plan.steps]
    assert {step.kind for _, step in steps} >= {SYNAPSE, NEURON, SUM_POOL, MAX_POOL, ADD, RESHAPE}
    synapses = [(plan.wires[step.source], step.synapse) for plan, step in steps if step.synapse is not None]
    assert {wire.bytes for wire, _ in synapses} == {1, 2, 4}
    assert any(s.groups > 1 for _, s in synapses)
    assert any(prod(s.rows.shape[1:3]) > 2 * s.chunk for _, s in synapses)
    for field in ("stride", "dilation"):
        assert {max(getattr(s, field)) for _, s in synapses} >= {1, 2, 3}
    assert {max(s.padding) for _, s in synapses} >= {0, 1, 2, 4}
    sums = {
        (plan.wires[s.source].bytes, plan.wires[s.target].bytes) for plan, s in steps if s.kind == SUM_POOL
    }
    assert sums >= {(1, 1), (1, 2), (2, 2), (2, 4), (4, 4)}


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("positions", [1, 2, 7, 8, 9, 15, 17])
@pytest.mark.parametrize("channels", [15, 16, 17])
def test_every_number_of_positions_is_equal_where_two_of_16_channels_share_a_register(
    channels, positions, bits
):
    build = Builder(channels * positions, max_steps=5)
    build.input((2, positions))
    weight = build.weight((channels, 2, 1), 7 if bits == 16 else 127)
    build.ops.append(Conv("conv", "input", weight, (1,), (0,), (1,)))
    build.shape, build.peak = (channels, positions), 128 * 14
    neuron = Neuron(
        name="neuron",
        source="conv",
        leak_shift=3,
        current_shift=0 if bits == 16 else 8,
        bias=build.rng.integers(-9, 9, channels).astype(np.int32),
        thresholds=np.sort(build.rng.integers(-200, 900, (channels, 4))).astype(np.int32),
        resets=np.tile(np.array([-90, 0, 60, 300, 700], np.int32), (channels, 1)),
        letters=np.array([-1, 0, 1, 2, 4], np.int32),
        membrane_bits=bits,
    )
    build.ops.append(neuron)
    build.peak = 4
    build.flatten()
    program = build.program(3, steps=4)
    assert program.neurons[0].membrane_bits == bits
    x = frames_of(program, positions, 2)
    expected = program.run(x, record=True)
    for path in paths():
        for cached in (True, False):  # the neuron by itself, and fused behind the convolution
            require_same(Engine(program, path=path, plan=lower(program, cached=cached)), x, expected)


@pytest.mark.parametrize(("shift", "leak"), [(30, None), (29, 24), (28, 0)])
def test_the_largest_shifts_are_equal(shift, leak):
    first = Neuron(
        "spike",
        "in",
        None,
        0,
        np.zeros(20, np.int32),
        np.full((20, 1), 1, np.int32),
        np.zeros((20, 2), np.int32),
        np.array([0, 1], np.int32),
    )
    second = Neuron(
        "wide",
        "one",
        leak,
        shift,
        np.zeros(20, np.int32),
        np.full((20, 1), 2**shift, np.int32),
        np.tile(np.array([0, 2**shift - 5], np.int32), (20, 1)),
        np.array([0, 1], np.int32),
    )
    operations = (
        Input("x", (20,)),
        Linear("in", "x", np.eye(20, dtype=np.int8)),
        first,
        Linear("one", "spike", np.eye(20, dtype=np.int8)),
        second,
        Linear("sum", "wide", np.ones((1, 20), np.int8)),
        Accumulate("y", "sum", 0, np.zeros(1, np.int32)),
    )
    steps = 1 if shift == 30 else 2
    program = IntegerProgram(
        with_proven_widths(operations, steps), InputQuantizer.identity(20), steps, steps, ("a",)
    )
    x = np.arange(-10, 10, dtype=np.int8)[None]
    expected = program.run(x, record=True)
    assert expected.membranes["wide"].max() >= 5
    for path in paths():
        require_same(Engine(program, path=path), x, expected)


@pytest.mark.parametrize("readers", ["linear", "neuron", "both"])
def test_a_flattened_wire_is_read_in_the_order_of_the_frame_whoever_reads_it(readers):
    program = flattened(readers)
    assert any(step.kind == RESHAPE for step in lower(program).steps) == (readers != "linear")
    require_equal_everywhere(program, frames_of, 5)


@pytest.mark.parametrize("seed", [1, 3, 4, 22, 35])
def test_every_plan_of_a_program_gives_the_same(seed):
    program = large_program(seed)
    x = frames_of(program, seed, 2)
    expected = program.run(x, program.max_steps, record=True)
    arenas = set()
    for cached in (True, False):
        for rows in (1, 2, 7, 100, 255, 256):
            plan = lower(program, cached=cached, rows=rows)
            arenas.add(plan.arena_size)
            for path in (paths()[0], "portable"):
                require_same(Engine(program, path=path, plan=plan), x, expected, program.max_steps)
    assert len(arenas) > 1


@settings(max_examples=15, deadline=None)
@given(programs, seeds, st.integers(1, 256), st.booleans())
def test_any_chunk_and_cache_gives_the_same(program, seed, rows, cached):
    x = random_frames(program, seed, 2)
    plan = lower(program, rows=rows, cached=cached)
    require_same(Engine(program, path="portable", plan=plan), x, program.run(x, record=True))


def test_a_readout_that_reads_no_synapse_is_equal():
    """A plan with a read-out of its own: the neuron's letters are the currents."""
    operations = [
        Input("x", (3,)),
        Neuron(
            "n",
            "x",
            1,
            0,
            np.zeros(3, np.int32),
            np.full((3, 1), 40, np.int32),
            np.full((3, 2), (0, 40), np.int32),
            np.array([0, 1], np.int32),
        ),
        Accumulate("y", "n", 2, np.array([1, 0, -1], np.int32)),
    ]
    program = IntegerProgram(
        with_proven_widths(operations, 6), InputQuantizer.identity(3), 4, 6, ("a", "b", "c")
    )
    assert [step.kind for step in lower(program).steps] == [NEURON, READOUT]
    require_equal_everywhere(program, frames_of, 2)
