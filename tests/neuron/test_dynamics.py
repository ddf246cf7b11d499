"""Neurons whose steps are not the mechanism's: CLIF, GLIF and PSN."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from shiftlif.alphabet import Binary
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.network import Network, calibrate
from shiftlif.neuron import CLIF, GLIF, PSN
from shiftlif.neuron.complementary import complementary_step
from shiftlif.neuron.gated import GatedParameters, gated_step
from shiftlif.neuron.parallel import parallel_sequence
from shiftlif.neuron.step import NeuronParameters, loop
from shiftlif.surrogate import ATan
from tests.neuron.reference import SURROGATES, smooth_letter


def _random(*shape, seed=0, scale=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def _trace(neuron, currents):
    spikes, _, membranes = neuron.run(torch.tensor(currents).view(-1, 1, 1), None, record=True)
    return spikes.flatten().tolist(), membranes.flatten().tolist()


def test_clif_deepens_the_reset_by_the_sigmoid_of_its_memory():
    # H = 1.5 fires; M = 1; V = 1.5 - 1 - sigmoid(1) = -0.231059. Then H = V / 2 + 1 = 0.884471, silent.
    spikes, membranes = _trace(CLIF(), [1.5, 1.0])
    assert spikes == [1.0, 0.0]
    assert membranes == pytest.approx([-0.2310586, 0.8844707])


def test_the_memory_of_clif_decays_by_the_sigmoid_of_the_membrane():
    _, state, _ = CLIF().run(torch.tensor([1.5, 1.0]).view(2, 1, 1), None)
    # M = 1 at the first step, then times sigmoid(0.884471 / 2) = 0.608792.
    assert state.shape == (1, 2, 1)
    assert state[0, 1].item() == pytest.approx(0.6087916)


def test_glif_mixes_its_leaks_its_resets_and_its_conductance():
    neuron = GLIF(2)
    with torch.no_grad():
        for gate in (neuron.alpha, neuron.beta, neuron.gamma):
            gate.zero_()  # every gate 1/2; tau 1/4, v_th = v_re = g = 1/2, tau_lin 1/8 as they start
    # k = 1 - (1/2)(3/4) = 5/8, input factor 1 - 1/4 = 3/4.
    # U = -1/16 + 3/4 = 0.6875 fires; U = 0.6875 k - 1/16 + 3/4 - 0.6875 k / 2 - 1/4 = 0.65234375 fires.
    spikes, membranes = _trace(neuron, [1.0, 1.0])
    assert spikes == [1.0, 1.0]
    assert membranes == pytest.approx([0.6875, 0.65234375])


def test_psn_sees_every_step_at_once():
    neuron = PSN(2)
    with torch.no_grad():
        neuron.weight.copy_(torch.tensor([[1.0, 2.0], [0.5, 1.0]]))
        neuron.bias.copy_(torch.tensor([0.0, 0.25]))
    # H = 0.5 + 2 * 0.25 = 1.0 fires, H = 0.25 + 0.25 + 0.25 = 0.75 does not: the second current reached the first step.
    spikes, membranes = _trace(neuron, [0.5, 0.25])
    assert spikes == [1.0, 0.0]
    assert membranes == [1.0, 0.75]


def _agree(ours, theirs, leaves_ours, leaves_theirs, weights):
    assert torch.equal(ours, theirs)
    assert 0 < ours.count_nonzero() < ours.numel()
    for a, b in zip(
        torch.autograd.grad((ours * weights).sum(), leaves_ours),
        torch.autograd.grad((theirs * weights).sum(), leaves_theirs),
        strict=True,
    ):
        assert a.abs().sum() > 0
        assert torch.allclose(a, b, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("detach_reset", [True, False])
def test_gradients_of_clif_agree_with_autograd(detach_reset, decay_input, surrogate):
    scale = 0.7
    values = [_random(5, 3, 4, scale=2), torch.tensor(0.4, dtype=torch.float64)]
    ours, theirs = ([x.clone().requires_grad_() for x in values] for _ in range(2))
    s = torch.full((1,), scale, dtype=torch.float64)
    parameters = NeuronParameters(Binary(), surrogate, s, ours[1], decay_input, "soft", detach_reset)
    zero = torch.zeros(3, 4, dtype=torch.float64)
    spikes, _, _ = loop(
        lambda _, i, state: complementary_step(i, state, parameters), ours[0], (zero, zero), 5, False
    )
    v, m, expected = zero, zero, []
    currents, decay = theirs
    for current in currents:
        h = v + (current - v) * decay if decay_input else v - v * decay + current
        q = smooth_letter(h / scale, Binary(), surrogate)
        expected.append(scale * q)
        q = q.detach() if detach_reset else q
        m = m / (1 + torch.exp(-h * decay)) + q
        v = h - q * scale - q / (1 + torch.exp(-m))
    _agree(spikes, torch.stack(expected), ours, theirs, _random(5, 3, 4, seed=1))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_gradients_of_glif_agree_with_autograd(surrogate):
    numbers = [torch.tensor([x], dtype=torch.float64) for x in (0.6, 0.3, 0.7, 0.25, 0.1, 0.4, 0.5)]
    values = [_random(5, 3, 4, scale=2), *numbers, torch.linspace(0.2, 0.8, 5, dtype=torch.float64)]
    ours, theirs = ([x.clone().requires_grad_() for x in values] for _ in range(2))
    parameters = GatedParameters(Binary(), surrogate, *ours[1:8])
    zero = torch.zeros(3, 4, dtype=torch.float64)
    spikes, _, _ = loop(
        lambda t, i, state: gated_step(i, state, parameters, ours[8][t]), ours[0], (zero, zero), 5, False
    )
    currents, alpha, beta, gamma, tau, linear, reset, threshold, g = theirs
    u, s, expected = zero, zero, []
    for t, current in enumerate(currents):
        leaked = u - alpha * (1 - tau) * u
        u = leaked * (1 - gamma * s) - (1 - gamma) * reset * s - linear + alpha * linear
        u = u + current - beta * current + beta * g[t] * current
        s = smooth_letter(u - threshold + 1, Binary(), surrogate)
        expected.append(s)
    _agree(spikes, torch.stack(expected), ours, theirs, _random(5, 3, 4, seed=1))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_gradients_of_psn_agree_with_autograd(surrogate):
    values = [_random(4, 3, 5, scale=2), _random(4, 4, seed=2), _random(4, seed=3, scale=0.1)]
    ours, theirs = ([x.clone().requires_grad_() for x in values] for _ in range(2))
    scale = torch.full((1,), 0.7, dtype=torch.float64)
    parameters = NeuronParameters(Binary(), surrogate, scale, scale, True, "soft", False)
    spikes, _ = parallel_sequence(*ours, parameters)
    h = torch.einsum("ts,sbn->tbn", theirs[1], theirs[0]) + theirs[2].view(4, 1, 1)
    expected = 0.7 * smooth_letter(h / 0.7, Binary(), surrogate)
    _agree(spikes, expected, ours, theirs, _random(4, 3, 5, seed=1))


def _network(neuron):
    torch.manual_seed(0)
    network = Network(
        nn.Conv1d(2, 4, 3),
        neuron(),
        nn.Flatten(),
        nn.Linear(24, 5),
        neuron(),
        nn.Linear(5, 3),
        input_shape=(2, 8),
    )
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Linear):
            module.weight.data.mul_(3)
    return network


@given(st.sampled_from(["CLIF", "GLIF"]), st.integers(1, 6), st.integers(1, 3))
def test_streaming_equals_the_sequence_call(name, steps, batch):
    make = {"CLIF": CLIF, "GLIF": lambda: GLIF(6)}[name]
    neuron, x = make(), torch.randn(steps, batch, 2, 8, generator=torch.Generator().manual_seed(steps)) * 2
    spikes, last, _ = neuron.run(x, None)
    state = None
    for t in range(steps):
        s, state = neuron.step(x[t], state)
        assert torch.equal(s, spikes[t])
    assert torch.equal(state, last)

    network = _network(make).double()  # a convolution of one sample may round otherwise than that of several
    whole, last = network.run(x.double())
    state = None
    for t in range(steps):
        y, state = network.step(x[t].double(), state)
        assert torch.allclose(y, whole[t])
    assert state.keys() == last.keys()
    assert all(torch.allclose(state[layer], last[layer]) for layer in last)


@pytest.mark.parametrize("neuron", [CLIF, lambda: GLIF(4, channels=4), lambda: PSN(4, channels=4)])
def test_every_trained_number_receives_a_gradient_and_membranes_are_recorded(neuron):
    layer = neuron()
    currents = torch.randn(4, 8, 4, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    spikes, _, membranes = layer.run(currents * 2, None, record=True)
    assert membranes.shape == spikes.shape
    (spikes * torch.rand_like(spikes)).sum().backward()
    for name, parameter in layer.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name
    assert currents.grad.abs().sum() > 0


@pytest.mark.parametrize("neuron", [CLIF, lambda: GLIF(3), lambda: PSN(3)])
def test_half_precision_currents_give_half_precision_spikes(neuron):
    currents = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(1)).bfloat16()
    spikes, _, membranes = neuron().run(currents, None, record=True)
    assert spikes.dtype == torch.bfloat16
    assert membranes.dtype == torch.float32


def test_psn_refuses_to_stream_and_to_run_another_number_of_steps():
    network = _network(lambda: PSN(4))
    with pytest.raises(NetworkError, match=r"layer psn1: PSN needs all of its 4 steps .* got 1 steps"):
        network.step(torch.zeros(2, 2, 8))
    with pytest.raises(NetworkError, match="got 5 steps"):
        network(torch.zeros(5, 2, 2, 8))
    _, state = network.run(torch.zeros(4, 2, 2, 8))
    with pytest.raises(NetworkError, match="a state to go on from"):
        network.run(torch.zeros(4, 2, 2, 8), state)


def test_glif_refuses_more_steps_than_it_has_conductances():
    network = _network(lambda: GLIF(3))
    _, state = network.run(torch.zeros(2, 2, 2, 8))
    network.step(torch.zeros(2, 2, 8), state)
    with pytest.raises(NetworkError, match=r"layer glif1: .* built for 3 steps and would run 4"):
        network.run(torch.zeros(2, 2, 2, 8), state)


@pytest.mark.parametrize("neuron", [CLIF(), GLIF(4)])
def test_a_state_of_another_shape_is_refused(neuron):
    with pytest.raises(NetworkError, match=r"state has shape \(2, 5\), expected \(2, [23], 5\)"):
        neuron.run(torch.zeros(1, 2, 5), torch.zeros(2, 5))


@pytest.mark.parametrize("kind", [GLIF, PSN])
@pytest.mark.parametrize("steps", [0, 2.0, True])
def test_a_number_of_steps_that_is_none_is_refused(kind, steps):
    with pytest.raises(ConfigurationError, match="steps must be a whole number"):
        kind(steps)


def test_a_hard_reset_of_clif_is_refused():
    with pytest.raises(ConfigurationError, match="CLIF has reset='soft' by definition"):
        CLIF(reset="hard")


def test_calibration_leaves_neurons_alone_whose_threshold_is_not_their_scale():
    network = _network(lambda: PSN(3))
    assert calibrate(network, torch.randn(3, 4, 2, 8)) == []


def test_psn_starts_within_the_published_bounds():
    torch.manual_seed(0)
    neuron = PSN(16)
    assert neuron.weight.abs().max() <= 1 / math.sqrt(16)
    assert neuron.bias.abs().max() == 0
    assert neuron.surrogate == ATan()
