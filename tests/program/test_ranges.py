from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.errors import ProgramError, RangeError
from shiftlif.program import (
    Accumulate,
    Conv,
    Flatten,
    Input,
    Linear,
    Neuron,
    analyse,
    initial_state,
    largest_safe_steps,
    membrane,
    run,
    step,
    with_proven_widths,
)
from shiftlif.program.interpreter import fire
from shiftlif.program.membrane import EXACT_STEPS, Interval, membrane_range
from shiftlif.program.shift_add import convolve, linear

from .examples import frames, tiny
from .strategies import programs, random_frames, random_neuron, seeds


def per_channel(interval, like):
    column = (-1, *([1] * (like.ndim - 2)))
    return interval.low.reshape(column), interval.high.reshape(column)


def inside(interval, values):
    low, high = per_channel(interval, values)
    return bool(np.all((low <= values) & (values <= high)))


@settings(max_examples=80, deadline=None)
@given(programs, seeds)
def test_no_wire_and_no_membrane_ever_leaves_its_proven_range(program, seed):
    x = random_frames(program, seed, batch=4, steps=program.max_steps)
    state = initial_state(program, 4)
    for t in range(program.max_steps):
        _, state, wires = step(program, x[t], state)
        for op in program.operations:
            reached = program.ranges[op.name]
            assert inside(reached.output, wires[op.name]), op
            if isinstance(op, Neuron):
                assert inside(reached.after, state[op.name])
                assert np.abs(state[op.name]).max() < 2 ** (op.membrane_bits - 1)


def test_an_all_maximum_input_reaches_the_bound_of_a_dense_layer_and_not_beyond():
    weight = np.array([[127, -127, 3], [-1, -2, 0]], np.int8)
    ops = (
        Input("x", (3,)),
        Linear("w", "x", weight),
        Accumulate("y", "w", 1, np.array([5, 5], np.int32)),
    )
    ranges = analyse(ops, 2)
    assert ranges["w"].output.high.tolist() == [127 * 127 + 127 * 128 + 3 * 127, 128 + 256]
    assert ranges["w"].output.low.tolist() == [-128 * 127 - 127 * 127 - 3 * 128, -127 - 254]
    assert ranges["w"].accumulator == 128 * (127 + 127 + 3)
    worst = np.where(weight > 0, 127, -128)
    assert np.diag(linear(weight, worst)).tolist() == ranges["w"].output.high.tolist()
    least = np.where(weight > 0, -128, 127)
    assert np.diag(linear(weight, least)).tolist() == ranges["w"].output.low.tolist()
    assert ranges["y"].output.high.tolist() == [
        2 * (2 * (127 * 127 + 127 * 128 + 381) + 5),
        2 * (2 * 384 + 5),
    ]


def test_an_all_maximum_input_reaches_the_bound_of_a_grouped_convolution():
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, size=(4, 2, 3)).astype(np.int8)
    ops = (
        Input("x", (4, 9)),
        Conv("w", "x", weight, (2,), (0,), (2,), 2),
        Flatten("f", "w"),
        Accumulate("y", "f", 0, np.zeros(12, np.int32)),
    )
    reached = analyse(ops, 1)["w"].output
    for channel in range(4):
        x = np.zeros((1, 4, 9), np.int64)
        group = slice(2 * (channel // 2), 2 * (channel // 2) + 2)
        x[0, group, 0:5:2] = np.where(weight[channel] > 0, 127, -128)
        assert convolve(weight, x, (2,), (0,), (2,), 2)[0, channel, 0] == reached.high[channel]
    assert analyse(ops, 1)["f"].output.high.tolist() == np.repeat(reached.high, 3).tolist()


def test_padding_lets_a_tap_be_zero():
    weight = np.array([[[1, 1, 1]]], np.int8)
    always_on = Neuron(
        "n", "x", 0, 0, np.array([200], np.int32), np.array([[-9, 0]], np.int32),
        np.zeros((1, 3), np.int32), np.array([-2, 0, 5], np.int32), "hard",
    )  # fmt: skip
    ops = [Input("x", (1, 4)), always_on, Conv("w", "n", weight, (1,), (1,), (1,))]
    ops += [Flatten("f", "w"), Accumulate("y", "f", 0, np.zeros(4, np.int32))]
    assert (analyse(ops, 1)["n"].low, analyse(ops, 1)["n"].high) == (5, 5)
    assert (analyse(ops, 1)["w"].low, analyse(ops, 1)["w"].high) == (0, 15)


def test_the_worst_input_reaches_the_proven_membrane_of_an_integrator_exactly():
    program = tiny(leak_shift=None, max_steps=5, steps=5, weight=1)
    reached = program.ranges["neuron"]
    high = run(program, frames(*[127] * 5), record=True)
    assert high.membranes["neuron"].ravel().tolist() == [119, 238, 357, 476, 595]
    assert reached.after.high.tolist() == [595]
    assert reached.before.high.tolist() == [476 + 127]
    low = run(program, frames(*[-128] * 5), record=True)
    assert low.membranes["neuron"].ravel()[-1] == reached.after.low[0] == -640
    assert program.ranges["y"].high == run(program, frames(*[127] * 5)).logits[0, 0] == 5 * 7


def test_a_leaky_membrane_converges_to_the_fixpoint_the_worst_input_reaches():
    program = tiny(leak_shift=1, max_steps=2**16, membrane_bits=32)
    reached = program.ranges["neuron"]
    result = run(program, frames(*[-128] * 40), record=True)
    assert result.membranes["neuron"].min() == reached.after.low[0]
    assert reached.before.high[0] == run_before_maximum(program)
    assert reached.before.high[0] < 2 * 127 + 2


def run_before_maximum(program):
    """The largest membrane before emission: what is left after reset, leaked, plus 127."""
    rest = run(program, frames(*[127] * 40), record=True).membranes["neuron"].max()
    return int(rest) - (int(rest) >> 1) + 127


def test_only_reachable_letters_are_on_the_wire():
    # silent input, membrane cleared at every step: the bias alone decides, and 6 lies between 4 and 8
    def letters(bias):
        ops = list(tiny(leak_shift=0, bias=np.array([bias], np.int32)).operations)
        ops[1] = Linear("current", "x", np.array([[0]], np.int8))
        reached = analyse(ops, 9)["neuron"]
        return reached.low, reached.high

    assert [letters(bias) for bias in (0, 3, 4, 6, 8)] == [(0, 0), (0, 0), (1, 1), (1, 1), (2, 2)]


@settings(max_examples=150, deadline=None)
@given(seeds, st.integers(1, 60), st.integers(-3000, 3000), st.integers(0, 2000))
def test_the_closed_form_never_undercuts_the_exact_recurrence(seed, steps, low, width):
    unit = random_neuron(np.random.default_rng(seed), "n", "x", 2)
    current = Interval(np.array([low, -low]), np.array([low + width, -low + width]))
    exact = membrane_range(unit, current, steps)
    original, membrane.EXACT_STEPS = membrane.EXACT_STEPS, 3
    try:
        quick = membrane_range(unit, current, steps)
    finally:
        membrane.EXACT_STEPS = original
    for tight, loose in (
        (exact.before, quick.before),
        (exact.after, quick.after),
        (exact.letters, quick.letters),
    ):
        assert np.all(loose.low <= tight.low)
        assert np.all(loose.high >= tight.high)


@settings(max_examples=100, deadline=None)
@given(seeds, st.integers(-3000, 3000), st.integers(0, 2000))
def test_random_currents_stay_within_the_membrane_range(seed, low, width):
    rng = np.random.default_rng(seed)
    unit = random_neuron(rng, "n", "x", 1)
    scaled = Interval(np.array([low]), np.array([low + width])).scaled(
        unit.current_shift, unit.bias.astype(np.int64)
    )
    reached = membrane_range(unit, scaled, 12)
    v = np.zeros((64, 1), np.int32)
    for _ in range(12):
        ends = rng.random((64, 1)) < 0.7
        x = np.where(
            ends,
            np.where(rng.random((64, 1)) < 0.5, low, low + width),
            rng.integers(low, low + width + 1, (64, 1)),
        )
        letters, v = fire(unit, v, x.astype(np.int32))
        assert inside(reached.after, v)
        assert inside(reached.letters, letters)


def test_growth_beyond_the_exact_steps_is_extrapolated_tightly():
    reached = tiny(leak_shift=None, max_steps=10 * EXACT_STEPS, membrane_bits=32).ranges["neuron"]
    assert reached.after.high[0] == 10 * EXACT_STEPS * (127 - 8)
    assert reached.after.low[0] == -10 * EXACT_STEPS * 128


def test_the_readout_limits_the_number_of_steps():
    ops = tiny(leak_shift=0, membrane_bits=32).operations
    wide = (*ops[:-1], Accumulate("y", "readout", 24, np.array([0], np.int32)))
    # y grows by at most 6 << 24 per step; 2^31 - 1 holds 21 of them
    assert (2**31 - 1) // (6 << 24) == 21
    assert largest_safe_steps(wide) == 21
    analyse(wide, 21)
    with pytest.raises(
        RangeError, match=r"Accumulate 'y': its accumulator can reach a magnitude of .* 22 steps"
    ):
        analyse(wide, 22)


def test_largest_safe_steps_is_the_limit_when_nothing_grows_and_refuses_when_one_step_is_too_many():
    ops = tiny(leak_shift=0, membrane_bits=32).operations
    assert largest_safe_steps(ops, 1000) == 1000
    with pytest.raises(RangeError, match="Accumulate 'y'"):
        largest_safe_steps((*ops[:-1], Accumulate("y", "readout", 30, np.array([0], np.int32))))
    with pytest.raises(ProgramError, match="limit"):
        largest_safe_steps(ops, 0)


def test_widths_are_16_bits_exactly_where_proven():
    def widths(steps, **changes):
        operations = with_proven_widths(tiny(leak_shift=None, membrane_bits=32, **changes).operations, steps)
        return [op.membrane_bits for op in operations if isinstance(op, Neuron)]

    # the lower end falls by 128 per step: -32640 after 255 steps fits, -32768 after 256 does not
    assert widths(255) == [16]
    assert widths(256) == [32]


def test_a_16_bit_membrane_that_could_overflow_is_refused_by_name():
    with pytest.raises(
        RangeError, match=r"Neuron 'neuron': its membrane .* expected at most 32767 for 16 bits"
    ):
        tiny(leak_shift=None, max_steps=300)


@pytest.mark.parametrize("max_steps", [0, 2**20 + 1, None, 1.0])
def test_max_steps_must_be_in_range(max_steps):
    with pytest.raises(ProgramError, match="max_steps"):
        analyse(tiny().operations, max_steps)


def test_a_chain_of_dense_layers_overflows_at_the_layer_that_does():
    full = np.full((1, 1), 127, np.int8)
    ops = [Input("x", (1,))]
    ops += [Linear(f"w{i}", ops[-1].name if i == 0 else f"w{i - 1}", full) for i in range(5)]
    ops.append(Accumulate("y", "w4", 0, np.zeros(1, np.int32)))
    with pytest.raises(RangeError, match="Linear 'w3'"):  # 128 * 127^4 > 2^31 > 128 * 127^3
        analyse(ops, 1)


def signed(**changes):
    """Letters -1, 0, 1 at thresholds -7 and 8 with resets of 100; long enough for the closed form."""
    return tiny(
        leak_shift=None,
        max_steps=10 * EXACT_STEPS,
        membrane_bits=32,
        thresholds=np.array([[-7, 8]], np.int32),
        resets=np.array([[-100, 0, 100]], np.int32),
        letters=np.array([-1, 0, 1], np.int32),
        **changes,
    ).ranges["neuron"]


def test_negative_letters_take_from_the_growth_below_what_positive_ones_take_above():
    reached = signed()
    # the first step reaches furthest by firing the other way: 8 - 100 and -8 + 100
    assert reached.after.low[0] == -92 - (10 * EXACT_STEPS - 1) * (128 - 100)
    assert reached.after.high[0] == 92 + (10 * EXACT_STEPS - 1) * (127 - 100)


def test_a_hard_reset_bounds_a_membrane_without_a_leak_on_both_sides():
    reached = signed(reset="hard")
    assert (reached.after.low[0], reached.after.high[0]) == (-7, 7)
    assert (reached.before.low[0], reached.before.high[0]) == (-7 - 128, 7 + 127)
