"""Scales and sizes of alphabets, set on a network."""

import pytest
import torch
from torch import nn

from shiftlif import LIF, Binary, Network, PowerOfTwo, ShiftLIF, SpikingNeuron, Ternary, Uniform, direct_code
from shiftlif.errors import ConfigurationError
from shiftlif.network import Family, batch_statistics, calibrate, family_of, pre_emission, set_levels, thinned
from shiftlif.neuron import NILIF


def identity(neuron):
    net = Network({"in": nn.Linear(1, 1, bias=False), "n": neuron, "out": nn.Linear(1, 2)}, input_shape=(1,))
    nn.init.ones_(net.layers["in"].weight)
    return net


@pytest.mark.parametrize(("method", "scale"), [("quantile", 3.0), ("error", 2.0)])
def test_the_two_methods_choose_as_they_say(method, scale):
    # 0, 1 and 2 in equal shares and a rare 3: its quantile is 3, while letters 0, 1/2, 1 render 0, 1, 2 exactly.
    x = torch.tensor([0.0, 1.0, 2.0] * 60 + [3.0] * 3).view(1, -1, 1)
    (found,) = calibrate(identity(ShiftLIF(1, tau=1.0)), x, method=method)
    assert found.scale.item() == pytest.approx(scale, rel=0.02)


def test_a_power_of_two_scale_is_calibrated_among_powers_of_two():
    x = torch.tensor([0.0, 3.0] * 20).view(1, -1, 1)
    neuron = ShiftLIF(0, tau=1.0, scale_power_of_two=True)
    calibrate(identity(neuron), x, method="error")
    assert neuron.scale.item() in (2.0, 4.0)


def test_scales_stay_in_their_range():
    x = torch.tensor([0.0, 100.0] * 20).view(1, -1, 1)
    for method in ("quantile", "error"):
        neuron = ShiftLIF(1, tau=1.0, scale_range=(0.5, 2.0))
        calibrate(identity(neuron), x, method=method)
        assert neuron.scale.item() == 2.0


def test_the_membrane_before_emission_by_hand():
    neuron = SpikingNeuron(Binary(), tau=2.0)
    # H = (V + I) / 2: 1.5 emits 1 and leaves 0.5, then 1.75 emits 1 and leaves 0.75, then 1.875.
    h = pre_emission(direct_code(torch.full((1, 1), 3.0), 3), neuron)
    assert h.flatten().tolist() == [1.5, 1.75, 1.875]


def test_batch_statistics_are_used_and_nothing_is_left_behind():
    net = Network(nn.BatchNorm1d(2), nn.Dropout(0.5), LIF(), nn.Linear(2, 2), input_shape=(2,)).eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x = torch.randn(1, 64, 2) * 5 + 3
    with batch_statistics(net):
        normalised = net.layers["batchnorm1"](x[0])
        assert normalised.mean().abs() < 1e-5
        assert torch.equal(net.layers["dropout1"](normalised), normalised)
    assert not any(m.training for m in net.modules())
    assert net.layers["batchnorm1"].momentum == 0.1
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("alphabet", "family"),
    [
        (PowerOfTwo(3), Family("K", "nearest", False)),
        (PowerOfTwo(0), Family("K", "nearest", False)),
        (PowerOfTwo(2, "log"), Family("K", "log", False)),
        (PowerOfTwo(6, "floor", signed=True), Family("K", "floor", True)),
        (Uniform(1), Family("L", "nearest", False)),
        (Uniform(127, "floor"), Family("L", "floor", False)),
        (Uniform(4, signed=True), Family("L", "nearest", True)),
        (Binary(), None),
        (Ternary(), None),
    ],
)
def test_an_alphabet_knows_its_family(alphabet, family):
    assert family_of(alphabet) == family
    if family is not None:
        assert family(family.size_of(alphabet)) == alphabet


def test_sizes_are_set_by_layer_and_all_or_none():
    net = Network(nn.Linear(2, 2), ShiftLIF(3, "log"), ShiftLIF(3), LIF(), input_shape=(2,))
    set_levels(net, {"shiftlif1": 1})
    neurons = dict(net.stateful_layers())
    assert neurons["shiftlif1"].alphabet == PowerOfTwo(1, "log")
    assert neurons["shiftlif2"].alphabet == PowerOfTwo(3)
    for sizes, message in (
        ({"shiftlif2": 1, "shiftlif9": 1}, "no neuron layer 'shiftlif9'"),
        ({"shiftlif2": 1, "lif1": 1}, r"layer lif1 \(LIF, Binary\) has no K or L"),
        ({"shiftlif2": 1, "shiftlif1": 7}, "layer shiftlif1: PowerOfTwo: K must be"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            set_levels(net, sizes)
    assert neurons["shiftlif2"].alphabet == PowerOfTwo(3)


def test_a_neuron_that_divides_by_its_own_l_keeps_it():
    with pytest.raises(ConfigurationError, match=r"layer n \(NILIF, .* has no K or L that can be changed"):
        set_levels(identity(NILIF(4)), {"n": 2})


def test_thinning_sees_every_neuron_and_draws_the_same_each_time():
    neurons = torch.arange(10.0).repeat(1000)  # a stride of 10 would see the first one only
    kept = thinned(neurons, 1000)
    assert len(kept) == 1000
    assert set(kept.tolist()) == set(range(10))
    assert torch.equal(kept, thinned(neurons, 1000))
    assert torch.equal(thinned(neurons, 10_000), neurons)
    assert thinned(neurons.view(2, -1), 7).shape == (2, 7)
