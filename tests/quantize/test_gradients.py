import pytest
import torch
from torch import nn

from shiftlif import LIF, Network, ShiftLIF, absorb, prepare
from shiftlif.neuron import TLIF


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize(
    ("neuron", "reset"), [(LIF, "soft"), (LIF, "hard"), (TLIF, "soft"), (TLIF, "hard"), (ShiftLIF, "soft")]
)
def test_a_prepared_network_trains_along_the_gradients_of_its_float_network(neuron, reset, detach):
    torch.manual_seed(0)
    first, last = nn.Linear(3, 8), nn.Linear(8, 2)
    layers = {"in": first, "n": neuron(tau=2.0, reset=reset, detach_reset=detach), "out": last}
    absorbed = absorb(Network(layers, input_shape=(3,)))
    prepared = prepare(absorbed, input_exponent=4)
    # Whole sixteenths, which the prepared network's int8 input holds exactly; large enough that letters occur.
    x = torch.randint(-60, 60, (5, 40, 3)) / 16
    found = []
    for network in (absorbed, prepared):
        y = network(x)
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        found.append(network.layers["in"].weight.grad)
    # Rounding moves a few membranes over a boundary, which changes some gradients much: most must be right.
    off = (found[1] - found[0]).abs() / found[0].abs()
    assert off.median() < 0.02
