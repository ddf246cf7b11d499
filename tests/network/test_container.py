import pytest
import torch
from torch import nn

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.models import MODELS, PARAMETER_LIMIT
from shiftlif.network import Network, Residual, calibrate, direct_code, readout
from shiftlif.neuron import LIF, IntLIF, ShiftLIF


def _small(**options):
    torch.manual_seed(0)
    return Network(
        nn.Conv1d(3, 8, 3, padding=1),
        nn.BatchNorm1d(8),
        ShiftLIF(**options),
        Residual(nn.Conv1d(8, 8, 3, padding=1), ShiftLIF()),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(8 * 8, 4),
        input_shape=(3, 16),
    )


def test_layers_are_named_by_kind_and_number():
    network = Network(nn.Linear(4, 4), LIF(), nn.Linear(4, 4), LIF(), nn.Linear(4, 2), input_shape=(4,))
    assert list(network.layers) == ["linear1", "lif1", "linear2", "lif2", "linear3"]
    assert [name for name, _ in _small().stateful_layers()] == ["shiftlif1", "residual1.shiftlif1"]


def test_layers_can_be_named_by_the_user():
    network = Network({"encode": nn.Linear(4, 4), "fire": LIF(), "read": nn.Linear(4, 2)}, input_shape=(4,))
    assert list(network.layers) == ["encode", "fire", "read"]


def test_streaming_one_step_at_a_time_equals_the_sequence_call():
    network = _small().eval()
    x = torch.randn(5, 2, 3, 16)
    whole = network(x)
    state = None
    for t in range(5):
        y, state = network.step(x[t], state)
        assert torch.allclose(y, whole[t], atol=1e-6)
    assert set(state) == {"shiftlif1", "residual1.shiftlif1"}


def test_a_constant_sequence_equals_the_repeated_frames():
    network = _small().eval()
    x = torch.randn(2, 3, 16)
    assert torch.equal(network(direct_code(x, 4)), network(x.repeat(4, 1, 1, 1)))


def test_layers_before_the_first_neuron_see_a_constant_frame_once():
    calls = []
    network = Network(nn.Linear(4, 4), LIF(), nn.Linear(4, 2), input_shape=(4,))
    for layer in network.layers.values():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    network(direct_code(torch.randn(3, 4), steps=6))
    assert calls == [3, 18]


def test_two_calls_start_from_the_zero_state():
    network = _small().eval()
    x = torch.randn(4, 2, 3, 16)
    assert torch.equal(network(x), network(x))


def test_readout_is_the_mean_over_time():
    assert readout(torch.tensor([[[1.0, 2.0]], [[3.0, 6.0]]])).tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 16), r"\[T, B, 3, 16\]"),
        ((4, 2, 5, 16), r"\[T, B, 3, 16\]"),
        ((4, 2, 3, 17), "3, 16"),
        ((0, 2, 3, 16), "T must"),
    ],
)
def test_input_of_another_form_is_refused_with_the_expected_form(shape, message):
    with pytest.raises(NetworkError, match=message):
        _small()(torch.zeros(shape))


def test_t_below_one_is_refused():
    with pytest.raises(NetworkError, match="T must be at least 1, got 0"):
        direct_code(torch.zeros(2, 3), 0)


def test_a_state_of_another_batch_is_refused_with_the_layer_name():
    network = _small().eval()
    _, state = network.step(torch.zeros(2, 3, 16))
    with pytest.raises(NetworkError, match="layer shiftlif1: state has shape"):
        network.step(torch.zeros(5, 3, 16), state)


def test_a_state_of_another_network_is_refused():
    with pytest.raises(NetworkError, match="neurons are"):
        _small().step(torch.zeros(1, 3, 16), {"other": torch.zeros(1)})


def test_branches_of_different_shape_are_refused():
    network = Network(
        nn.Linear(4, 4), LIF(), Residual(nn.Linear(4, 3), LIF()), nn.Linear(4, 2), input_shape=(4,)
    )
    with pytest.raises(NetworkError, match="residual1: the branches give"):
        network(torch.zeros(1, 1, 4))


@pytest.mark.parametrize("bad", [(), (0,), (3, -1), (2.5,)])
def test_an_impossible_input_shape_is_refused(bad):
    with pytest.raises(NetworkError, match="input_shape"):
        Network(nn.Linear(4, 4), input_shape=bad)


@pytest.mark.parametrize("method", ["quantile", "error"])
def test_calibration_covers_the_membrane(method):
    torch.manual_seed(1)
    network = Network(
        nn.Linear(10, 32), ShiftLIF(), nn.Linear(32, 32), ShiftLIF(), nn.Linear(32, 2), input_shape=(10,)
    )
    x = direct_code(torch.randn(256, 10) * 20, 4)
    report = calibrate(network, x, method=method)
    assert [layer.name for layer in report] == ["shiftlif1", "shiftlif2"]
    assert 5 < report[0].scale.item() < 60  # currents of standard deviation about 11
    assert not any(layer.collapsed for layer in report)
    assert all((layer.usage > 0.005).all() for layer in report)


def test_calibration_reports_a_collapsed_layer_by_name():
    network = Network(nn.Linear(4, 8), ShiftLIF(), nn.Linear(8, 2), input_shape=(4,))
    nn.init.zeros_(network.layers["linear1"].weight)
    nn.init.constant_(network.layers["linear1"].bias, -1.0)
    (layer,) = calibrate(network, direct_code(torch.randn(16, 4), 2))
    assert layer.name == "shiftlif1"
    assert layer.collapsed
    assert layer.usage[0] == 1.0


def test_calibration_changes_scales_only():
    network = _small()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    calibrate(network, direct_code(torch.randn(8, 3, 16), 2))
    changed = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert changed <= {
        "layers.shiftlif1.scale",
        "layers.residual1.body.shiftlif1.scale",
        "layers.batchnorm1.num_batches_tracked",
    }
    assert network.training


@pytest.mark.parametrize("options", [{"method": "guess"}, {"quantile": 0.0}])
def test_calibration_options_are_checked(options):
    with pytest.raises(ConfigurationError, match="method must be"):
        calibrate(_small(), torch.zeros(1, 2, 3, 16), **options)


def test_calibration_refuses_non_finite_batches():
    with pytest.raises(NetworkError, match="finite"):
        calibrate(_small(), torch.full((1, 2, 3, 16), float("nan")))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("dense", (1, 8, 8)),
        ("dense", (6, 128)),
        ("conv1d", (6, 128)),
        ("conv1d", (90, 128)),
        ("conv2d", (1, 28, 28)),
        ("conv2d", (2, 34, 34)),
        ("lenet", (6, 128)),
        ("lenet", (342, 500)),
        ("lenet", (1, 8, 8)),
        ("lenet", (2, 34, 34)),
    ],
)
def test_edge_networks_stay_under_their_parameter_limit(model, shape):
    network = MODELS[model](shape, 10, IntLIF)
    assert network.n_parameters < PARAMETER_LIMIT
    assert network(direct_code(torch.zeros(2, *shape), 2)).shape == (2, 2, 10)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("dense", (90, 128)),
        ("conv1d", (1, 8, 8)),
        ("conv2d", (6, 128)),
        ("conv1d", (3, 8)),
        ("lenet", (3, 2)),
        ("lenet", (9,)),
    ],
)
def test_edge_networks_refuse_samples_of_another_form(model, shape):
    with pytest.raises(ConfigurationError, match=f"model {model}"):
        MODELS[model](shape, 10, IntLIF)


def test_a_layer_that_returns_no_tensor_is_named():
    network = Network(nn.LSTM(4, 4), nn.Linear(4, 2), input_shape=(4,))
    with pytest.raises(NetworkError, match=r"layer lstm1 \(LSTM\) returned a tuple"):
        network(torch.zeros(2, 3, 4))


def test_a_state_that_is_no_mapping_is_refused():
    with pytest.raises(NetworkError, match="state holds a Tensor but"):
        _small().eval().step(torch.zeros(2, 3, 16), torch.zeros(3))
