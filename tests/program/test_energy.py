from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from shiftlif.errors import ConfigurationError
from shiftlif.program import (
    Accumulate,
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
from shiftlif.program.energy import FIGURES, KINDS, Energy, compare, energy
from shiftlif.program.energy_constants import ENERGY_CONSTANTS

from .examples import frames, neuron, tiny
from .strategies import programs, random_frames, seeds

DOCUMENT = Path(__file__).parents[2] / "docs" / "energy.md"


def parts(found: Energy, figure: str, layer: str) -> tuple[float, ...]:
    (entry,) = (entry for entry in found.layers if entry.name == layer)
    values = entry.figures[figure]
    return values.arithmetic, values.weights, values.state, values.activations


def shown_once(value=7):
    """The tiny program on one frame that is the same at every step: letters 1, 2, 1, 2."""
    return measure(tiny(), np.full((1, 1), value, np.int8), 4)


def test_the_arithmetic_of_the_tiny_program_is_what_a_person_adds_up():
    # 4 frames 3, 2, 7, 6; see test_cost: adds 8 + 11 + 3 + 8, compares 8, shifts 6 + 1 of weights, 4 of membranes
    found = energy(measure(tiny(), frames(3, 2, 7, 6)))
    shift16 = 0.024 + 0.106 / 3
    assert parts(found, "arithmetic", "current") == pytest.approx((8 * 0.1 + 6 * shift16, 0, 0, 0))
    assert parts(found, "arithmetic", "neuron") == pytest.approx((11 * 0.1 + 8 * 0.1 + 4 * 0.13, 0, 0, 0))
    assert parts(found, "arithmetic", "readout") == pytest.approx((3 * 0.1 + shift16, 0, 0, 0))
    assert parts(found, "arithmetic", "y") == pytest.approx((8 * 0.1, 0, 0, 0))
    assert found.nanojoules["arithmetic"] == pytest.approx(
        (30 * 0.1 + 8 * 0.1 + 7 * shift16 + 4 * 0.13) / 1000
    )


def test_the_memory_of_the_tiny_program_is_what_a_person_adds_up():
    found = energy(measure(tiny(), frames(3, 2, 7, 6)))
    bit = 10 / 64  # everything fits 8 KB
    scale = 0.05448 / 0.1
    shift16 = 0.024 + 0.106 / 3
    # direct-coded: its weight of 8 bits is read once, 4 frames of one int8 are moved densely
    assert parts(found, "memory", "current") == pytest.approx(
        (8 * 0.05448 + 6 * shift16 * scale, 8 * bit, 0, 4 * 8 * 0.25)
    )
    # a membrane of 16 bits kept three times; 36 bytes of tables read at each of 4 steps
    assert parts(found, "memory", "neuron") == pytest.approx(
        (19 * 0.05448 + 4 * 0.13 * scale, 0, (3 * 2 * 16 + 4 * 36 * 8) * bit, 0)
    )
    # 3 events fetch a weight of 4 bits each; a letter known to be 1 or 2 is one bit
    assert parts(found, "memory", "readout")[1:] == pytest.approx((3 * 4 * bit, 0, 3 * 1 * 3.0))
    assert parts(found, "memory", "y")[1:] == pytest.approx((0, (3 * 2 * 32 + 4 * 4 * 8) * bit, 0))
    # dense: the stored byte is read once, 4 values of 2 bits are moved
    assert parts(found, "memory_reuse", "readout")[1:] == pytest.approx((8 * bit, 0, 4 * 2 * 0.25))
    assert parts(found, "memory_reuse", "current") == parts(found, "memory", "current")


def test_the_naive_figure_charges_float32_and_multiplies_in_the_first_layer():
    found = energy(shown_once())
    assert parts(found, "naive", "current")[0] == pytest.approx(4.6)
    assert parts(found, "naive", "readout")[0] == pytest.approx(4 * 0.9)
    assert parts(found, "naive", "neuron")[0] == 0
    once = measure(tiny(steps=1), frames(7)[0], steps=1)
    assert energy(once, "dense").nanojoules["naive"] == pytest.approx((4.6 + 4.6) / 1000)


def test_several_steps_of_a_network_without_spikes_are_refused():
    with pytest.raises(ConfigurationError, match=r"'dense', but the cost is of 4 steps"):
        energy(shown_once(), "dense")


def test_a_direct_coded_layer_is_paid_once_for_the_same_frame_and_at_every_step_for_new_ones():
    once, repeated = energy(shown_once()), energy(measure(tiny(), frames(7, 7, 7, 7)))
    arithmetic, weights, _, activations = parts(once, "memory", "current")
    assert parts(repeated, "memory", "current") == pytest.approx(
        (4 * arithmetic, weights, 0, 4 * activations)
    )
    assert parts(once, "memory", "readout") == parts(repeated, "memory", "readout")
    assert arithmetic > 0


def relu(steps=1):
    """A clipped ReLU of three letters at one step: leak 0 clears the membrane."""
    return tiny(leak_shift=0, steps=steps, reset="hard")


def test_the_non_spiking_network_multiplies_everywhere_and_keeps_nothing():
    found = energy(measure(relu(), np.full((1, 1), 7, np.int8)), "dense")
    bit = 10 / 64
    # one product of 8 x 8 bits and one add; of 4 bits and a value up to 2, which has 2 bits
    assert parts(found, "arithmetic", "current")[0] == pytest.approx(0.2 + 0.1)
    assert parts(found, "arithmetic", "readout")[0] == pytest.approx(0.2 * 4 * 2 / 64 + 0.1)
    # three letters are two bits: a bias, and an add and a comparison for each of them
    assert parts(found, "arithmetic", "neuron")[0] == pytest.approx((1 + 2 + 2) * 0.1)
    assert parts(found, "arithmetic", "y")[0] == pytest.approx(0.1)
    # a bias and a distance of 32 bits each; the read-out's bias
    assert parts(found, "memory", "neuron")[1:] == pytest.approx((0, 2 * 32 * bit, 0))
    assert parts(found, "memory", "y")[1:] == pytest.approx((0, 32 * bit, 0))
    assert parts(found, "memory", "readout")[1:] == pytest.approx((4 * bit, 0, 2 * 0.25))


def test_zero_skipping_saves_what_a_zero_would_have_cost():
    silent, busy = (measure(relu(), np.full((1, 1), value, np.int8)) for value in (0, 7))
    assert energy(busy, "dense_zero_skipping").nanojoules["arithmetic"] == pytest.approx(
        energy(busy, "dense").nanojoules["arithmetic"]
    )
    skipped = energy(silent, "dense_zero_skipping")
    assert parts(skipped, "arithmetic", "readout")[0] == 0
    assert parts(skipped, "memory", "readout")[1:] == (0, 0, 0)
    assert parts(energy(silent, "dense"), "arithmetic", "readout")[0] > 0


def test_one_step_keeps_no_membrane():
    found = energy(measure(tiny(steps=1), np.full((1, 1), 7, np.int8)))
    assert parts(found, "memory", "neuron")[2] == pytest.approx(36 * 8 * 10 / 64)


def test_the_memory_that_holds_a_layer_sets_the_price_of_a_bit():
    def readout(inputs):
        ops = (
            Input("x", (inputs,)),
            Linear("w", "x", np.ones((2, inputs), np.int8)),
            Accumulate("y", "w", 0, np.zeros(2, np.int32)),
        )
        program = IntegerProgram(ops, InputQuantizer.identity(inputs), 1, 1, ("a", "b"))
        return energy(measure(program, np.ones((1, inputs), np.int8)))

    for inputs, per_bit in (
        (4096, 10 / 64),
        (4097, 20 / 64),
        (16384, 20 / 64),
        (16385, 100 / 64),
        (2**19, 100 / 64),
        (2**19 + 1, 1300 / 64),
    ):
        assert parts(readout(inputs), "memory", "w")[1] == pytest.approx(2 * inputs * 8 * per_bit)


def test_widths_follow_the_wire_that_a_synapse_reads():
    # int8 input; letters of a neuron, also through a pool that picks one; sums are wider than letters
    ops = (
        Input("x", (1, 8)),
        Conv("c", "x", np.ones((1, 1, 1), np.int8), (1,), (0,), (1,)),
        replace(neuron(source="c"), name="n"),
        MaxPool("m", "n", (2,), (2,)),
        Conv("of_letters", "m", np.full((1, 1, 1), 9, np.int8), (1,), (0,), (1,)),
        replace(neuron(source="of_letters"), name="n2"),
        SumPool("s", "n2", (4,), (4,)),
        Flatten("f", "s"),
        Linear("of_sums", "f", np.ones((1, 1), np.int8)),
        Accumulate("y", "of_sums", 0, np.zeros(1, np.int32)),
    )
    program = IntegerProgram(ops, InputQuantizer.identity(1), 2, 4, ("only",))
    layers = {layer.name: layer for layer in measure(program, np.ones((1, 1, 8), np.int8)).layers}
    widths = {
        name: (layer.input_bits, layer.event_bits, layer.value_bits)
        for name, layer in layers.items()
        if layer.weight_bits
    }
    # sums of four letters 0, 1, 2 lie in 0 ... 8, which takes 4 bits
    assert widths == {"c": (8, 8, 8), "of_letters": (2, 1, 2), "of_sums": (4, 4, 4)}
    assert [name for name, layer in layers.items() if layer.direct] == ["c"]
    assert layers["c"].evaluations == 1
    assert layers["of_letters"].evaluations == 2


def test_widths_can_be_set_for_what_if_questions():
    cost = measure(relu(), np.full((1, 1), 7, np.int8))
    found = energy(cost, "dense", weight_bits=4, activation_bits=6)
    assert parts(found, "arithmetic", "current")[0] == pytest.approx(
        0.2 * 4 * 8 / 64 + 0.1
    )  # the input stays int8
    assert parts(found, "arithmetic", "readout")[0] == pytest.approx(0.2 * 4 * 6 / 64 + 0.1)
    assert parts(found, "memory", "readout")[3] == pytest.approx(6 * 0.25)
    assert parts(energy(cost, "dense", activation_bits=1), "arithmetic", "readout")[0] == pytest.approx(0.1)
    free = energy(cost, constants=dict.fromkeys(ENERGY_CONSTANTS, 0.0))
    assert set(free.nanojoules.values()) == {0.0}


def test_comparisons_divide_figure_by_figure():
    spiking, opponent = energy(shown_once()), energy(measure(relu(), np.full((1, 1), 7, np.int8)), "dense")
    rows = {row.figure: row for row in compare(spiking, opponent)}
    assert list(rows) == [*FIGURES, "memory_best"]
    for name, row in rows.items():
        assert (row.spiking, row.opponent) == (spiking.nanojoules[name], opponent.nanojoules[name])
        assert row.ratio == pytest.approx(row.spiking / row.opponent)
    nothing = energy(shown_once(), constants=dict.fromkeys(ENERGY_CONSTANTS, 0.0))
    assert {row.ratio for row in compare(spiking, nothing)} == {None}


@settings(max_examples=25, deadline=None)
@given(programs, seeds)
def test_figures_are_sums_of_layers_and_skipping_never_costs_more_arithmetic(program, seed):
    cost = measure(program, random_frames(program, seed, batch=2, steps=1))
    found = {kind: energy(cost, kind) for kind in KINDS}
    for made in found.values():
        assert json.loads(json.dumps(made.to_dict())) == made.to_dict()
        for figure in FIGURES:
            total = sum(layer.figures[figure].total for layer in made.layers)
            assert made.nanojoules[figure] == pytest.approx(total / 1000)
            assert all(value >= 0 for layer in made.layers for value in parts(made, figure, layer.name))
    assert (
        found["dense_zero_skipping"].nanojoules["arithmetic"]
        <= found["dense"].nanojoules["arithmetic"] + 1e-12
    )


@settings(max_examples=25, deadline=None)
@given(programs, seeds)
def test_skipping_zeros_never_leaves_more_than_a_dense_evaluation(program, seed):
    for layer in measure(program, random_frames(program, seed, batch=1, steps=3)).layers:
        assert layer.synaptic_operations <= layer.dense_operations
        assert layer.events <= max(layer.values_read, layer.values_written)


def test_dense_operations_are_exact_at_borders():
    # a window of 3 around each of 5 positions, 2 of them over the border: 13 products; frames without a 0 do all
    ops = (
        Input("x", (1, 5)),
        Conv("c", "x", np.ones((1, 1, 3), np.int8), (1,), (1,), (1,)),
        neuron(source="c"),
        Flatten("f", "neuron"),
        Linear("w", "f", np.ones((1, 5), np.int8)),
        Accumulate("y", "w", 0, np.zeros(1, np.int32)),
    )
    program = IntegerProgram(ops, InputQuantizer.identity(1), 2, 4, ("only",))
    conv, *_ = measure(program, np.ones((1, 1, 5), np.int8)).layers
    assert (conv.dense_operations, conv.synaptic_operations, conv.values_read) == (13, 13, 5)


def test_the_product_rule_meets_the_published_multiplication_of_32_bits():
    assert ENERGY_CONSTANTS["multiply8"].value * 32 * 32 / 64 == pytest.approx(
        ENERGY_CONSTANTS["multiply32"].value, rel=0.04
    )


def test_mistakes_are_named():
    cost = shown_once()
    with pytest.raises(ConfigurationError, match="'analogue', expected one of spiking"):
        energy(cost, "analogue")
    with pytest.raises(ConfigurationError, match="weight_bits is 0"):
        energy(cost, weight_bits=0)
    with pytest.raises(ConfigurationError, match="activation_bits is 33"):
        energy(cost, activation_bits=33)
    with pytest.raises(ConfigurationError, match="'adder' is unknown"):
        energy(cost, constants={"adder": 1.0})
    with pytest.raises(ConfigurationError, match="hops is -1"):
        energy(cost, constants={"hops": -1})


def test_the_prices_of_a_connection_in_the_document_are_those_of_the_model():
    def spiking(value):
        """One connection of the first layer, which sees any int8 value."""
        return parts(
            energy(measure(tiny(steps=1), np.full((1, 1), value, np.int8))), "arithmetic", "current"
        )[0]

    def dense(weight_bits, bits):
        found = energy(
            measure(relu(), np.full((1, 1), 7, np.int8)),
            "dense",
            weight_bits=weight_bits,
            activation_bits=bits,
        )
        return parts(found, "arithmetic", "current" if bits is None else "readout")[0]

    expected = (
        spiking(1),
        spiking(2),
        spiking(3),
        dense(8, 4),
        dense(4, 4),
        dense(8, None),
        spiking(127),
    )
    table = DOCUMENT.read_text(encoding="utf-8").split("| connection | pJ |")[1].split("\n\n")[0]
    stated = [float(price) for price in re.findall(r"\| ([0-9.]+) \|$", table, re.MULTILINE)]
    assert stated == pytest.approx(expected, abs=5e-3)


def test_every_constant_has_a_source_and_stands_in_the_document():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, constant in ENERGY_CONSTANTS.items():
        assert constant.source
        row = re.search(rf"^\| `{name}` \| ([0-9.]+) \| {constant.unit} \|", text, re.MULTILINE)
        assert row is not None, name
        assert float(row.group(1)) == pytest.approx(constant.value, rel=1e-3), name


def test_the_worked_example_of_the_document_is_what_the_model_gives():
    text = DOCUMENT.read_text(encoding="utf-8")
    spiking = energy(measure(tiny(), frames(3, 2, 7, 6))).nanojoules
    dense = energy(measure(relu(), np.full((1, 1), 7, np.int8)), "dense").nanojoules
    for figure, ours in spiking.items():
        row = re.search(rf"^\| `{figure}` \| ([0-9.]+) \| ([0-9.]+) \|", text, re.MULTILINE)
        assert row is not None, figure
        assert float(row.group(1)) == pytest.approx(1000 * ours, abs=0.005), figure
        assert float(row.group(2)) == pytest.approx(1000 * dense[figure], abs=0.005), figure
