"""The cases that every rendering has to pass (SPEC 7): boundaries, -1, the proven bound, silence and saturation."""

import numpy as np
import pytest

from shiftlif.program import (
    Accumulate,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    Neuron,
    with_proven_widths,
)
from shiftlif.runtime import Engine, paths, require_equal
from tests.runtime.comparison import needs_engine

pytestmark = needs_engine
EVERY_PATH = pytest.mark.parametrize("path", paths())
WIDTHS = pytest.mark.parametrize("bits", [16, 32])
MANY = 37  # channels: full registers and a rest, at every width


def identity_program(bits=16, leak=1, max_steps=4, **changes):
    """Input n -> current n -> neurons with letters 0, 1, 2 at thresholds 4 and 8 -> one sum of all letters."""
    tables = {
        "bias": np.zeros(MANY, np.int32),
        "thresholds": np.full((MANY, 2), (4, 8), np.int32),
        "resets": np.full((MANY, 3), (0, 4, 8), np.int32),
        "letters": np.array([0, 1, 2], np.int32),
        "membrane_bits": bits,
    } | changes
    operations = (
        Input("x", (MANY,)),
        Linear("current", "x", np.eye(MANY, dtype=np.int8)),
        Neuron("neuron", "current", leak, 0, **tables),
        Linear("sum", "neuron", np.ones((1, MANY), np.int8)),
        Accumulate("y", "sum", 0, np.zeros(1, np.int32)),
    )
    return IntegerProgram(operations, InputQuantizer.identity(MANY), max_steps, max_steps, ("only",))


def cycle(*values):
    """One sample whose channels hold these values in turn."""
    return np.resize(np.array(values, np.int8), (1, MANY))


@EVERY_PATH
@WIDTHS
def test_a_value_on_a_boundary_takes_the_upper_letter_and_one_below_the_lower(path, bits):
    result = Engine(identity_program(bits), path=path).run(cycle(3, 4, 7, 8), 1, record=True)
    assert (result.letters["neuron"][0] == np.resize([0, 1, 1, 2], (1, MANY))).all()
    assert (result.membranes["neuron"][0] == np.resize([3, 0, 3, 0], (1, MANY))).all()


@EVERY_PATH
@WIDTHS
def test_minus_one_leaks_to_zero_and_small_positive_values_stay(path, bits):
    x = np.stack([cycle(-1, 1, -2, -5), cycle(0)])
    result = Engine(identity_program(bits), path=path).run(x, record=True)
    assert (result.membranes["neuron"][:, 0, :4] == [[-1, 1, -2, -5], [0, 1, -1, -2]]).all()


@EVERY_PATH
@WIDTHS
def test_a_hard_reset_clears_only_what_fired(path, bits):
    program = identity_program(bits, leak=None, reset="hard")
    result = Engine(program, path=path).run(cycle(3, 4, 9, -7), 1, record=True)
    assert (result.membranes["neuron"][0, 0, :4] == [3, 0, 0, -7]).all()


@EVERY_PATH
def test_equal_thresholds_make_a_letter_unreachable(path):
    program = identity_program(thresholds=np.full((MANY, 2), (4, 4), np.int32))
    result = Engine(program, path=path).run(cycle(3, 4, 9, 5), 1, record=True)
    assert (result.letters["neuron"][0, 0, :4] == [0, 2, 2, 2]).all()


@EVERY_PATH
@pytest.mark.parametrize(("fan_in", "bits"), [(1, 16), (410, 32)])
def test_the_worst_input_reaches_the_proven_bound_of_membranes_and_sums(path, fan_in, bits):
    """Signs of weights and inputs agree, nothing leaks or fires: membranes come to within a step of their width."""
    signs = np.where(np.arange(MANY * fan_in).reshape(MANY, fan_in) % 3 == 0, -1, 1)
    signs[:] = signs[0]  # so that one frame is the worst for all
    steps = 2 if bits == 16 else 300
    operations = [
        Input("x", (fan_in,)),
        Linear("current", "x", (127 * signs).astype(np.int8)),
        Neuron(
            "neuron",
            "current",
            None,
            0,
            np.zeros(MANY, np.int32),
            np.full((MANY, 1), 2**31 - 1, np.int32),
            np.zeros((MANY, 2), np.int32),
            np.array([0, 1], np.int32),
        ),
        Linear("sum", "neuron", np.ones((1, MANY), np.int8)),
        Accumulate("y", "sum", 0, np.full(1, 7, np.int32)),
    ]
    program = IntegerProgram(
        with_proven_widths(operations, steps), InputQuantizer.identity(fan_in), steps, steps, ("only",)
    )
    assert program.neurons[0].membrane_bits == bits
    x = np.where(signs[:1] > 0, 127, -128).astype(np.int8)
    result = Engine(program, path=path).run(x, record=True)
    bound = program.ranges["neuron"].after.high
    assert (result.state["neuron"][0] == bound).all()
    assert bound[0] > 0.9 * 2 ** (bits - 1)
    assert result.logits.tolist() == [[7 * steps]]
    require_equal(Engine(program, path=path), x, program.run(x, record=True))


@EVERY_PATH
@WIDTHS
def test_a_silent_net_stays_at_zero_and_a_saturated_one_sends_the_top_letter(path, bits):
    engine = Engine(identity_program(bits), path=path)
    silent = engine.run(cycle(0), record=True)
    assert not silent.letters["neuron"].any()
    assert not any(values.any() for name, values in silent.state.items() if name != "steps")
    loud = engine.run(cycle(127), record=True)
    assert (loud.letters["neuron"] == 2).all()
    assert loud.logits.tolist() == [[2 * MANY * 4]]
