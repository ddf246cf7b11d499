import pytest
import torch
from torch import nn

from shiftlif.errors import CompileError, ConfigurationError, DataError, NetworkError
from shiftlif.network import Network, direct_code, readout
from shiftlif.neuron import IntLIF, ShiftLIFNeuron
from shiftlif.training import train_shiftlif


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 8, generator=generator)
    return [(x[i : i + 16], (x[i : i + 16, 0] > 0).long()) for i in range(0, 64, 16)]


def network(neuron=ShiftLIFNeuron):
    torch.manual_seed(0)
    return Network(nn.Linear(8, 16), neuron(), nn.Linear(16, 2), input_shape=(8,))


def test_it_trains_and_absorbs_once():
    results = []
    x, y = (torch.cat(part) for part in zip(*data(), strict=True))
    for absorb in (False, True):
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        assert train_shiftlif(model, data(), optimizer, epochs=15, absorb=absorb) is model
        with torch.no_grad():
            results.append((readout(model(direct_code(x, 4))), model.layers["shiftlifneuron1"].scale.item()))
    (before, trained_scale), (after, absorbed_scale) = results
    assert float((after.argmax(1) == y).float().mean()) > 0.9
    assert torch.allclose(before, after, atol=1e-4)
    assert trained_scale not in (0.5, 1.0)
    assert absorbed_scale == 1.0


def test_a_model_in_the_style_of_the_sketch_is_refused_with_the_way_to_make_a_network():
    model = nn.Sequential(nn.Linear(8, 16), ShiftLIFNeuron(), nn.Linear(16, 2))
    with pytest.raises(NetworkError, match=r"got Sequential; .* Network\(\*layers"):
        train_shiftlif(model, data(), torch.optim.SGD(model.parameters(), 0.1))


def test_an_absorbed_model_is_refused():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    absorbed = train_shiftlif(model, data(), optimizer)
    with pytest.raises(NetworkError, match="absorbed already"):
        train_shiftlif(absorbed, data(), optimizer)


def test_a_neuron_that_never_had_a_learnable_scale_is_no_absorbed_model():
    model = network(IntLIF)
    train_shiftlif(model, data(), torch.optim.SGD(model.parameters(), 0.1))


def test_what_cannot_be_absorbed_is_refused_before_training():
    model = Network(nn.Linear(8, 4), ShiftLIFNeuron(), input_shape=(8,))
    before = model.layers["linear1"].weight.clone()
    with pytest.raises(CompileError):
        train_shiftlif(model, data(), torch.optim.SGD(model.parameters(), 0.1))
    assert torch.equal(before, model.layers["linear1"].weight)


@pytest.mark.parametrize("options", [{"n_timesteps": 0}, {"n_timesteps": 1.5}, {"epochs": 0}])
def test_a_number_below_one_is_refused(options):
    model = network()
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        train_shiftlif(model, data(), torch.optim.SGD(model.parameters(), 0.1), **options)


def test_no_batch_and_samples_that_are_not_finite_are_errors():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(DataError, match="no batch"):
        train_shiftlif(model, [], optimizer)
    with pytest.raises(DataError, match="batch 1 of epoch 1"):
        train_shiftlif(model, [(torch.full((2, 8), float("nan")), torch.zeros(2).long())], optimizer)
