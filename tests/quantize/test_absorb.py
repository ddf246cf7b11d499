import copy

import pytest
import torch
from torch import nn

from shiftlif.alphabet import PowerOfTwo
from shiftlif.errors import CompileError, NetworkError
from shiftlif.network import Network, Residual, direct_code
from shiftlif.neuron import LIF, ShiftLIF, SpikingNeuron
from shiftlif.quantize import absorb, absorb_scales_to_weights, check_absorbed, prepare
from tests.quantize.networks import ALPHABETS, KINDS, build


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_absorbed_network_equals_the_original(kind, alphabet):
    network = build(kind, alphabet, seed=3).double()
    x = (
        torch.randn(
            4, 6, *network.input_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        * 2
    )
    absorbed = absorb(network)
    assert torch.allclose(absorbed(x), network(x), atol=1e-9)
    check_absorbed(absorbed)


def test_power_of_two_scales_are_absorbed_bit_for_bit():
    torch.manual_seed(0)
    network = Network(
        nn.Conv1d(3, 8, 3),
        ShiftLIF(scale=0.5),
        nn.AvgPool1d(2),
        nn.Conv1d(8, 8, 3),
        ShiftLIF(scale=4.0),
        nn.Flatten(),
        nn.Linear(40, 3),
        input_shape=(3, 16),
    )
    x = torch.randn(6, 5, 3, 16) * 3
    assert torch.equal(absorb(network)(x), network.eval()(x))


def test_the_original_is_not_changed():
    network = build("conv1d", PowerOfTwo(3))
    before = copy.deepcopy(network.state_dict())
    absorb(network)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_absorbing_twice_changes_nothing_more():
    once = absorb(build("residual", PowerOfTwo(2)))
    twice = absorb(once)
    x = direct_code(torch.randn(3, *once.input_shape), 4)
    assert torch.equal(once(x), twice(x))


def test_every_scale_is_one_and_fixed_afterwards():
    absorbed = absorb(build("conv2d", PowerOfTwo(3)))
    for _, layer in absorbed.stateful_layers():
        assert layer.effective_scale().tolist() == [1.0]
        assert not layer.scale.requires_grad
    kinds = {type(layer).__name__ for _, layer in absorbed.named_layers()}
    assert kinds == {"Conv2d", "Linear", "SumPool", "MaxPool2d", "Flatten", "SpikingNeuron"}


def test_the_old_function_absorbs_in_place():
    network = build("dense", PowerOfTwo(3))
    x = direct_code(torch.randn(3, *network.input_shape), 4)
    expected = network(x)
    assert absorb_scales_to_weights(network) is network
    check_absorbed(network)
    assert torch.allclose(network(x), expected, atol=1e-5)


def test_preparing_before_absorbing_names_the_layer():
    network = Network(nn.Linear(4, 4), ShiftLIF(scale=0.5), nn.Linear(4, 2), input_shape=(4,))
    with pytest.raises(CompileError, match=r"layer shiftlif1 still holds a scale \(0.5\); call absorb"):
        prepare(network, input_exponent=5)
    normed = Network(nn.Linear(4, 4), nn.BatchNorm1d(4), LIF(), nn.Linear(4, 2), input_shape=(4,))
    with pytest.raises(CompileError, match=r"layer batchnorm1 .* call absorb"):
        prepare(normed, input_exponent=5)


@pytest.mark.parametrize("verb", [absorb, absorb_scales_to_weights, lambda m: prepare(m, input_exponent=5)])
def test_a_model_that_is_no_network_is_refused_with_the_way_to_make_one(verb):
    with pytest.raises(NetworkError, match=r"got Sequential; put its layers, in order, into Network"):
        verb(nn.Sequential(nn.Linear(4, 4), ShiftLIF(), nn.Linear(4, 2)))


def _shared():
    neuron = ShiftLIF()
    return nn.Linear(4, 4), neuron, nn.Linear(4, 4), neuron, nn.Linear(4, 2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            (nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)),
            r"layer relu1 \(ReLU\) cannot be compiled: .* train QuantReLU",
        ),
        ((ShiftLIF(), nn.Linear(4, 2)), "layer shiftlif1 .* no weights before it"),
        ((nn.Linear(4, 4), nn.Linear(4, 2)), "layer linear2 .* put a neuron between"),
        (
            (nn.Linear(4, 4), ShiftLIF(), nn.BatchNorm1d(4), nn.Linear(4, 2)),
            "layer batchnorm1 .* directly follow",
        ),
        ((nn.Linear(4, 4), ShiftLIF()), "layer shiftlif1 ends the network"),
        (_shared(), "layer shiftlif2 is the same object as layer shiftlif1"),
        (
            (nn.Linear(4, 4), Residual(nn.Linear(4, 4), ShiftLIF()), nn.Linear(4, 2)),
            "residual1: .* start from letters",
        ),
        (
            (nn.Linear(4, 4), ShiftLIF(), Residual(nn.Linear(4, 4)), nn.Linear(4, 2)),
            "residual1: both branches must end",
        ),
        (
            (nn.Linear(4, 4), ShiftLIF(), Residual(nn.Linear(4, 4), ShiftLIF(scale=0.7)), nn.Linear(4, 2)),
            "residual1: the branches' scales .* power of two",
        ),
        (
            (nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False), LIF(), nn.Linear(4, 2)),
            "running statistics",
        ),
    ],
)
def test_what_cannot_be_absorbed_is_named_with_a_way_out(layers, message):
    with pytest.raises(CompileError, match=message):
        absorb(Network(*layers, input_shape=(4,)))


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (nn.AvgPool1d(2, padding=1), "avgpool1: pooling with padding"),
        (nn.MaxPool1d(3, ceil_mode=True), "maxpool1: pooling with padding, dilation or ceil_mode"),
        (nn.AdaptiveAvgPool1d(3), "adaptiveavgpool1: adaptive pooling of"),
    ],
)
def test_unequal_windows_are_refused(pool, message):
    network = Network(
        nn.Conv1d(1, 2, 3),
        SpikingNeuron(PowerOfTwo(1)),
        pool,
        nn.Flatten(),
        nn.LazyLinear(2),
        input_shape=(1, 10),
    )
    network(torch.zeros(1, 1, 1, 10))
    with pytest.raises(CompileError, match=message):
        absorb(network)
