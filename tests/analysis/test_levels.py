"""How many letters a layer gets."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shiftlif import LIF, QBLIF, Network, PowerOfTwo, ShiftLIF, SpikingNeuron, Uniform, direct_code
from shiftlif.analysis import Candidate, apply_levels, choose_levels, compare_alphabets
from shiftlif.analysis.figures import level_curves
from shiftlif.analysis.levels import recommend
from shiftlif.analysis.quantisation import rendering
from shiftlif.errors import ConfigurationError, DataError, NetworkError
from shiftlif.network import Distribution, calibrate, set_levels


def network(*neurons, width=24):
    torch.manual_seed(3)
    layers, features = [], 10
    for neuron in neurons:
        layers += [nn.Linear(features, width), nn.BatchNorm1d(width), neuron]
        features = width
    return Network(*layers, nn.Dropout(0.5), nn.Linear(width, 2), input_shape=(10,))


def batch(n=64, steps=3):
    return direct_code(torch.randn(n, 10, generator=torch.Generator().manual_seed(5)), steps)


def identity(neuron):
    net = Network({"in": nn.Linear(1, 1, bias=False), "n": neuron, "out": nn.Linear(1, 2)}, input_shape=(1,))
    nn.init.ones_(net.layers["in"].weight)
    return net


def test_a_membrane_of_two_values_gets_one_letter_at_the_value():
    net = identity(ShiftLIF(3, tau=1.0))
    (layer,) = choose_levels(net, torch.tensor([0.0, 0.0, 3.0, 3.0]).view(1, 4, 1))
    assert layer.name == "n"
    assert (layer.family.size, layer.size) == ("K", 0)
    assert layer.scale == pytest.approx((3.0,), rel=2e-3)
    assert layer.chosen.rendering.density == 0.5
    assert layer.chosen.rendering.entropy == 1.0
    assert [c.size for c in layer.candidates] == [0, 1, 2, 3, 4, 5]


def test_counts_suit_a_uniform_membrane_and_powers_of_two_octaves():
    uniform = torch.linspace(0, 4, 400).view(1, 400, 1)
    (counts,) = choose_levels(identity(QBLIF(4, tau=1.0)), uniform, tolerance=0.015)
    # Of the power 16/3, the errors (4 / (n - 1/2))^2 / 12 of n letters are 4.0, 2.0, 1.2 and, with 7, 0.6 per cent.
    assert (counts.family.size, counts.size) == ("L", 3)
    octaves = torch.tensor([0.0, 0.125, 0.25, 0.5, 1.0] * 8).view(1, 40, 1)
    (shifts,) = choose_levels(identity(ShiftLIF(1, tau=1.0)), octaves, tolerance=1e-4)
    assert shifts.size == 3
    assert shifts.scale == pytest.approx((1.0,), rel=2e-3)


def test_the_python_block_of_the_levels_page_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "levels.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "levels.md", "exec"), {})
    assert "shiftlif1 K" in capsys.readouterr().out


def test_choosing_changes_nothing_and_applying_sets_alphabet_and_scale():
    net = network(ShiftLIF(3), ShiftLIF(5, "log"), QBLIF(4)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    alphabets = [n.alphabet for _, n in net.stateful_layers()]
    chosen = choose_levels(net, batch(), tolerance=0.1)
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert [n.alphabet for _, n in net.stateful_layers()] == alphabets
    apply_levels(net, chosen)
    assert [layer.family.size for layer in chosen] == ["K", "K", "L"]
    for layer, (_, neuron) in zip(chosen, net.stateful_layers(), strict=True):
        assert neuron.alphabet == layer.chosen.rendering.alphabet
        assert neuron.scale.tolist() == pytest.approx(list(layer.scale))
    assert list(net.stateful_layers())[1][1].alphabet.name.endswith("log)")


def test_the_scales_are_those_of_calibration_by_error_at_the_chosen_letters():
    net = network(ShiftLIF(3), ShiftLIF(3))
    chosen = choose_levels(net, batch())
    set_levels(net, {layer.name: layer.size for layer in chosen})
    for layer, found in zip(chosen, calibrate(net, batch(), method="error"), strict=True):
        assert layer.name == found.name
        assert found.scale.tolist() == pytest.approx(list(layer.scale), rel=1e-6)


def test_a_greater_tolerance_never_takes_more_letters():
    net = network(ShiftLIF(3))
    sizes = [choose_levels(net, batch(), tolerance=t)[0].size for t in (0.01, 0.03, 0.1, 0.3, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0


def test_the_recommendation_is_the_smallest_within_the_tolerance_else_the_best():
    row = Distribution.of(np.linspace(0, 1, 101))
    candidates = [
        Candidate(k, rendering([row], PowerOfTwo(k), [scale]), 0.0)
        for k, scale in ((0, 0.7), (1, 0.8), (2, 9.0))
    ]
    excess = [c.excess for c in candidates]
    assert excess[1] < excess[0] < excess[2]
    assert recommend(candidates, 1.0) == 0
    assert recommend(candidates, (excess[0] + excess[1]) / 2) == 1
    assert recommend(candidates, 0.0) == 1
    with pytest.raises(ConfigurationError, match="tolerance"):
        recommend(candidates, -0.1)
    with pytest.raises(ConfigurationError, match="tolerance"):
        recommend(candidates, math.nan)


def test_one_scale_per_channel_and_powers_of_two_are_respected():
    net = network(ShiftLIF(2, channels=24), ShiftLIF(2, scale_power_of_two=True))
    first, second = choose_levels(net, batch())
    assert len(first.scale) == 24
    assert len(set(first.scale)) > 1
    assert len(second.scale) == 1
    assert math.log2(second.scale[0]).is_integer()


def test_layers_without_sizes_are_passed_over_and_none_at_all_is_an_error():
    (only,) = choose_levels(network(LIF(), ShiftLIF(2)), batch())
    assert only.name == "shiftlif1"
    with pytest.raises(ConfigurationError, match="no layer has an alphabet with a K or L"):
        choose_levels(network(LIF()), batch())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"candidates": []}, "at least one size"),
        ({"candidates": [7]}, "PowerOfTwo: K"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
def test_options_are_checked_and_the_network_survives(options, error):
    net = network(ShiftLIF(3))
    with pytest.raises(ConfigurationError, match=error):
        choose_levels(net, batch(), **options)
    assert next(net.stateful_layers())[1].alphabet == PowerOfTwo(3)


def test_a_batch_that_is_not_finite_is_refused():
    with pytest.raises(NetworkError, match="finite"):
        choose_levels(network(ShiftLIF(3)), batch() * math.nan)
    with pytest.raises(DataError, match="at least one batch"):
        compare_alphabets(network(ShiftLIF(3)), [])


def test_a_silent_layer_gets_the_smallest_alphabet():
    net = identity(ShiftLIF(3, tau=1.0))
    (layer,) = choose_levels(net, torch.full((2, 4, 1), -1.0))
    assert layer.size == 0
    assert layer.chosen.rendering.error == 0.0
    assert layer.chosen.rendering.density == 0.0


def test_alphabets_are_compared_letter_for_letter(tmp_path):
    net = network(ShiftLIF(3), LIF()).eval()
    layers = compare_alphabets(net, [batch(), batch(16)], exponents=(0, 2, 4))
    assert [layer.name for layer in layers] == ["shiftlif1", "lif1"]
    assert [layer.alphabet.name for layer in layers] == ["PowerOfTwo(K=3, nearest)", "Binary"]
    for layer in layers:
        assert [c.size for c in layer.power_of_two] == [0, 2, 4]
        assert [c.size for c in layer.uniform] == [1, 3, 5]
        for shift, count in zip(layer.power_of_two, layer.uniform, strict=True):
            assert shift.rendering.n_levels == count.rendering.n_levels
            assert shift.rendering.optimum == count.rendering.optimum
            assert min(shift.rendering.relative_error, count.rendering.relative_error) >= 1 - 1e-4
        assert layer.recommended in (0, 2, 4)
    json.dumps([layer.to_dict() for layer in layers], allow_nan=False)
    assert level_curves(layers, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="no layer to draw"):
        level_curves([], tmp_path / "b.png")


def test_membranes_are_compared_in_units_of_the_scale():
    net = identity(SpikingNeuron(Uniform(2), scale=4.0, tau=1.0))
    (layer,) = compare_alphabets(net, [torch.tensor([4.0, 8.0, -4.0]).view(1, 3, 1)], exponents=(1,))
    assert layer.membrane.values.tolist() == [-1.0, 1.0, 2.0]
    assert layer.scale == 4.0
    assert layer.uniform[0].rendering.error == pytest.approx(0.0, abs=1e-5)


def test_signed_letters_are_compared_with_signed_letters():
    net = identity(ShiftLIF(2, signed=True, tau=1.0))
    (layer,) = compare_alphabets(net, [torch.randn(2, 50, 1)])
    assert [c.rendering.n_levels for c in layer.power_of_two] == [3, 5, 7, 9, 11, 13]
    assert all(c.rendering.alphabet.signed for c in (*layer.power_of_two, *layer.uniform))
