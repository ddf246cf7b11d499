"""Nodes where SpikingJelly is not installed; tests/originals compares them with it."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

import shiftlif.interop.spikingjelly as nodes
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.interop import Node
from shiftlif.neuron import FAMILY, NEURONS, SpikingNeuron
from shiftlif.surrogate import ATan, Triangle

T = 4
NEEDED = {"GLIF": {"steps": T}, "PSN": {"steps": T}}
SPIKING = [kind for kind in NEURONS if kind != "ReLU"]
STREAMS = [kind for kind in SPIKING if kind != "PSN"]  # it sees all steps at once


@pytest.fixture
def x():
    return torch.randn(T, 3, 2, 5, generator=torch.Generator().manual_seed(0)) * 2


def _node(kind, **options):
    torch.manual_seed(0)
    return Node(kind, **NEEDED.get(kind, {}), **options)


@pytest.mark.parametrize("kind", SPIKING)
def test_a_node_emits_what_its_neuron_emits_and_ones_where_that_is_binary(kind, x):
    node = _node(kind, step_mode="m")
    spikes = node.neuron(x)
    if node.neuron.alphabet.levels == (0.0, 1.0):
        assert node(x).tolist() == (spikes > 0).float().tolist()
    else:
        assert node(x).tolist() == spikes.tolist()
    assert spikes.abs().sum() > 0


@pytest.mark.parametrize("kind", STREAMS)
def test_both_step_modes_are_the_same_bits(kind, x):
    sequence, single = (
        _node(kind, step_mode="m", store_v_seq=True),
        _node(kind, step_mode="s", store_v_seq=True),
    )
    expected = sequence(x)
    assert torch.stack([single(frame) for frame in x]).tolist() == expected.tolist()
    assert single.v_seq.tolist() == sequence.v_seq.tolist()
    assert single.v.tolist() == sequence.v.tolist()


@pytest.mark.parametrize("kind", STREAMS)
def test_gradients_flow_through_the_kept_membrane(kind, x):
    gradients = []
    for step_mode in ("m", "s"):
        node, current = _node(kind, step_mode=step_mode), x.clone().requires_grad_()
        y = node(current) if step_mode == "m" else torch.stack([node(frame) for frame in current])
        y[-1].sum().backward()
        gradients.append(current.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", STREAMS)
def test_reset_forgets_and_an_unreset_node_refuses_another_batch_size(kind, x):
    node = _node(kind)
    first = node(x[0])
    with pytest.raises(NetworkError, match=rf"{kind} node: .*\(2, 2, 5\).*step_mode='s'.*reset_net"):
        node(x[0, :2])
    node.reset()
    assert node.v == 0.0
    assert node(x[0]).tolist() == first.tolist()
    node.reset()
    node(x[0, :2])


def test_a_membrane_by_hand():
    """tau = 2: H = 1.2, letter 1, V = 0.2; H = 0.2 + (0.6 - 0.2) / 2 = 0.4, letter 1/2, V = -0.1."""
    node = nodes.ShiftLIFNode(K=1, tau=2.0)
    assert node(torch.full((1, 1), 2.4)).item() == 1.0
    assert node.v.item() == pytest.approx(0.2)
    assert node(torch.full((1, 1), 0.6)).item() == 0.5
    assert node.v.item() == pytest.approx(-0.1)


def test_a_binary_threshold_spikes_1_and_any_other_scale_is_emitted():
    current = torch.full((1, 1), 2.0)
    assert nodes.LIFNode(v_threshold=0.7)(current).item() == 1.0
    assert nodes.ShiftLIFNode(v_threshold=0.7)(current).item() == pytest.approx(0.7)
    per_channel = Node("LIF", channels=2, v_threshold=0.5)
    per_channel.neuron.scale.data = torch.tensor([0.5, 2.0])
    assert per_channel(torch.full((1, 2, 3), 2.0)).tolist() == [[[1.0] * 3, [0.0] * 3]]


def test_resets_by_default_are_hard_where_spikingjelly_has_the_neuron():
    assert {kind for kind in FAMILY if kind in SPIKING and _node(kind).v_reset == 0.0} == {
        "LIF",
        "IF",
        "PLIF",
        "TLIF",
    }
    assert nodes.LIFNode(v_reset=None).neuron.reset == "soft"
    assert nodes.TLIFNode(v_reset=None).v_reset is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "LIFNode"}, "kind must be one of LIF, .*ShiftLIF"),
        ({"kind": "ReLU"}, "ReLU is no spiking neuron"),
        ({"kind": "ShiftLIF", "v_reset": 0.0}, "hard reset"),
        ({"kind": "LIF", "v_reset": -0.5}, r"v_reset must be 0\.0 .* None .* got -0\.5"),
        ({"kind": "LIF", "scale": 0.5}, r"scale is called v_threshold in a node; pass v_threshold=0\.5"),
        ({"kind": "LIF", "reset": "soft"}, "called v_reset"),
        ({"kind": "LIF", "surrogate": ATan()}, "called surrogate_function"),
        ({"kind": "LIF", "step_mode": "t"}, "step_mode must be 's' or 'm', got 't'"),
        ({"kind": "LIF", "tau": 0.5}, "tau must be"),
        ({"kind": "IF", "tau": 2.0}, "IF has tau=inf by definition"),
        (
            {"kind": "LIF", "foo": 1},
            "a LIF node has no foo; leave it out: it takes v_threshold, tau, channels",
        ),
        (
            {"kind": "GLIF", "steps": T, "tau": 2.0},
            "a GLIF node has no tau; leave it out: it takes steps, channels, surrogate_function$",
        ),
        ({"kind": "GLIF", "steps": T, "v_threshold": 1.0}, "a GLIF node has no v_threshold;"),
        ({"kind": "GLIF"}, "a GLIF node cannot be made: .*'steps'; it takes steps, channels"),
        ({"kind": "PSN", "steps": T, "v_reset": None}, "a PSN node has no v_reset;"),
        ({"kind": "PSN", "steps": T, "detach_reset": True}, "a PSN node has no detach_reset;"),
        (
            {"kind": "QuantReLU", "tau": 2.0},
            "a QuantReLU node has no tau; leave it out: it takes bits, v_threshold",
        ),
        (
            {"kind": "BurstLIF", "placement": "floor"},
            "a BurstLIF node has no placement; .* it takes L, v_threshold",
        ),
        (
            {"kind": "ShiftLIF", "alphabet": 1},
            "a ShiftLIF node has no alphabet; .* it takes K, placement, signed",
        ),
        ({"kind": "SignedShiftLIF", "signed": True}, "a SignedShiftLIF node cannot be made: .*'signed'"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Node(**options)


def test_surrogates_of_this_package_are_used_as_they_are():
    assert nodes.ShiftLIFNode(surrogate_function=Triangle(2.0)).neuron.surrogate == Triangle(2.0)


def test_every_kind_has_a_name_and_no_other_name_exists():
    for kind in NEURONS:
        assert getattr(nodes, f"{kind}Node").args == (kind,)
    for name in ("KLIFNode", "ShiftLIF", "Node2"):
        with pytest.raises(AttributeError, match=name):
            getattr(nodes, name)


def test_helpers_that_reset_all_modules_with_a_reset_leave_the_neuron_alone():
    """SpikingJelly before 2.0 calls ``reset`` of every module that has the attribute; a neuron's is a word."""
    net = nn.Sequential(nn.Linear(2, 3), nodes.ShiftLIFNode())
    net(torch.ones(1, 2))
    for module in net.modules():
        if hasattr(module, "reset"):
            module.reset()
    assert net[1].v == 0.0
    assert not any(isinstance(module, SpikingNeuron) for module in net.modules())


def test_parameters_are_the_nodes_own():
    node = nodes.ShiftLIFNode(v_threshold=0.5, learnable_tau=True)
    assert {name for name, _ in node.named_parameters()} == {"scale", "decay_logit"}
    node(torch.ones(1, 2)).sum().backward()
    assert node.scale.grad is not None
    node.double()
    assert node.neuron.scale.dtype == node.v.dtype == torch.float64
    node(torch.ones(1, 2, dtype=torch.float64))
    node.load_state_dict({**node.state_dict(), "scale": torch.tensor([0.25])})
    assert node.neuron.scale.item() == node.v_threshold == 0.25


def test_copies_keep_parameters_and_membranes_and_go_their_own_way(x):
    node = nodes.ShiftLIFNode()
    node(x[0])
    others = copy.deepcopy(node), pickle.loads(pickle.dumps(node))
    expected = node(x[1]).tolist()
    for other in others:
        assert other(x[1]).tolist() == expected
        other.scale.data.fill_(2.0)
        assert other.neuron.scale.item() == 2.0
    assert node.scale.item() == 1.0


def test_spikingjelly_is_not_imported():
    code = (
        "import sys\nfrom shiftlif.interop.spikingjelly import ShiftLIFNode\nShiftLIFNode()\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('spikingjelly', 'snntorch')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
