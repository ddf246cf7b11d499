from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings

from shiftlif.errors import ProgramError
from shiftlif.program import (
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    MaxPool,
    SumPool,
    measure,
)
from shiftlif.program import cost as cost_module
from shiftlif.program.cost import fan_out

from . import naive
from .examples import frames, tiny
from .strategies import programs, random_frames, seeds


def layer(cost, name):
    return next(entry for entry in cost.layers if entry.name == name)


@settings(max_examples=30, deadline=None)
@given(programs, seeds)
def test_synapse_counts_equal_a_brute_force_count(program, seed):
    x = random_frames(program, seed, batch=2, steps=2)
    cost = measure(program, x)
    seen = [naive.run_sample(program, x[:, sample])[2] for sample in range(2)]
    for op in program.operations:
        if isinstance(op, (Linear, Conv)):
            for field in ("events", "synaptic_operations", "adds", "shifts"):
                expected = sum(step[field] for sample in seen for step in sample[op.name]) / 2
                assert getattr(layer(cost, op.name), field) == expected, (op.name, field)


@settings(max_examples=30, deadline=None)
@given(programs, seeds)
def test_a_static_first_layer_is_counted_once_and_every_other_layer_at_every_step(program, seed):
    x = random_frames(program, seed)
    static, repeated = measure(program, x, 3), measure(program, np.stack([x] * 3))
    for a, b in zip(static.layers, repeated.layers, strict=True):
        factor = 3 if a.name in ("conv0", "linear0") else 1
        for field in ("events", "synaptic_operations", "adds", "shifts", "compares"):
            assert getattr(a, field) * factor == getattr(b, field), (a.name, field)


def test_the_tiny_program_costs_what_a_person_counts():
    # inputs 3, 2, 7, 6 give letters 0, 1, 1, 2
    cost = measure(tiny(), frames(3, 2, 7, 6))
    current, neuron, readout, y = (layer(cost, name) for name in ("current", "neuron", "readout", "y"))
    assert (current.events, current.synaptic_operations) == (4, 4)
    assert (current.adds, current.shifts) == (2 + 1 + 3 + 2, 1 + 1 + 2 + 2)
    # per step: leak (1 shift, 1 subtraction), current (1 add), 2 compares; 3 resets
    assert (neuron.neurons, neuron.events) == (1, 3)
    assert (neuron.adds, neuron.shifts, neuron.compares) == (4 + 4 + 3, 4, 8)
    assert (readout.events, readout.adds, readout.shifts) == (3, 3, 1)
    assert (y.adds, y.shifts) == (8, 0)
    assert (current.weight_bytes, readout.weight_bytes, neuron.state_bytes, y.state_bytes) == (1, 1, 2, 4)
    assert (neuron.table_bytes, readout.weight_bytes_read) == (4 * (1 + 2 + 3 + 3), 1.5)
    assert neuron.state_bytes_moved == 2 * 4 * 2
    assert cost.multiplications == 0
    assert cost.events_per_neuron_step == 0.75
    assert cost.layer_rates == {"neuron": 0.75}
    assert cost.totals["adds"] == 8 + 11 + 3 + 8
    assert cost.totals["events"] == 3


def test_bias_shift_hard_reset_and_a_clearing_leak_are_counted_as_written():
    program = tiny(leak_shift=0, current_shift=2, bias=np.array([1], np.int32), reset="hard")
    neuron = layer(measure(program, frames(1, 2)), "neuron")
    assert (neuron.adds, neuron.shifts) == (2 + 2, 2)


def test_connections_at_borders_and_strides_are_exact():
    conv = Conv("w", "x", np.ones((4, 1, 3), np.int8), (2,), (1,), (1,), 2)
    # size 5, windows around 0, 2 and 4: positions 1 and 3 lie in two of them; 2 output channels per group
    assert fan_out(conv, (2, 5)).tolist() == [[2, 4, 2, 4, 2]] * 2


def test_the_averages_do_not_depend_on_the_chunks(monkeypatch):
    x = np.arange(-20, 21, dtype=np.int8).reshape(-1, 1)
    whole = measure(tiny(), x).to_dict()
    monkeypatch.setattr(cost_module, "CHUNK", 3)
    assert measure(tiny(), x).to_dict() == whole
    assert json.loads(json.dumps(whole)) == whole


def test_what_cannot_be_run_cannot_be_measured():
    with pytest.raises(ProgramError, match="steps is 0"):
        measure(tiny(), frames(1)[0], 0)
    with pytest.raises(ProgramError, match="dtype"):
        measure(tiny(), np.zeros((1, 1)))


def test_pools_and_residual_adds_are_counted_per_output():
    ops = (
        Input("x", (2, 7)),
        SumPool("sum", "x", (3,), (2,)),
        MaxPool("max", "sum", (2,), (1,)),
        Add("add", ("max", "max"), (0, 4)),
        Flatten("flat", "add"),
        Accumulate("y", "flat", 1, np.zeros(4, np.int32)),
    )
    program = IntegerProgram(ops, InputQuantizer.identity(2), 1, 1, tuple("abcd"))
    cost = measure(program, np.ones((5, 2, 7), np.int8))
    assert layer(cost, "sum").adds == 2 * 3 * 2  # 2 channels, 3 windows, 2 additions for 3 numbers
    assert (layer(cost, "max").compares, layer(cost, "max").adds) == (2 * 2 * 1, 0)
    assert (layer(cost, "add").adds, layer(cost, "add").shifts) == (4, 4)
    assert layer(cost, "flat").adds == layer(cost, "flat").shifts == 0
    assert (layer(cost, "y").adds, layer(cost, "y").shifts) == (4, 4)
    assert cost.events_per_neuron_step == 0.0
