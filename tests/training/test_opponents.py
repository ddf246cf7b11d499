"""The non-spiking opponents train by the same recipe, and members of other dynamics do too."""

import pytest
import torch
from torch import nn

from shiftlif.errors import CompileError
from shiftlif.network import StatefulLayer
from shiftlif.training.config import NeuronConfig
from shiftlif.training.deployment import deploy
from shiftlif.training.fitting import fit
from shiftlif.training.runs import load_run


def _config(config, kind, **changes):
    return config.model_copy(update={"neuron": NeuronConfig(kind=kind), "epochs": 1, **changes})


def test_a_network_of_relus_trains_at_one_step_and_has_no_events(config, dataset, tmp_path):
    result = fit(
        _config(config, "ReLU", steps=1, rate_weight=0.1, calibrate="quantile"),
        tmp_path,
        dataset=dataset,
        progress=False,
    )
    assert any(isinstance(layer, nn.ReLU) for layer in result.network.modules())
    assert not any(isinstance(layer, StatefulLayer) for layer in result.network.modules())
    assert result.layers == ()
    assert result.summary["events_per_neuron_per_inference"] == 0
    assert load_run(tmp_path).config == result.config
    with pytest.raises(CompileError, match=r"layer relu1 \(ReLU\) .* train QuantReLU instead"):
        deploy(result.network, result.data, result.config, progress=False)


def test_a_network_of_quantised_relus_trains_at_one_step_and_compiles(config, dataset, tmp_path):
    result = fit(_config(config, "QuantReLU", steps=1), tmp_path, dataset=dataset, progress=False)
    deployed = deploy(result.network, result.data, result.config, progress=False)
    assert deployed.verification.letters > 0
    assert all(neuron.leak_shift == 0 for neuron in deployed.program.neurons)


@pytest.mark.parametrize("kind", ["CLIF", "GLIF", "PSN"])
def test_members_of_other_dynamics_train_and_are_read_back(config, dataset, tmp_path, kind):
    result = fit(_config(config, kind, steps=3), tmp_path, dataset=dataset, progress=False)
    network = load_run(tmp_path).network
    for name, tensor in result.network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    with pytest.raises(CompileError, match=f"{kind.lower()}1"):
        deploy(result.network, result.data, result.config, progress=False)
