"""K of each layer, chosen before training and kept in the configuration."""

import pytest
import torch

from shiftlif import PowerOfTwo
from shiftlif.errors import ConfigurationError
from shiftlif.training import NeuronConfig, TrainingConfig, fit, load_config, load_run, make_data
from shiftlif.training.config import check
from shiftlif.training.deployment import deploy
from shiftlif.training.evaluation import subsample
from shiftlif.training.fitting import initial_network, settle_levels
from shiftlif.training.runs import build_network, resolve

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")


def alphabets(network):
    return {name: neuron.alphabet for name, neuron in network.stateful_layers()}


def test_a_run_with_automatic_levels_is_read_back_with_the_same_letters_and_outputs(tmp_path):
    config = TrainingConfig(
        dataset="digits", model="dense", width=24, steps=2, epochs=1, levels="auto", neuron=NeuronConfig(K=5)
    )
    result = fit(config, tmp_path / "run", progress=False)
    stored = load_config(tmp_path / "run" / "config.yaml")
    assert stored.levels.keys() == {"shiftlif1", "shiftlif2"}
    assert stored.calibrate == "error"
    assert all(0 <= k < 5 for k in stored.levels.values())
    run = load_run(tmp_path / "run")
    expected = {name: PowerOfTwo(k) for name, k in stored.levels.items()}
    assert alphabets(run.network) == alphabets(result.network) == expected
    x, labels = subsample(result.data, "val", 32)
    assert x.shape[:2] == (2, 32)
    assert labels.shape == (32,)
    assert torch.equal(run.network(x), result.network.eval()(x))
    # The same configuration again: nothing is chosen anew, and the result is the same.
    again = fit(stored, tmp_path / "again", progress=False)
    assert torch.equal(again.network.eval()(x), run.network(x))


def test_layers_of_different_K_compile_exactly(tmp_path, dataset, config):
    mixed = config.model_copy(update={"levels": {"shiftlif1": 1, "shiftlif2": 4}, "epochs": 1})
    result = fit(mixed, tmp_path / "run", dataset=dataset, progress=False)
    run = load_run(tmp_path / "run")
    assert list(alphabets(run.network).values()) == [PowerOfTwo(1), PowerOfTwo(4), PowerOfTwo(3)]
    deployed = deploy(run.network, result.data, run.config, progress=False)
    assert deployed.verification.letters > 0


def test_a_run_with_automatic_levels_can_be_resumed(tmp_path, dataset, config):
    automatic = config.model_copy(update={"levels": "auto", "epochs": 1})
    fit(automatic, tmp_path / "run", dataset=dataset, progress=False)
    fit(automatic, tmp_path / "run", dataset=dataset, resume=True, progress=False)


def test_the_choice_is_settled_once_and_decides_the_initial_scales(dataset, config):
    settled = resolve(config.model_copy(update={"levels": "auto"}), dataset)
    data = make_data(dataset, 2)
    settled = settle_levels(settled, data)
    assert settle_levels(settled, data) == settled
    assert settled.calibrate == "error"
    by_quantile = resolve(config.model_copy(update={"levels": "auto", "calibrate": "quantile"}), dataset)
    assert settle_levels(by_quantile, data).calibrate == "quantile"
    assert settle_levels(resolve(config, dataset), data).levels is None
    scales = [n.scale.item() for _, n in initial_network(settled, data).stateful_layers()]
    assert 1.0 not in scales


def test_levels_that_do_not_fit_are_refused(tmp_path, dataset, config):
    for levels, message in (
        ({"nowhere": 2}, "no neuron layer 'nowhere'"),
        ({"shiftlif1": 9}, "layer shiftlif1: PowerOfTwo: K must be"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            build_network(resolve(config.model_copy(update={"levels": levels}), dataset), (2, 16), 2)
    binary = config.model_copy(update={"levels": "auto", "neuron": NeuronConfig(kind="LIF")})
    with pytest.raises(ConfigurationError, match="no layer has an alphabet with a K or L"):
        fit(binary, tmp_path / "run", dataset=dataset, progress=False)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigurationError, match="levels"):
        check(TrainingConfig, {"dataset": "digits", "levels": "best"})
