"""Networks of SpikingJelly and snnTorch, imported: the same spikes and outputs, then the same integers."""

import copy

import numpy as np
import pytest
import snntorch as snn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from snntorch import surrogate as snn_surrogate
from spikingjelly.activation_based import functional, layer, monitor, neuron, surrogate
from torch import nn

from shiftlif.compile import convert, verify
from shiftlif.errors import CompileError, NetworkError
from shiftlif.interop import from_snntorch, from_spikingjelly
from shiftlif.interop.spikingjelly import LIFNode, PLIFNode, QBLIFNode, ShiftLIFNode
from shiftlif.network import direct_code, readout
from shiftlif.program import InputQuantizer
from shiftlif.quantize import absorb, prepare

STEPS = (1, 4, 8)


def _spikes(network, x):
    """Outputs ``[T, N, ...]``, and each neuron's spikes: 0 and 1 of a binary neuron, else scale times letter."""
    spikes = []

    def keep(seen):
        binary = seen.layer.alphabet.n_levels == 2
        spikes.append((seen.outputs > 0).to(seen.outputs.dtype) if binary else seen.outputs)

    with torch.no_grad():
        return network(x, observer=keep), spikes


def _randomised(net, seed):
    """Weights and batch statistics that keep spikes flowing, in float64, where no two roundings meet a threshold."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.3)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.3)
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            module.weight.data.copy_(torch.randn(module.weight.shape, generator=generator) * 0.7)
    return net.double().eval()


# SpikingJelly

RESETS = st.sampled_from([None, 0.0, 0.0, -0.5, 0.25])
THRESHOLDS = st.sampled_from([1.0, 0.5, 0.7, 1.9])
NODES = st.one_of(
    st.builds(
        lambda tau, divided, theta, v: neuron.LIFNode(tau, divided, v_threshold=theta, v_reset=v),
        st.sampled_from([2.0, 4.0, 1.7]),
        st.booleans(),
        THRESHOLDS,
        RESETS,
    ),
    st.builds(lambda theta, v: neuron.IFNode(v_threshold=theta, v_reset=v), THRESHOLDS, RESETS),
    st.builds(
        lambda tau, divided, theta, v: neuron.ParametricLIFNode(tau, divided, v_threshold=theta, v_reset=v),
        st.sampled_from([2.0, 1.3]),
        st.booleans(),
        THRESHOLDS,
        RESETS,
    ),
    st.builds(
        lambda theta, v: LIFNode(tau=2.0, v_threshold=theta, v_reset=v),
        THRESHOLDS,
        st.sampled_from([0.0, None]),
    ),
    st.builds(lambda s: ShiftLIFNode(K=2, v_threshold=s, channels=6), THRESHOLDS),
    st.builds(lambda: QBLIFNode(L=3, tau=4.0)),
    st.builds(lambda: PLIFNode(tau=1.5)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(NODES, NODES),
    st.one_of(st.none(), NODES),
    st.sampled_from(["conv2d", "conv1d", "dense"]),
    st.sampled_from(STEPS),
    st.integers(0, 1000),
)
def test_an_imported_spikingjelly_network_has_the_same_spikes_and_outputs(nodes, last, kind, steps, seed):
    front = {
        "conv2d": [layer.Conv2d(2, 6, 3, padding=1), layer.BatchNorm2d(6), nodes[0], layer.AvgPool2d(2)],
        "conv1d": [nn.Sequential(layer.Conv1d(2, 6, 3), layer.BatchNorm1d(6)), nodes[0], layer.MaxPool1d(2)],
        "dense": [layer.Flatten(), layer.Linear(32, 6, bias=False), layer.BatchNorm1d(6), nodes[0]],
    }[kind]
    shape = {"conv2d": (2, 4, 4), "conv1d": (2, 16), "dense": (2, 16)}[kind]
    width = {"conv2d": 24, "conv1d": 42, "dense": 6}[kind]
    behind = [] if last is None else [last]
    net = _randomised(
        nn.Sequential(
            *front,
            layer.Dropout(0.5),
            layer.Flatten(),
            layer.Linear(width, 6),
            nn.Sequential(nodes[1]),
            layer.Linear(6, 6),
            *behind,
        ),
        seed,
    )
    functional.set_step_mode(net, "m")
    x = torch.randn(steps, 5, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    monitored = monitor.OutputMonitor(net, tuple({type(n) for n in (*nodes, *behind)}))
    with torch.no_grad():
        expected = net(x)
    records = list(monitored.records)
    state = copy.deepcopy(net.state_dict())
    outputs, spikes = _spikes(from_spikingjelly(net, shape), x)
    assert len(spikes) == len(records) == 2 + len(behind)
    for ours, original in zip(spikes, records, strict=True):
        assert ours.tolist() == original.tolist()
    torch.testing.assert_close(outputs, expected, rtol=1e-9, atol=1e-9)
    assert all(bool((value == state[name]).all()) for name, value in net.state_dict().items())
    assert len(records) == len(monitored.records)  # the copy's layers report to nobody


def test_voters_become_the_readout():
    net = _randomised(
        nn.Sequential(layer.Linear(4, 21), neuron.LIFNode(v_threshold=0.5), layer.VotingLayer(10)), 0
    )
    functional.set_step_mode(net, "m")
    x = torch.randn(4, 3, 4, dtype=torch.float64)
    network = from_spikingjelly(net, (4,))
    torch.testing.assert_close(network(x), net(x))
    assert network.layers["linear2"].weight[:, 20].tolist() == [0.0, 0.0]  # the 21st votes for no class


@pytest.mark.parametrize("theta", [1.0, 0.6])
@pytest.mark.parametrize(
    "make",
    [
        lambda theta: neuron.SimpleIFNode(v_threshold=theta),
        lambda theta: neuron.SimpleIFNode(v_threshold=theta, v_reset=None),
        lambda theta: neuron.SimpleLIFNode(2.0, True, v_threshold=theta),
        lambda theta: neuron.SimpleLIFNode(4.0, False, v_threshold=theta),
    ],
    ids=["IF hard", "IF soft", "LIF", "LIF, input undivided"],
)
def test_simple_nodes_that_rest_at_0_are_imported(make, theta):
    net = _randomised(nn.Sequential(layer.Linear(4, 30), make(theta), layer.Linear(30, 2)), 0)
    functional.set_step_mode(net, "m")
    x = torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs, (spikes,) = _spikes(from_spikingjelly(net, (4,)), x)
    assert 0 < spikes.mean() < 1
    torch.testing.assert_close(outputs, net(x).detach(), rtol=1e-9, atol=1e-9)


def test_a_learned_time_constant_stays_learnable_and_equal():
    net = nn.Sequential(layer.Linear(4, 3), neuron.ParametricLIFNode(), layer.Linear(3, 2))
    net[1].w.data.fill_(0.3)
    network = from_spikingjelly(net, (4,))
    assert network.layers["plif1"].decay_logit.item() == pytest.approx(0.3)
    assert network.layers["plif1"].decay_logit.requires_grad


# snnTorch


def _leaky(beta, threshold, mechanism, height, **options):
    return snn.Leaky(
        beta=beta, threshold=threshold, reset_mechanism=mechanism, graded_spikes_factor=height, **options
    )


LEAKY = st.builds(
    _leaky,
    st.sampled_from([0.5, 0.75, 0.9, 1.0, 0.3]),
    st.sampled_from([1.0, 0.6, 1.7]),
    st.sampled_from(["subtract", "zero"]),
    st.sampled_from([1.0, 1.0, 2.5]),
    learn_beta=st.booleans(),
    learn_threshold=st.booleans(),
)


def _run_snntorch(layers, x):
    """The loop of snnTorch's tutorials: outputs ``[T, N, ...]`` and spikes of each neuron."""
    membranes = {i: m.reset_mem() for i, m in enumerate(layers) if isinstance(m, snn.Leaky)}
    outputs, spikes = [], {i: [] for i in membranes}
    with torch.no_grad():
        for frame in x:
            for i, module in enumerate(layers):
                if i in membranes:
                    frame, membranes[i] = module(frame, membranes[i])
                    frame = frame.to(x.dtype)  # snnTorch spikes in float32
                    spikes[i].append(frame)
                else:
                    frame = module(frame)
            outputs.append(frame)
    return torch.stack(outputs), [torch.stack(s) for s in spikes.values()]


@settings(max_examples=60, deadline=None)
@given(LEAKY, LEAKY, st.booleans(), st.sampled_from(STEPS), st.integers(0, 1000))
def test_an_imported_snntorch_network_has_the_same_spikes_and_outputs(first, last, spiking, steps, seed):
    layers = [nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), first, nn.MaxPool1d(2), nn.Flatten(), nn.Linear(28, 5)]
    layers += [last] if spiking else [last, nn.Dropout(0.3), nn.Linear(5, 3)]
    _randomised(nn.ModuleList(layers), seed)
    x = torch.randn(steps, 6, 2, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected, spikes = _run_snntorch(layers, x)
    outputs, ours = _spikes(from_snntorch(layers, (2, 16)), x)
    for original, imported in zip(spikes, ours, strict=True):
        assert imported.tolist() == (original > 0).double().tolist()
    torch.testing.assert_close(outputs, expected, rtol=1e-9, atol=1e-9)


def test_subtract_resets_one_step_late_and_after_the_leak():
    """Worked by hand with beta = 1/2, theta = 1: U = 3, then 3/2 + 0 - 1 = 1/2, then 1/4."""
    lif = from_snntorch([snn.Leaky(beta=0.5)], (1,)).layers["lif1"]
    assert (lif.tau, lif.decay_input, lif.reset, lif.reset_gain) == (2.0, False, "soft", 2.0)
    currents = torch.tensor([3.0, 0.0, 0.0]).view(3, 1, 1)
    spikes, _, membranes = lif.run(currents, None, record=True)
    assert spikes.flatten().tolist() == [1.0, 0.0, 0.0]
    assert membranes.flatten().tolist() == [1.0, 0.5, 0.25]  # 3 - 2, whose half is snnTorch's 1/2
    leaky, mem = snn.Leaky(beta=0.5), torch.zeros(1, 1)
    theirs = []
    for current in currents:
        _, mem = leaky(current, mem)
        theirs.append(mem.item())
    assert theirs == [3.0, 0.5, 0.25]


def test_zero_without_delay_is_a_hard_reset_too():
    leaky = snn.Leaky(beta=0.5, threshold=0.7, reset_mechanism="zero", reset_delay=False)
    layers = [nn.Linear(3, 20), leaky]
    _randomised(nn.ModuleList(layers), 0)
    x = torch.randn(8, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(from_snntorch(layers, (3,))(x), _run_snntorch(layers, x)[0])


def test_a_sequential_with_hidden_states_is_imported():
    net = nn.Sequential(nn.Linear(3, 4), snn.Leaky(beta=0.5, init_hidden=True, output=True))
    x = torch.randn(3, 2, 3)
    with torch.no_grad():
        expected = torch.stack([net(frame)[0] for frame in x])
        torch.testing.assert_close(from_snntorch(net, (3,))(x), expected)


# What has no counterpart

WITHOUT_MEMORY = neuron.ParametricLIFNode()
WITHOUT_MEMORY.w.data.fill_(40.0)  # sigmoid(40) is 1.0
CUSTOM = nn.Module()
CUSTOM.fc = nn.Linear(3, 3)
HOOKED = nn.Linear(3, 3)
HOOKED.register_forward_pre_hook(lambda *_: None)  # as weight_norm and pruning do


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (neuron.ParametricLIFNode(v_threshold=0.5, v_reset=0.5), "threshold 0.5 must lie above v_reset 0.5"),
        (neuron.SimpleIFNode(v_reset=-0.5), "starts at 0 and resets to v_reset -0.5.* use IFNode"),
        (
            neuron.SimpleLIFNode(2.0, True, v_reset=0.25),
            "starts at 0 and resets to v_reset 0.25.* use LIFNode",
        ),
        (neuron.SimpleLIFNode(0.5, True), "tau must be at least 1"),
        (WITHOUT_MEMORY, "tau must be above 1 and finite when learnable, got 1.0"),
        (neuron.QIFNode(), r"QIFNode.*supported are .*LIFNode, IFNode, ParametricLIFNode"),
        (neuron.LIFNode(surrogate_function=surrogate.ATan(spiking=False)), "emits no spikes"),
        (layer.WSLinear(3, 3), "WSLinear"),
        (layer.GroupNorm(1, 3), "GroupNorm"),
        (LIFNode(channels=3, v_threshold=0.5), None),
        (CUSTOM, "pass its layers in order"),
        (nn.ReLU(), "ReLU"),
        (HOOKED, "remove_weight_norm"),
    ],
)
def test_spikingjelly_layers_without_counterpart_are_named(module, message):
    net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(module))
    if message is None:
        from_spikingjelly(net, (3,))
        module.neuron.scale.data[0] = 0.7
        message = "threshold for each channel"
    with pytest.raises(NetworkError, match=message) as caught:
        from_spikingjelly(net, (3,))
    assert "layer 1.0 (" in str(caught.value)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            snn.Leaky(beta=0.5, reset_mechanism="none"),
            "'none' has no counterpart; if it is a read-out, leave it out",
        ),
        (snn.Leaky(beta=0.0), "beta 0 with reset 'subtract'"),
        (snn.Leaky(beta=0.5, reset_delay=False), "reset_delay=False with reset 'subtract'"),
        (snn.Leaky(beta=0.5, threshold=-1.0), "must be positive and finite"),
        (snn.Leaky(beta=0.5, graded_spikes_factor=-1.0), "height -1; it must be positive"),
        (snn.Leaky(beta=torch.tensor([0.5, 0.75, 0.5])), "beta differs from neuron to neuron"),
        (snn.Leaky(beta=0.5, threshold=torch.tensor([1.0, 2.0, 1.0])), "threshold differs"),
        (snn.Leaky(beta=0.5, state_quant=lambda v: v.round()), "state_quant has no counterpart"),
        (snn.Leaky(beta=0.5, spike_grad=torch.sigmoid), "spike_grad does not emit 0 below and 1 above"),
        (snn.Synaptic(alpha=0.5, beta=0.5), r"Synaptic.*supported are .* Leaky"),
        (snn.Lapicque(beta=0.5), "Lapicque"),
    ],
)
def test_snntorch_layers_without_counterpart_are_named(module, message):
    with pytest.raises(NetworkError, match=message) as caught:
        from_snntorch([nn.Linear(3, 3), module], (3,))
    assert "layer 1 (" in str(caught.value)


def test_any_surrogate_of_snntorch_that_emits_spikes_is_accepted():
    for make in (
        snn_surrogate.atan,
        snn_surrogate.fast_sigmoid,
        snn_surrogate.sigmoid,
        snn_surrogate.triangular,
    ):
        network = from_snntorch([nn.Linear(3, 3), snn.Leaky(beta=0.5, spike_grad=make())], (3,))
        assert list(network.layers) == ["linear1", "lif1", "linear2"]


def test_a_beta_that_is_no_shift_is_refused_by_the_compiler_with_the_nearest_that_is():
    network = from_snntorch([nn.Linear(3, 3), snn.Leaky(beta=0.9), nn.Linear(3, 2)], (3,))
    with pytest.raises(CompileError, match=r"layer lif1: tau is 10, .*train with tau 8 \(beta .*= 0\.875\)"):
        prepare(absorb(network), input_exponent=6)


def test_a_rounded_tau_is_a_leaky_of_that_beta():
    layers = [nn.Linear(3, 20), snn.Leaky(beta=0.9), nn.Linear(20, 2)]
    _randomised(nn.ModuleList(layers), 0)
    network = from_snntorch(layers, (3,))
    assert network.layers["lif1"].round_tau() == 8.0
    layers[1] = snn.Leaky(beta=0.875)
    x = torch.randn(8, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(network(x), _run_snntorch(layers, x)[0])
    prepare(absorb(network), input_exponent=6)


# Down to integers, on digits

DIGITS = load_digits()
RAW = DIGITS.images[:, None]
X, Y = torch.tensor(RAW, dtype=torch.float32) / 16, torch.tensor(DIGITS.target)
QUANTIZER = InputQuantizer(np.zeros(1), np.full(1, 16.0), exponent=6)
T = 4


def _fit(parameters, scores, batches=30):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(batches):
        batch = torch.randint(1200, (100,))
        nn.functional.cross_entropy(4 * scores(X[batch]), Y[batch]).backward()
        optimizer.step()
        optimizer.zero_grad()


def _spikingjelly(make, *last):
    torch.manual_seed(1)
    net = nn.Sequential(
        layer.Conv2d(1, 6, 3, stride=2, padding=1, bias=False),
        layer.BatchNorm2d(6),
        make(),
        layer.Flatten(),
        layer.Linear(96, 40),
        make(),
        layer.Linear(40, 10),
        *last,
    )
    functional.set_step_mode(net, "m")

    def scores(x):
        functional.reset_net(net)
        return net(x.expand(T, *x.shape)).mean(0)

    _fit(net.parameters(), scores)
    net.eval()
    return from_spikingjelly(net, (1, 8, 8)), scores


def _snntorch(mechanism):
    torch.manual_seed(2)
    layers = [
        nn.Flatten(),
        nn.Linear(64, 40),
        snn.Leaky(beta=0.75, reset_mechanism=mechanism),
        nn.Linear(40, 10),
        snn.Leaky(beta=0.5, reset_mechanism=mechanism, threshold=0.5),
    ]

    def scores(x):
        mem1, mem2, rate = layers[2].reset_mem(), layers[4].reset_mem(), 0.0
        for _ in range(T):
            spikes, mem1 = layers[2](layers[1](layers[0](x)), mem1)
            spikes, mem2 = layers[4](layers[3](spikes), mem2)
            rate = rate + spikes / T
        return rate

    _fit([p for m in layers for p in m.parameters()], scores)
    return from_snntorch(layers, (1, 8, 8)), scores


TRAINED = {
    "ShiftLIF node": lambda: _spikingjelly(lambda: ShiftLIFNode(K=3, tau=2.0)),
    "LIFNode, hard": lambda: _spikingjelly(lambda: neuron.LIFNode(tau=2.0, v_threshold=0.5)),
    "IFNode, soft, rates": lambda: _spikingjelly(
        lambda: neuron.IFNode(v_reset=None), neuron.IFNode(v_reset=None, v_threshold=0.5)
    ),
    "Leaky, subtract": lambda: _snntorch("subtract"),
    "Leaky, zero": lambda: _snntorch("zero"),
}


@pytest.mark.parametrize("name", TRAINED)
def test_a_program_of_an_imported_network_predicts_what_the_original_does(name):
    network, scores = TRAINED[name]()
    test = X[1200:]
    with torch.no_grad():
        original = scores(test)
        imported = readout(network(direct_code(test, T)))
    differing = (imported - original).abs().amax(1) > 1e-4  # a membrane within rounding of its threshold
    assert differing.float().mean() <= 0.01
    accuracy = (original.argmax(1) == Y[1200:]).float().mean()
    assert accuracy > 0.6

    prepared = prepare(absorb(network), input_exponent=QUANTIZER.exponent)
    program = convert(prepared, quantizer=QUANTIZER, classes=[str(i) for i in range(10)], steps=T)
    frames = QUANTIZER.quantize(RAW[1200:])
    predictions = torch.from_numpy(verify(prepared, program, frames).predictions)
    # Rates tie often: a prediction agrees where the original gives its class the highest score.
    chosen = original.gather(1, predictions.unsqueeze(1)).squeeze(1)
    assert (chosen == original.amax(1)).float().mean() > 0.93
    assert (predictions == Y[1200:]).float().mean() > accuracy - 0.03
