"""What of the loss's gradient reaches the layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from shiftlif import LIF, Network, ReLSGET, Residual, ShiftLIF, direct_code, readout
from shiftlif.analysis import gradient_flow
from shiftlif.analysis.figures import gradient_maps
from shiftlif.analysis.gradient_flow import by_layer, current_gradients, name_of, surrogates_named
from shiftlif.errors import ConfigurationError, DataError, NetworkError
from shiftlif.kernels import use
from shiftlif.surrogate import ATan, Rectangle


def network(norm=True):
    torch.manual_seed(7)
    return Network(
        nn.Linear(6, 12),
        nn.BatchNorm1d(12) if norm else nn.Identity(),
        ShiftLIF(2),
        nn.Linear(12, 8),
        LIF(),
        nn.Dropout(0.5),
        nn.Linear(8, 3),
        input_shape=(6,),
    )


X = direct_code(torch.randn(16, 6, generator=torch.Generator().manual_seed(1)) * 2, 4)
Y = torch.arange(16) % 3


def by_hand(net, x, y):
    """Step by step with the reference neurons, each step's currents a tensor of its own."""
    modules = dict(net.layers.items())
    first, second = modules["shiftlif1"], modules["lif1"]
    v1, v2 = torch.zeros(x.shape[1], 12), torch.zeros(x.shape[1], 8)
    currents, outputs = ([], []), []
    for frame in x:
        i1 = modules["linear1"](frame)
        currents[0].append(i1)
        s1, v1 = first.step(i1, v1)
        i2 = modules["linear2"](s1)
        currents[1].append(i2)
        s2, v2 = second.step(i2, v2)
        outputs.append(modules["linear3"](s2))
    loss = F.cross_entropy(readout(torch.stack(outputs)), y, reduction="sum")
    return [torch.stack(torch.autograd.grad(loss, part, retain_graph=True)) for part in currents]


@pytest.mark.parametrize("kernels", ["auto", "reference"])
@pytest.mark.parametrize("constant", [True, False])
def test_gradients_are_those_of_the_loop_over_steps(kernels, constant):
    net = network(norm=False).eval()
    x = X if constant else torch.randn(4, 16, 6)
    with use(kernels):
        found = current_gradients(net, x, Y)
    assert list(found) == ["shiftlif1", "lif1"]
    for gradient, expected in zip(found.values(), by_hand(net, x, Y), strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_rows_hold_the_norm_of_the_samples_gradients():
    net = network(norm=False)
    rows = gradient_flow(net, X, Y, [Rectangle()])
    assert [(r.surrogate, r.alpha, r.layer, r.step) for r in rows] == [
        ("rectangle", None, layer, t) for layer in ("shiftlif1", "lif1") for t in range(4)
    ]
    for _, neuron in net.stateful_layers():
        neuron.surrogate = Rectangle()
    first, last = by_hand(net, X, Y)
    for t in range(4):
        norm = first[t].norm(dim=1).square().mean().sqrt()
        assert rows[t].norm == pytest.approx(norm.item(), rel=1e-4)
        assert rows[t].ratio == pytest.approx(
            (norm / last[t].norm(dim=1).square().mean().sqrt()).item(), rel=1e-4
        )
        assert rows[t].share == pytest.approx((first[t] != 0).double().mean().item())
        assert rows[4 + t].ratio == 1.0


def test_twice_the_batch_has_the_same_norms():
    net = network(norm=False)
    once = gradient_flow(net, X, Y, [ATan()])
    twice = gradient_flow(net, torch.cat([X, X], 1), torch.cat([Y, Y]), [ATan()])
    assert [r.norm for r in twice] == pytest.approx([r.norm for r in once], rel=1e-5)


def test_the_network_is_left_as_it_was():
    net = network().eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    own = [n.surrogate for _, n in net.stateful_layers()]
    net.layers["linear1"].weight.grad = torch.ones(12, 6)
    gradient_flow(net, X, Y, [ReLSGET(2.0), ATan(4.0)])
    assert not net.training
    assert [n.surrogate for _, n in net.stateful_layers()] == own
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert torch.equal(net.layers["linear1"].weight.grad, torch.ones(12, 6))
    assert net.layers["linear2"].weight.grad is None


def test_numbers_repeat_and_do_not_need_trainable_parameters():
    net = network().requires_grad_(False)
    with torch.no_grad():
        rows = gradient_flow(net, X, Y, [ATan()])
    assert rows == gradient_flow(net, X, Y, [ATan()])
    assert rows[0].norm > 0


def test_a_steeper_exponential_lets_less_through():
    rows = gradient_flow(network(), X, Y, [ReLSGET(a) for a in (0.5, 2.0, 8.0)])
    first = [flow.norm for flow in by_layer(rows) if flow.layer == "shiftlif1"]
    assert first[0] > first[1] > first[2] > 0


def test_a_layer_whose_gradient_vanishes_has_no_ratio():
    net = network(norm=False)
    nn.init.zeros_(net.layers["linear3"].weight)
    rows = gradient_flow(net, X, Y, [ATan()])
    assert {(r.norm, r.ratio, r.share) for r in rows} == {(0.0, None, 0.0)}
    assert {flow.ratio for flow in by_layer(rows)} == {None}


def test_branches_are_layers_too():
    net = Network(
        nn.Linear(6, 4), ShiftLIF(), Residual(nn.Linear(4, 4), ShiftLIF()), nn.Linear(4, 3), input_shape=(6,)
    )
    rows = gradient_flow(net, X, Y, [ReLSGET()])
    assert {r.layer for r in rows} == {"shiftlif1", "residual1.shiftlif1"}
    assert all(r.norm > 0 for r in rows)


def test_steps_are_taken_together_per_layer():
    rows = gradient_flow(network(), X, Y, [ATan(), Rectangle()])
    flows = by_layer(rows)
    assert [(f.label, f.layer) for f in flows] == [
        (label, layer) for label in ("atan 2", "rectangle") for layer in ("shiftlif1", "lif1")
    ]
    assert flows[0].norm == pytest.approx(sum(r.norm**2 for r in rows[:4]) ** 0.5)
    assert flows[0].steps == tuple(r.norm for r in rows[:4])
    assert flows[0].ratio == pytest.approx(flows[0].norm / flows[1].norm)


def test_surrogates_by_name():
    assert surrogates_named(["relsget", "rectangle"], [2.0, 8.0]) == [ReLSGET(2.0), ReLSGET(8.0), Rectangle()]
    assert surrogates_named(["atan"]) == [ATan()]
    assert name_of(ReLSGET(2.0, periodic=True)) == "relsget periodic"
    with pytest.raises(ConfigurationError, match="no surrogate 'sigmoid'"):
        surrogates_named(["sigmoid"])
    with pytest.raises(ConfigurationError, match="alpha"):
        surrogates_named(["atan"], [-1.0])


def test_what_does_not_fit_is_refused():
    with pytest.raises(NetworkError, match="labels must be"):
        gradient_flow(network(), X, Y[:3], [ATan()])
    with pytest.raises(NetworkError, match="no spiking neuron"):
        gradient_flow(Network(nn.Linear(6, 3), input_shape=(6,)), X, Y, [ATan()])


def test_the_figure_is_drawn(tmp_path):
    rows = gradient_flow(network(), X, Y, [ATan(), Rectangle()])
    assert gradient_maps(rows, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert gradient_maps(rows[:4], tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="no gradient to draw"):
        gradient_maps([], tmp_path / "c.png")
