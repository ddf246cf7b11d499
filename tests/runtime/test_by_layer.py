"""Dense programs layer by layer: several steps and samples at once give what the interpreter gives step by step."""

from dataclasses import replace

import numpy as np
import pytest

from shiftlif.program import MaxPool
from shiftlif.runtime import Engine, lower, paths
from tests.program.examples import tiny
from tests.runtime.comparison import needs_engine, require_same
from tests.runtime.programs import Builder, frames_of, large_program

pytestmark = needs_engine
EVERY_PATH = pytest.mark.parametrize("path", paths())
AT_ONCE = 8  # rows of a dense layer, BLOCK of the host kernels
DENSE = [seed for seed in range(60) if seed % 10 in (2, 9)]


def pooled():
    """No convolution, but operations with several positions, a neuron for each value among them."""
    build = Builder(5, max_steps=20)
    build.input((3, 9))
    build.pool(MaxPool, 2)
    build.fire(twice=True)
    build.flatten()
    build.fire()
    build.linear(33, 7)
    build.fire()
    return build.program(3, steps=4)


def long():
    """More steps than are computed at once, wide enough for every register."""
    build = Builder(7, max_steps=20)
    build.input((131,))
    build.linear(70, 127)
    build.fire()
    build.linear(33, 7)
    build.fire()
    return build.program(5, steps=4)


def test_the_lowering_chooses_it_where_every_synapse_is_dense():
    assert lower(pooled()).by_layer
    assert lower(tiny()).by_layer
    assert all(lower(large_program(seed)).by_layer for seed in DENSE)
    convolutional = large_program(0)
    assert not lower(convolutional).by_layer


@EVERY_PATH
@pytest.mark.parametrize("seed", DENSE)
def test_random_dense_programs_are_equal(seed, path):
    program = large_program(seed)
    for batch in (1, 3, 9):
        x = frames_of(program, seed, batch)
        sequence = frames_of(program, seed, batch, steps=program.max_steps)
        for cached in (True, False):
            engine = Engine(program, path=path, plan=lower(program, cached=cached))
            require_same(engine, x, program.run(x, record=True))
            require_same(engine, sequence, program.run(sequence, record=True))
            np.testing.assert_array_equal(engine.logits(x), program.run(x).logits)
            np.testing.assert_array_equal(engine.logits(sequence), program.run(sequence).logits)


@EVERY_PATH
@pytest.mark.parametrize("make", [long, pooled])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 1])
def test_every_number_of_steps_and_samples_is_equal(make, steps, path):
    program = make()
    for cached in (True, False):
        engine = Engine(program, path=path, plan=lower(program, cached=cached))
        for batch in (1, 3, AT_ONCE, 2 * AT_ONCE + 3):
            x = frames_of(program, steps, batch)
            require_same(engine, x, program.run(x, steps, record=True), steps)
            sequence = frames_of(program, batch, batch, steps=steps)
            require_same(engine, sequence, program.run(sequence, record=True))


@EVERY_PATH
def test_a_run_goes_on_from_a_state(path):
    program, engine = long(), Engine(long(), path=path, threads=2)
    sequence = frames_of(program, 1, 11, steps=13)
    first = engine.run(sequence[:9])
    rest = engine.run(sequence[9:], record=True, state=first.state)
    expected = program.run(sequence, record=True)
    np.testing.assert_array_equal(rest.logits, expected.logits)
    for name, letters in expected.letters.items():
        np.testing.assert_array_equal(rest.letters[name], letters[9:])
    for name, membranes in expected.membranes.items():
        np.testing.assert_array_equal(rest.membranes[name], membranes[9:])


@EVERY_PATH
def test_a_plan_that_does_not_ask_for_it_is_computed_step_by_step_and_equal(path):
    program = long()
    engine = Engine(program, path=path, plan=replace(lower(program), by_layer=False))
    sequence = frames_of(program, 2, 9, steps=9)
    require_same(engine, sequence, program.run(sequence, record=True))
