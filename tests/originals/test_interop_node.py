"""Nodes of this package inside real SpikingJelly networks."""

import copy
import pickle
from functools import partial

import pytest
import torch
from spikingjelly.activation_based import base, functional, layer, neuron, surrogate
from spikingjelly.activation_based.functional import net_config
from torch import nn

from shiftlif.errors import NetworkError
from shiftlif.interop.spikingjelly import IFNode, LIFNode, Node, PLIFNode, ShiftLIFNode

SETTINGS = {
    "default": {},
    "soft": {"v_reset": None},
    "soft, detached": {"v_reset": None, "detach_reset": True},
    "undivided input": {"decay_input": False, "tau": 4.0},
    "threshold": {"v_threshold": 0.7},
    "all": {"v_threshold": 1.5, "v_reset": None, "detach_reset": True, "decay_input": False, "tau": 8.0},
}
FUNCTIONS = {"atan": partial(surrogate.ATan, alpha=3.0), "sigmoid": surrogate.Sigmoid}
PAIRS = {
    "lif": (partial(neuron.LIFNode, tau=2.0), partial(LIFNode, tau=2.0)),
    "if": (neuron.IFNode, IFNode),
    "plif": (partial(neuron.ParametricLIFNode, init_tau=2.0), partial(PLIFNode, tau=2.0)),
}


@pytest.fixture(autouse=True)
def no_warnings(monkeypatch):
    """A helper of SpikingJelly that does not know a module warns in its own log."""

    def fail(message, *_):
        raise AssertionError(message)

    monkeypatch.setattr(net_config.logger, "warning", fail)


def _both(theirs, ours, x, step_mode="m", **options):
    """Spikes, membranes after each step and input gradient of both nodes."""
    results = []
    for make in (theirs, ours):
        node = make(step_mode=step_mode, store_v_seq=True, **options)
        current = x.clone().requires_grad_()
        y = node(current) if step_mode == "m" else torch.stack([node(frame) for frame in current])
        weights = torch.linspace(-1, 2, y.numel()).view(y.shape)
        (y * weights).sum().backward()
        results.append((y.detach(), node.v_seq.detach(), node.v.detach(), current.grad))
    return zip(*results, strict=True)


@pytest.mark.parametrize("step_mode", ["m", "s"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_lif_node_is_spikingjellys(setting, function, step_mode):
    torch.manual_seed(0)
    x = torch.randn(6, 3, 50) * 2
    theirs, ours = PAIRS["lif"]
    options = {"surrogate_function": FUNCTIONS[function](), **SETTINGS[setting]}
    spikes, membranes, last, gradients = _both(theirs, ours, x, step_mode, **options)
    assert spikes[0].tolist() == spikes[1].tolist()
    assert set(spikes[1].unique().tolist()) == {0.0, 1.0}
    assert membranes[0].tolist() == membranes[1].tolist()
    assert last[0].tolist() == last[1].tolist()
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["if", "plif"])
@pytest.mark.parametrize("v_reset", [0.0, None])
def test_if_and_plif_nodes_are_spikingjellys(kind, v_reset):
    torch.manual_seed(1)
    theirs, ours = PAIRS[kind]
    options = {"surrogate_function": surrogate.ATan(), "v_reset": v_reset}
    spikes, membranes, _, gradients = _both(theirs, ours, torch.randn(6, 3, 50), **options)
    assert spikes[0].tolist() == spikes[1].tolist()
    torch.testing.assert_close(membranes[0], membranes[1], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5)


def test_defaults_are_spikingjellys_where_it_has_the_neuron():
    torch.manual_seed(2)
    x = torch.randn(6, 3, 50) * 2
    spikes, membranes, _, _ = _both(neuron.LIFNode, LIFNode, x)
    assert spikes[0].tolist() == spikes[1].tolist()
    assert membranes[0].tolist() == membranes[1].tolist()


def _network(make):
    """As SpikingJelly's users write it; ``make`` is the one line."""
    torch.manual_seed(3)
    net = nn.Sequential(
        layer.Conv2d(1, 6, 3, padding=1, bias=False),
        layer.BatchNorm2d(6),
        make(),
        layer.MaxPool2d(2),
        layer.SeqToANNContainer(nn.Flatten(), nn.Linear(6 * 4 * 4, 16)),
        make(),
        layer.Dropout(0.1),
        layer.Linear(16, 3),
    )
    functional.set_step_mode(net, "m")
    return net


ONE_LINE = {
    "theirs": lambda: neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), detach_reset=True),
    "ShiftLIF": lambda: ShiftLIFNode(K=3, tau=2.0, detach_reset=True),
    "LIF": lambda: LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), detach_reset=True),
    "channels": lambda: ShiftLIFNode(tau=2.0, surrogate_function=surrogate.Sigmoid()),
}


def _batch():
    generator = torch.Generator().manual_seed(4)
    y = torch.arange(30) % 3
    x = torch.randn(30, 1, 8, 8, generator=generator)
    x[torch.arange(30), 0, :, 2 * y] += 3  # the class is a bright column
    return x.expand(4, *x.shape), y


def _train(net, steps=15):
    x, y = _batch()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x).mean(0), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        functional.reset_net(net)
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("line", ONE_LINE)
def test_a_network_trains_with_one_line_changed(line):
    net = _network(ONE_LINE[line])
    before = {name: value.clone() for name, value in net.named_parameters()}
    losses = _train(net)
    assert losses[-1] < 0.5 * losses[0]
    for name, value in net.named_parameters():
        assert not value.requires_grad or bool((value != before[name]).any()), name


def test_a_network_with_our_lif_trains_as_with_theirs():
    torch.manual_seed(5)
    theirs = _train(_network(ONE_LINE["theirs"]), 4)
    torch.manual_seed(5)
    ours = _train(_network(ONE_LINE["LIF"]), 4)
    assert theirs == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize("line", ["ShiftLIF", "LIF"])
def test_both_step_modes_of_a_network_agree(line):
    net = _network(ONE_LINE[line]).eval()
    x, _ = _batch()
    sequence = net(x)
    functional.reset_net(net)
    container = net[4]
    functional.set_step_mode(net, "s")
    single = nn.Sequential(*net[:4], *container.children(), *net[5:])  # a SeqToANNContainer has one mode
    steps = torch.stack([single(frame) for frame in x])
    torch.testing.assert_close(steps, sequence, rtol=1e-5, atol=1e-5)


def test_reset_net_forgets_and_a_call_without_it_goes_on():
    net = nn.Sequential(layer.Linear(4, 5), ShiftLIFNode(tau=2.0))
    functional.set_step_mode(net, "m")
    x = torch.randn(3, 2, 4)
    first = net(x)
    assert isinstance(net[1].v, torch.Tensor)
    further = net(x)
    functional.reset_net(net)
    assert net[1].v == 0.0
    assert net(x).tolist() == first.tolist() != further.tolist()
    functional.reset_net(net)
    assert net(torch.cat([x, x])).tolist() == torch.cat([first, further]).tolist()


def test_a_forgotten_reset_is_an_error_that_names_reset_net():
    net = nn.Sequential(layer.Linear(4, 5), ShiftLIFNode(tau=2.0))
    functional.set_step_mode(net, "m")
    net(torch.zeros(3, 8, 4))
    with pytest.raises(NetworkError, match=r"ShiftLIF node: .*\(8, 5\).*\(6, 5\).*reset_net\(net\)"):
        net(torch.zeros(3, 6, 4))


def test_a_node_is_a_memory_module_with_its_membrane_as_memory():
    node = ShiftLIFNode(tau=2.0)
    assert isinstance(node, base.MemoryModule)
    node(torch.ones(2, 3))
    (membrane,) = base.extract_memories(nn.Sequential(node))
    assert membrane.tolist() == node.v.tolist()
    base.load_memories(nn.Sequential(node), [torch.zeros(2, 3)])
    assert node.v.tolist() == torch.zeros(2, 3).tolist()


def test_functional_forward_passes_the_membrane_and_leaves_the_node_alone():
    node = ShiftLIFNode(tau=2.0)
    x = torch.full((2, 3), 0.6)
    (first,), states = base.to_functional_forward(node)((x,), (0.0,))
    assert node.v == 0.0
    (second,), _ = base.to_functional_forward(node)((x,), states)
    assert torch.stack([first, second]).tolist() == torch.stack([node(x), node(x)]).tolist()


def test_detach_net_cuts_the_graph_and_keeps_the_membrane():
    net = nn.Sequential(layer.Linear(4, 5), ShiftLIFNode(tau=2.0))
    net(torch.ones(2, 4)).sum().backward()
    membrane = net[1].v
    functional.detach_net(net)
    assert membrane.requires_grad
    assert not net[1].v.requires_grad
    assert net[1].v.tolist() == membrane.tolist()
    net(torch.ones(2, 4)).sum().backward()  # would run through the first graph a second time


def test_copies_and_files_keep_parameters_and_membranes(tmp_path):
    net = nn.Sequential(layer.Linear(4, 5), ShiftLIFNode(tau=2.0, v_threshold=0.7))
    x = torch.randn(2, 4)
    net(x)
    torch.save(net, tmp_path / "net.pt")
    copies = (
        copy.deepcopy(net),
        pickle.loads(pickle.dumps(net)),
        torch.load(tmp_path / "net.pt", weights_only=False),
    )
    after = net(x).detach()
    for other in copies:
        assert isinstance(other[1], base.MemoryModule)
        assert other(x).tolist() == after.tolist()
        other[1].neuron.scale.data.fill_(3.0)
        assert other.state_dict()["1.scale"].tolist() == [3.0]  # still one table of parameters
    assert net[1].v_threshold == pytest.approx(0.7)


def test_state_dicts_carry_the_scale():
    net, other = (nn.Sequential(layer.Linear(4, 5), ShiftLIFNode(tau=2.0)) for _ in range(2))
    net[1].neuron.scale.data.fill_(0.25)
    assert set(net.state_dict()) == {"0.weight", "0.bias", "1.scale", "1.fixed_decay"}
    other.load_state_dict(net.state_dict())
    assert other[1].v_threshold == 0.25


def test_a_node_that_was_built_by_a_factory_is_a_node():
    def block(make, **options):
        return nn.Sequential(layer.Linear(4, 5), make(**copy.deepcopy(options)))

    net = block(ShiftLIFNode, tau=2.0, detach_reset=True, K=2)
    assert isinstance(net[1], Node)
    assert net[1].neuron.alphabet.name == "PowerOfTwo(K=2, nearest)"
