"""Membranes of 16 bits: units that are coarse enough, and no coarser."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shiftlif.compile import compile_network, convert, verify
from shiftlif.errors import ConfigurationError
from shiftlif.network import Network
from shiftlif.neuron import IF, ShiftLIF
from shiftlif.program import InputQuantizer, Neuron
from shiftlif.quantize import absorb, prepare
from shiftlif.quantize.narrow import LIMIT16, MOST, narrow_units


def units(row, delta=1 / 127, inputs=(0, 8), bias=0.0, leak=1):
    weight = torch.tensor([row], dtype=torch.float64)
    return narrow_units(weight, torch.tensor([delta]), 127, inputs, torch.tensor([bias]), leak)


def test_units_of_a_layer_that_fits_stay():
    # 16 weights of 127 and letters up to 8: 16 * 127 * 8 = 16,256 flow in, twice that is 32,512 at most
    assert units([1.0] * 16).tolist() == [np.float32(1 / 127)]


def test_units_of_a_layer_that_does_not_fit_grow():
    # 32 weights: 65,024, so that weights of at most 63 are wanted: 32 * 63 * 8 * 2 = 32,256
    (unit,) = units([1.0] * 32).tolist()
    assert np.floor(1 / unit + 0.5) == 63


def test_positive_and_negative_weights_are_not_added_up_where_inputs_have_one_sign():
    assert units([1.0, -1.0] * 16).tolist() == [np.float32(1 / 127)]
    assert units([1.0, -1.0] * 16, inputs=(-8, 8)).tolist() > [1.9 / 127]


def test_a_bias_is_a_part_of_what_flows_in():
    assert units([1.0] * 16, bias=40.0).tolist() > [1 / 127]


def test_units_that_would_have_to_grow_more_than_fourfold_stay():
    assert units([1.0] * 60) is not None
    assert units([1.0] * 70) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=60),
    st.sampled_from([(0, 8), (-8, 8), (-128, 127), (0, 1)]),
    st.floats(-3, 3),
    st.integers(0, 3),
)
def test_no_input_drives_a_membrane_out_of_16_bits(row, inputs, bias, leak):
    delta = max(map(abs, row)) / 127 + 1e-3
    found = units(row, delta, inputs, bias, leak)
    if found is None:
        return
    (unit,) = found.double().tolist()
    assert delta * (1 - 1e-6) <= unit <= MOST * delta * (1 + 1e-6)
    weights = np.clip(np.floor(np.array(row) / unit + 0.5), -127, 127)
    shift = np.floor(bias / unit + 0.5)
    for sign in (1, -1):
        best = np.maximum(sign * weights * inputs[0], sign * weights * inputs[1]).sum()
        v = 0
        for _ in range(100):
            v = v - (v >> leak) + int(sign * best + shift)
            assert abs(v) <= LIMIT16


def _network(neuron):
    torch.manual_seed(0)
    return Network(
        nn.Conv1d(3, 16, 5, padding=2),
        neuron(),
        nn.Conv1d(16, 16, 5, padding=2),
        neuron(),
        nn.Flatten(),
        nn.Linear(16 * 20, 4),
        input_shape=(3, 20),
    ).eval()


def _program(absorbed, **options):
    quantizer = InputQuantizer(np.zeros(3), np.ones(3), 5)
    return compile_network(absorbed, quantizer=quantizer, classes=tuple("abcd"), steps=4, **options)


def _widths(program):
    return [op.membrane_bits for op in program.operations if isinstance(op, Neuron)]


def test_a_layer_just_above_16_bits_gets_them_and_equals_its_prepared_network():
    absorbed = absorb(_network(lambda: ShiftLIF(K=3)))
    assert _widths(_program(absorbed)) == [32, 32]
    quantizer = InputQuantizer(np.zeros(3), np.ones(3), 5)
    prepared = prepare(absorbed, input_exponent=5, membrane_bits=16)
    program = convert(prepared, quantizer=quantizer, classes=tuple("abcd"), steps=4)
    assert _widths(program) == [32, 16]  # int8 inputs are too large: the first layer stays as it is
    first = next(op.weight for op in _program(absorbed).operations if hasattr(op, "weight"))
    assert (program.operations[1].weight == first).all()
    x = np.random.default_rng(0).integers(-128, 128, (8, 3, 20)).astype(np.int8)
    verify(prepared, program, x)


def test_neurons_without_a_leak_stay_as_they_are():
    absorbed = absorb(_network(IF))
    narrow, wide = _program(absorbed, membrane_bits=16), _program(absorbed)
    assert narrow.digest() == wide.digest()


def test_other_membrane_bits_are_refused():
    with pytest.raises(ConfigurationError, match=r"membrane_bits must be one of \(16, 32\), got 8"):
        prepare(absorb(_network(IF)), input_exponent=5, membrane_bits=8)
