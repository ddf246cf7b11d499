import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.alphabet import Binary
from shiftlif.bench.counting import count_operations
from shiftlif.compile import convert
from shiftlif.errors import DataError
from shiftlif.network import Network, Residual, direct_code
from shiftlif.neuron import LIF, SpikingNeuron
from shiftlif.program import InputQuantizer, measure
from shiftlif.quantize import absorb, prepare
from tests.quantize.networks import ALPHABETS, KINDS, build


def program_of(network, exponent=4):
    prepared = prepare(absorb(network), input_exponent=exponent)
    channels = network.input_shape[0]
    quantizer = InputQuantizer(np.zeros(channels), np.ones(channels), exponent)
    return prepared, convert(prepared, quantizer=quantizer, classes=tuple("abc"), steps=3)


def frames_of(network, samples=5, seed=0):
    frames = np.random.default_rng(seed).integers(-20, 21, (samples, *network.input_shape)).astype(np.int8)
    return frames, torch.from_numpy(frames).float() / 16


def synapses(cost):
    kinds = ("Linear", "Conv")
    return {e.name: (e.events, e.synaptic_operations) for e in cost.layers if e.kind in kinds}


@pytest.mark.parametrize("alphabet", ["binary", "shift3", "uniform4", "signedshift2"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temporal", [False, True])
def test_a_prepared_network_counts_what_its_program_costs(kind, alphabet, temporal):
    network = build(kind, ALPHABETS[alphabet])
    prepared, program = program_of(network)
    frames, x = frames_of(network, samples=6)
    if temporal:
        frames, x = frames.reshape(2, 3, *network.input_shape), x.view(2, 3, *network.input_shape)
    cost = measure(program, frames, None if temporal else 3)
    batches = [x[:, :2], x[:, 2:]] if temporal else [direct_code(x[:4], 3), direct_code(x[4:], 3)]
    counted = count_operations(prepared, batches)
    assert {e.name: (e.events, e.synaptic_operations) for e in counted.layers} == synapses(cost)
    for name in ("events", "synaptic_operations"):
        assert counted.totals[name] == pytest.approx(cost.totals[name])  # equal but for the order of a sum
    assert counted.events_per_neuron_step == pytest.approx(cost.events_per_neuron_step)


@pytest.mark.parametrize("alphabet", ["binary", "shift3", "signeduniform3"])
def test_a_float_network_counts_what_its_absorbed_form_counts(alphabet):
    network = build("conv1d", ALPHABETS[alphabet])
    _, x = frames_of(network)
    original, absorbed = (count_operations(n, [direct_code(x, 3)]) for n in (network, absorb(network)))
    # a letter may change where rounding moves a membrane over a boundary
    assert original.totals["events"] == pytest.approx(absorbed.totals["events"], rel=0.01)
    assert original.totals["synaptic_operations"] == pytest.approx(
        absorbed.totals["synaptic_operations"], rel=0.01
    )


def test_a_small_network_costs_what_a_person_counts():
    network = Network(
        nn.Conv1d(1, 2, 3, padding=1, bias=False),
        LIF(tau=1.0, decay_input=False),
        nn.Flatten(),
        nn.Linear(8, 3),
        input_shape=(1, 4),
    )
    with torch.no_grad():
        network.layers["conv1"].weight.copy_(torch.tensor([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0]]]))
    x = torch.tensor([[[2.0, 0.0, 0.5, 0.0]]])
    counted = count_operations(network, [direct_code(x, 4)])
    conv, linear = counted.layers
    # position 0 lies in 2 windows, position 2 in 3, each with 2 output channels; the frame is seen once
    assert (conv.events, conv.synaptic_operations, conv.multiply_accumulates) == (
        2,
        2 * (2 + 3),
        2 * (2 + 3 + 3 + 2),
    )
    # one neuron of eight fires at each of four steps
    assert (linear.events, linear.synaptic_operations, linear.multiply_accumulates) == (4, 12, 4 * 24)
    assert counted.emitted == {"lif1": 4}
    assert counted.events_per_neuron_step == 4 / (8 * 4)


def test_a_network_without_neurons_in_time_counts_its_activations():
    network = Network(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 5), input_shape=(2,))
    with torch.no_grad():
        network.layers["linear1"].weight.copy_(torch.eye(2))
    counted = count_operations(network, [torch.tensor([[[1.0, -1.0], [0.0, 3.0]]])])
    assert [(e.events, e.synaptic_operations, e.multiply_accumulates) for e in counted.layers] == [
        (1.5, 3, 4),
        (1, 5, 10),
    ]
    assert counted.emitted == {"relu1": 1}
    assert counted.events_per_neuron_step == 0.5


def test_a_sum_that_cancels_but_for_rounding_is_no_event():
    branch = nn.Linear(2, 2, bias=False)
    network = Network(Residual(nn.Identity(), shortcut=(branch,)), nn.Linear(2, 1), input_shape=(2,))
    with torch.no_grad():
        branch.weight.copy_(torch.tensor([[-1 + 2.0**-24, 0], [0, 0]]))
    x = torch.tensor([[[3.0, 3.0]]])
    assert (x + branch(x))[0, 0, 0] > 0
    assert count_operations(network, [x]).layers[-1].events == 1


def test_the_mode_of_the_network_is_kept():
    network = Network(nn.Linear(2, 2), SpikingNeuron(Binary()), nn.Linear(2, 2), input_shape=(2,)).train()
    count_operations(network, [torch.ones(1, 1, 2)])
    assert network.training


def test_no_sample_is_an_error():
    with pytest.raises(DataError, match="at least one batch"):
        count_operations(build("dense", Binary()), [])
