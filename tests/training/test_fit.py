import csv
import json
import signal

import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.errors import ConfigurationError, ModelFileError
from shiftlif.network import Network
from shiftlif.neuron import ShiftLIF
from shiftlif.quantize import absorb, prepare
from shiftlif.training import evaluate, finetune, fit, load_run, predict
from shiftlif.training.batches import make_data
from shiftlif.training.config import NeuronConfig
from shiftlif.training.fitting import initial_network
from shiftlif.training.loop import train
from shiftlif.training.runs import LAST
from shiftlif.training.task import Classification, parameter_groups
from tests.training.conftest import blobs

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def varied(config):
    """Everything random is on: dropout (in conv1d), augmentation, rate penalty."""
    return config.model_copy(update={"augment": {"noise": 0.1, "roll": 0.2}, "rate_weight": 0.1})


def test_a_run_folder_holds_what_was_promised(tmp_path, dataset, config, capfd):
    result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    names = {p.relative_to(tmp_path / "run").as_posix() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert {
        "config.yaml",
        "input.json",
        "metrics.csv",
        "summary.json",
        "network.safetensors",
        "checkpoints/last.ckpt",
    } <= names
    assert any(name.startswith("tensorboard/events") for name in names)
    assert not any(name.endswith(".tmp") for name in names)
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"train/loss", "val/accuracy", "val/macro_f1", "events/shiftlif1"} <= rows[0].keys()
    best = max(range(3), key=lambda i: (float(rows[i]["val/accuracy"]), -float(rows[i]["val/loss"])))
    assert result.trained.best_epoch == best + 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test"]["accuracy"] == result.test.accuracy
    assert [layer["name"] for layer in summary["layers"]] == ["shiftlif1", "shiftlif2", "shiftlif3"]
    assert capfd.readouterr().out == "", "a library prints nothing"


def test_training_learns(dataset, config):
    data = make_data(dataset, 2)
    config = config.model_copy(update={"epochs": 25, "model": "conv1d"})
    network = initial_network(config, data)
    assert train(network, data, config, progress=False).validation.accuracy > 0.9
    assert evaluate(network, data, "test").accuracy > 0.9


def test_a_loaded_run_is_the_network_that_was_tested(tmp_path, dataset, config):
    result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    run = load_run(tmp_path / "run")
    assert same(weights(run.network), weights(result.network))
    assert run.classes == dataset.classes
    assert run.config == result.config
    assert run.config.model == "conv1d"
    data = run.data(dataset)
    assert np.array_equal(data.frames("test"), result.data.frames("test"))
    assert evaluate(run.network, data, "test") == result.test
    assert evaluate(run.network, data, "val").accuracy == pytest.approx(result.trained.validation.accuracy)


def test_a_loaded_run_quantizes_its_inputs_as_it_was_trained(tmp_path, dataset, config):
    config = config.model_copy(update={"input_digits": 1, "input_exponent": 2})
    result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    run = load_run(tmp_path / "run")
    assert (run.quantizer.digits, run.quantizer.exponent) == (1, 2)
    assert np.array_equal(run.data(dataset).frames("test"), result.data.frames("test"))


def test_one_seed_gives_the_same_bits_and_another_other_ones(tmp_path, dataset, varied):
    a, b = (fit(varied, tmp_path / n, dataset=dataset, progress=False) for n in "ab")
    other = fit(varied.model_copy(update={"seed": 1}), tmp_path / "c", dataset=dataset, progress=False)
    assert same(weights(a.network), weights(b.network))
    assert a.trained.history == b.trained.history
    assert not same(weights(a.network), weights(other.network))


@pytest.mark.parametrize("lost_at_step", [4, 5])
def test_a_run_killed_in_the_middle_of_an_epoch_resumes_to_the_same_bits(
    tmp_path, dataset, varied, monkeypatch, lost_at_step
):
    whole = fit(varied, tmp_path / "whole", dataset=dataset, progress=False)
    step = Classification.training_step

    def fails(self, batch, batch_idx):
        if self.trainer.global_step == lost_at_step:
            raise MemoryError("power cut")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(Classification, "training_step", fails)
        with pytest.raises(MemoryError):
            fit(varied, tmp_path / "cut", dataset=dataset, progress=False)
    assert not (tmp_path / "cut" / "summary.json").exists()
    torch.manual_seed(12345)  # whatever the new process' generators hold
    resumed = fit(varied, tmp_path / "cut", dataset=dataset, resume=True, progress=False)
    assert same(weights(resumed.network), weights(whole.network))
    assert resumed.trained.history == whole.trained.history
    assert (tmp_path / "cut" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()
    again = fit(varied, tmp_path / "cut", dataset=dataset, resume=True, progress=False)
    assert again.trained == resumed.trained, "resuming a finished run changes nothing"
    assert again.summary["seconds"] == resumed.summary["seconds"] > resumed.trained.seconds_before > 0


def test_ctrl_c_keeps_the_last_whole_epoch_and_is_not_swallowed(tmp_path, dataset, config, monkeypatch):
    step = Classification.training_step

    def interrupted(self, batch, batch_idx):
        if self.trainer.global_step == 4:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Classification, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "run", dataset=dataset, progress=False)
    assert (tmp_path / "run" / LAST).is_file()
    assert signal.getsignal(signal.SIGINT) is handler


def test_patience_stops_a_run_and_a_resumed_one_stays_stopped(tmp_path, dataset, config):
    config = config.model_copy(update={"epochs": 30, "patience": 1, "learning_rate": 1e-9})
    first = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    assert first.trained.epochs < 30
    assert first.trained.epochs == first.trained.best_epoch + 1
    assert (
        fit(config, tmp_path / "run", dataset=dataset, resume=True, progress=False).trained == first.trained
    )


def test_a_run_folder_is_not_overwritten_nor_resumed_with_another_configuration(tmp_path, dataset, config):
    short = config.model_copy(update={"epochs": 1})
    fit(short, tmp_path / "run", dataset=dataset, progress=False)
    with pytest.raises(ConfigurationError, match="holds a run already"):
        fit(short, tmp_path / "run", dataset=dataset, progress=False)
    with pytest.raises(ConfigurationError, match=r"learning_rate was 0\.01, now 0\.5"):
        fit(
            short.model_copy(update={"learning_rate": 0.5}),
            tmp_path / "run",
            dataset=dataset,
            resume=True,
            progress=False,
        )


def test_a_folder_that_cannot_be_made_is_named(tmp_path, dataset, config):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="cannot be made"):
        fit(config, tmp_path / "file" / "run", dataset=dataset, progress=False)


def test_a_full_disk_is_an_error_that_says_so(tmp_path, dataset, config, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    fit_folder = tmp_path / "run"
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ModelFileError, match="No space left on device"):
        fit(config, fit_folder, dataset=dataset, progress=False)


@pytest.mark.parametrize("name", ["input.json", "network.safetensors", "summary.json"])
def test_a_damaged_run_is_refused(tmp_path, dataset, config, name):
    fit(config.model_copy(update={"epochs": 1}), tmp_path / "run", dataset=dataset, progress=False)
    path = tmp_path / "run" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelFileError, match="train again"):
        load_run(tmp_path / "run")


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="not a run folder"):
        load_run(tmp_path)


def test_divergence_is_an_error_not_a_result(tmp_path, dataset, config):
    with pytest.raises(ConfigurationError, match="diverged"):
        fit(
            config.model_copy(update={"learning_rate": 1e30}), tmp_path / "r", dataset=dataset, progress=False
        )


def test_devices_that_are_not_there_are_an_error(tmp_path, dataset, config):
    with pytest.raises(ConfigurationError, match="accelerator='tpu'"):
        fit(config.model_copy(update={"accelerator": "tpu"}), tmp_path / "r", dataset=dataset, progress=False)


def test_temporal_data_take_their_steps_from_the_frames(tmp_path, config):
    dataset = blobs((3, 1, 8, 8), temporal=True, n=(32, 16, 16))
    config = config.model_copy(update={"steps": None, "epochs": 1, "augment": {"shift": 0.2}})
    result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    assert result.config.steps == 3
    assert result.config.model == "conv2d"


def test_calibration_sets_the_scales_before_training(dataset, config):
    data = make_data(dataset, 2)
    config = config.model_copy(update={"model": "dense", "width": 16})
    before = initial_network(config, data)
    after = initial_network(config.model_copy(update={"calibrate": "quantile"}), data)
    assert not torch.equal(before.layers["shiftlif1"].scale, after.layers["shiftlif1"].scale)
    assert torch.equal(before.layers["linear1"].weight, after.layers["linear1"].weight)


def test_a_rate_penalty_makes_the_network_quieter(dataset, config):
    data = make_data(dataset, 2)
    rates = []
    for weight in (0.0, 20.0):
        stage = config.model_copy(
            update={"rate_weight": weight, "rate_target": 0.05, "epochs": 25, "model": "conv1d"}
        )
        network = initial_network(stage, data)
        history = train(network, data, stage, progress=False).history
        rates.append(sum(value for name, value in history[-1].items() if name.startswith("events/")))
    assert rates[1] < 0.7 * rates[0]


def test_only_matrices_decay_and_scales_have_their_own_rate(dataset, config):
    config = config.model_copy(
        update={"model": "conv1d", "scale_learning_rate": 0.1, "neuron": NeuronConfig(learnable_tau=True)}
    )
    network = initial_network(config, make_data(dataset, 2))
    groups = parameter_groups(network, config)
    assert [group["weight_decay"] for group in groups] == [config.weight_decay, 0, 0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert {id(p) for p in groups[2]["params"]} == {id(n.scale) for _, n in network.stateful_layers()}
    assert groups[2]["lr"] == 0.1
    counted = sum(len(group["params"]) for group in groups)
    assert counted == sum(p.requires_grad for p in network.parameters())


def test_a_prepared_network_is_fine_tuned_by_the_same_loop(tmp_path, dataset, config):
    result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    prepared = prepare(absorb(result.network), input_exponent=result.data.quantizer.exponent, weight_bits=4)
    before = weights(prepared)
    trained = finetune(prepared, result.data, result.config, epochs=1, progress=False)
    assert trained.epochs == 1
    assert not same(before, weights(prepared))
    assert not prepared.training
    assert predict(prepared, result.data, "test").shape == (24, 2)
    with pytest.raises(ConfigurationError, match="at least one epoch"):
        finetune(prepared, result.data, result.config, progress=False)


def test_an_unhealthy_layer_is_warned_about_by_name(tmp_path, config, monkeypatch):
    dataset = blobs()
    config = config.model_copy(update={"epochs": 1})

    def unhealthy(config, data):
        deaf = ShiftLIF(scale=200.0, learnable_scale=False)
        layers = {"flat": nn.Flatten(), "in": nn.Linear(32, 4), "deaf": deaf, "out": nn.Linear(4, 2)}
        return Network(layers, input_shape=(2, 16))

    monkeypatch.setattr("shiftlif.training.fitting.initial_network", unhealthy)
    with pytest.warns(UserWarning, match="layer deaf is silent"):
        result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    assert "deaf" in result.summary["warnings"][0]
