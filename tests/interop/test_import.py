"""What both imports share, where neither library is installed; tests/originals imports their networks."""

import pytest
import torch
from torch import nn

from shiftlif.errors import NetworkError
from shiftlif.interop import from_snntorch, from_spikingjelly
from shiftlif.interop.spikingjelly import LIFNode, ShiftLIFNode
from shiftlif.network import MaxPool1d, direct_code
from shiftlif.quantize import absorb


class Block(nn.Sequential):
    """A Sequential by another name."""


def test_nodes_in_plain_torch_layers_are_imported_by_name_and_number():
    torch.manual_seed(0)
    net = nn.Sequential(
        Block(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), ShiftLIFNode(step_mode="m"), MaxPool1d(2)),
        nn.Flatten(),
        nn.Linear(12, 3),
    )
    network = from_spikingjelly(net, (2, 8))
    assert list(network.layers) == ["conv1", "batchnorm1", "shiftlif1", "maxpool1", "flatten1", "linear1"]
    assert not network.training
    assert network.layers["conv1"].weight is not net[0][0].weight
    absorb(network)


def test_a_threshold_divides_the_next_weights():
    net = [nn.Linear(2, 2), LIFNode(v_threshold=0.5), nn.Dropout(), nn.Linear(2, 2)]
    network = from_spikingjelly(net, (2,))
    assert network.layers["lif1"].scale.item() == 0.5
    assert network.layers["linear2"].weight.tolist() == (2 * net[3].weight).tolist()
    assert network.layers["linear2"].bias.tolist() == net[3].bias.tolist()


def test_a_last_spiking_layer_gets_a_readout_of_its_rates():
    net = [nn.Linear(2, 3), LIFNode(v_threshold=0.5, v_reset=None)]
    network = from_spikingjelly(net, (2,))
    assert network.layers["linear2"].weight.tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    assert network.layers["linear2"].bias is None
    outputs = network(direct_code(torch.randn(5, 2) * 4, 6))
    assert set(outputs.unique().tolist()) == {0.0, 1.0}
    absorb(network)


def test_precision_and_device_are_the_originals():
    net = nn.Sequential(nn.Linear(2, 3), LIFNode()).double()
    network = from_spikingjelly(net, (2,))
    assert {v.dtype for v in network.state_dict().values()} == {torch.float64}


@pytest.mark.parametrize("importer", [from_spikingjelly, from_snntorch])
@pytest.mark.parametrize(
    ("net", "message"),
    [
        ([], "no layers"),
        ([nn.Linear(2, 2), 3], "layer 1 is a int, expected a torch module"),
        ("net", "layer net is a str"),
        (nn.GRU(2, 2), r"layer net \(GRU\) cannot be imported: supported are nn.Sequential, Linear"),
        ([nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1))], r"layer 0\.1 \(Softmax\)"),
        ([nn.Linear(3, 2)], r"do not fit an input of shape \(2,\)"),
        (
            nn.TransformerEncoderLayer(4, 1),
            r"layer net \(TransformerEncoderLayer\).*pass its layers in order, as nn.Sequential or as a list",
        ),
    ],
)
def test_what_cannot_be_imported_is_named(importer, net, message):
    with pytest.raises(NetworkError, match=message):
        importer(net, (2,))


@pytest.mark.parametrize("between", [[], [nn.BatchNorm1d(2)]])
def test_a_threshold_without_weights_to_go_into_is_refused(between):
    net = [nn.Linear(2, 2), LIFNode(v_threshold=0.5), *between, LIFNode()]
    with pytest.raises(
        NetworkError, match=r"layer 2 .*follows the neuron 1 .*factor 2 .*put a Linear or Conv layer"
    ):
        from_spikingjelly(net, (2,))
    net[1] = LIFNode()
    from_spikingjelly(net, (2,))


def test_spikes_with_axes_left_are_refused_as_a_readout():
    with pytest.raises(NetworkError, match=r"layer 1 ends .* shape \(4, 6\).*add a Flatten layer"):
        from_spikingjelly([nn.Conv1d(2, 4, 3), LIFNode()], (2, 8))
