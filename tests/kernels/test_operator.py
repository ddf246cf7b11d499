"""The fused sequence as torch sees it: one operator for compile, export and autocast, safe on several threads."""

import threading
import warnings

import pytest
import torch
from torch import nn

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.kernels import choice, cpu, dispatch, use
from shiftlif.kernels.dispatch import explain
from shiftlif.kernels.mechanism import mechanism_of
from shiftlif.network import Network, direct_code
from shiftlif.neuron import LIF, QBLIF, TLIF, ShiftLIF
from shiftlif.surrogate import ReLSGET
from tests.kernels.cases import needs_compiled_kernels, seeded

pytestmark = needs_compiled_kernels


def _network(neuron=ShiftLIF):
    torch.manual_seed(0)
    return Network(
        nn.Conv1d(2, 6, 3, padding=1),
        nn.BatchNorm1d(6),
        neuron(),
        nn.Conv1d(6, 5, 3, padding=1),
        neuron(learnable_tau=True),
        nn.Flatten(),
        nn.Linear(5 * 20, 3),
        input_shape=(2, 20),
    )


def _frames(batch=4):
    return torch.randn(batch, 2, 20, generator=seeded(1)) * 2


def _loss_and_gradients(network, run, x):
    network.zero_grad()
    y = run(x)
    y.square().mean().backward()
    return y.detach(), [None if p.grad is None else p.grad.clone() for p in network.parameters()]


@pytest.mark.parametrize("neuron", [ShiftLIF, QBLIF, LIF])
def test_a_compiled_network_has_no_graph_break_and_the_same_gradients(neuron):
    network = _network(neuron)
    x = direct_code(_frames(), 3)
    expected, gradients = _loss_and_gradients(network, network, x)
    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    got, compiled_gradients = _loss_and_gradients(network, compiled, x)
    torch.testing.assert_close(got, expected)
    for ours, theirs in zip(compiled_gradients, gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_inductor_compiles_a_neuron_into_one_operator_call():
    torch._dynamo.reset()
    neuron = ShiftLIF()
    compiled = torch.compile(neuron, fullgraph=True)
    x = torch.randn(4, 2, 33, requires_grad=True)
    spikes = compiled(x)
    assert torch.equal(spikes, neuron(x))
    spikes.sum().backward()
    assert x.grad is not None
    assert neuron.scale.grad is not None


def test_a_compiled_network_takes_another_batch_size():
    torch._dynamo.reset()
    network = _network()
    compiled = torch.compile(network, backend="aot_eager", dynamic=True)
    for batch in (4, 7):
        x = direct_code(_frames(batch), 3)
        torch.testing.assert_close(compiled(x), network(x))


def test_an_exported_network_contains_the_operator_and_gives_the_same():
    network = _network().eval()
    x = direct_code(_frames(), 3)
    exported = torch.export.export(network, (x,))
    called = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert "shiftlif.sequence.default" in called
    torch.testing.assert_close(exported.module()(x), network(x))


def _operator_arguments(dtype=torch.float32):
    currents = torch.randn(3, 2, 5, dtype=dtype, requires_grad=True)
    return (
        currents,
        torch.randn(2, 5, requires_grad=True),
        torch.ones(1, requires_grad=True),
        torch.tensor(0.5, requires_grad=True),
        3,
        1,
        [0.0, 0.5, 1.0],
        [0.25, 0.75],
        "relsget",
        8.0,
        True,
        False,
        False,
    )


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("record", [False, True])
def test_the_operator_keeps_the_rules_of_custom_operators(last, record):
    torch.library.opcheck(
        torch.ops.shiftlif.sequence.default,
        (*_operator_arguments(), last, record),
        test_utils=(
            "test_schema",
            "test_autograd_registration",
            "test_faketensor",
            "test_aot_dispatch_static",
        ),
    )


def test_fake_tensors_get_shapes_without_data():
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        spikes = ShiftLIF()(torch.empty(7, 3, 11))
        assert spikes.shape == (7, 3, 11)


def test_autocast_feeds_bfloat16_currents_and_gets_bfloat16_spikes():
    network = _network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = network(direct_code(_frames(), 4))
    y.float().square().mean().backward()
    assert y.dtype == torch.bfloat16
    for p in network.parameters():
        assert p.grad is not None or not p.requires_grad
        assert p.grad is None or bool(torch.isfinite(p.grad).all())


def test_threads_that_train_side_by_side_do_not_disturb_each_other():
    def work(seed, results):
        generator = seeded(seed)
        neuron = ShiftLIF()
        with use("fused" if seed % 2 else "reference"):
            for _ in range(20):
                x = torch.randn(5, 3, 4000, generator=generator, requires_grad=True)
                neuron(x).square().sum().backward()
        results[seed] = neuron.scale.grad.clone(), choice()

    together, alone = {}, {}
    threads = [threading.Thread(target=work, args=(seed, together)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        work(seed, alone)
        assert torch.equal(together[seed][0], alone[seed][0])
    assert choice() == "auto"


def test_nothing_but_the_input_is_saved_for_the_backward_pass():
    saved = []
    x = torch.randn(8, 2, 500, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        ShiftLIF()(x)
    beyond = [t for t in saved if t.data_ptr() != x.data_ptr()]
    assert sum(t.numel() for t in beyond) <= 2  # scale and decay


def test_a_constant_frame_is_saved_once():
    saved = []
    network = Network(nn.Linear(50, 400), ShiftLIF(), input_shape=(50,))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        network(direct_code(torch.randn(4, 50), 16))
    assert sum(t.numel() for t in {t.data_ptr(): t for t in saved}.values()) < 2 * 4 * 400 + 4 * 50 + 50 * 400


class _Unknown:
    def __call__(self, u, alphabet):
        return torch.ones_like(u)


def test_a_surrogate_of_the_users_own_runs_on_the_reference_and_says_so_when_kernels_are_demanded():
    neuron = ShiftLIF(surrogate=_Unknown())
    x = torch.randn(3, 2, 4, requires_grad=True)
    neuron(x).sum().backward()
    with use("fused"), pytest.raises(NetworkError, match="surrogate"):
        neuron(x)


def test_double_precision_runs_on_the_reference():
    x = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    neuron = ShiftLIF().double()
    assert neuron(x).dtype == torch.float64
    with use("fused"), pytest.raises(NetworkError, match="float64"):
        neuron(x)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ConfigurationError, match="auto, fused, reference"), use("fast"):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": torch.ones(1, 1, 4)}, "one scale per layer or channel"),
        ({"decay": torch.ones(4)}, "one decay per layer"),
        ({"scale": torch.ones(1, dtype=torch.float64)}, "float32 scale"),
        ({"currents": torch.zeros(3, 2, 5, 4, dtype=torch.int32)}, "float32 and bfloat16"),
    ],
)
def test_what_the_kernels_cannot_run_is_explained(change, message):
    neuron = ShiftLIF()
    known = mechanism_of(neuron.alphabet, ReLSGET(), True, "soft", False)
    arguments = {
        "currents": torch.zeros(3, 2, 5, 4),
        "initial": None,
        "scale": torch.ones(1),
        "decay": torch.tensor(0.5),
    }
    assert explain(known, **arguments) is None
    assert message in explain(known, **{**arguments, **change})


@pytest.mark.parametrize(
    ("neuron", "reason"),
    [(ShiftLIF(reset_gain=2.0), "subtracts 2 times"), (TLIF(), "the letters 0 and 1 only, not for Ternary")],
)
def test_a_reset_that_the_kernels_lack_runs_on_the_reference_and_says_why(neuron, reason):
    x = torch.randn(3, 2, 4, generator=seeded(4))
    with use("reference"):
        expected = neuron(x)
    assert torch.equal(neuron(x), expected)
    with use("fused"), pytest.raises(NetworkError, match=reason):
        neuron(x)


@pytest.mark.parametrize("kernels", ["fused", "reference"])
def test_a_second_derivative_is_refused(kernels):
    x = torch.randn(3, 2, 4, requires_grad=True)
    with use(kernels), pytest.raises(NetworkError, match="no second derivative"):
        torch.autograd.grad(ShiftLIF()(x).square().sum(), x, create_graph=True)


def test_without_the_compiled_kernels_the_reference_runs_and_says_so_once(monkeypatch):
    neuron = ShiftLIF()
    x = torch.randn(3, 2, 4, generator=seeded(2))
    expected = neuron(x)
    monkeypatch.setattr(cpu, "unavailable", "the CPU kernels were not built")
    monkeypatch.setattr(cpu, "_native", None)
    monkeypatch.setattr(dispatch, "_WARNED", set())
    with pytest.warns(UserWarning, match="slow eager reference: the CPU kernels were not built"):
        first = neuron(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = neuron(x)
    assert torch.equal(first, expected)
    assert torch.equal(again, expected)
    with use("fused"), pytest.raises(NetworkError, match="not built"):
        neuron(x)
