"""What a run folder protects a user from."""

import dataclasses
import pickle

import numpy as np
import pytest

from shiftlif.errors import ConfigurationError, DataError, ModelFileError
from shiftlif.training import fit, load_run
from shiftlif.training.config import NeuronConfig, load_config
from shiftlif.training.runs import LAST, resolve
from tests.training.conftest import blobs

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")


def test_a_folder_of_other_things_is_not_written_to(tmp_path, dataset, config):
    (tmp_path / "walk").mkdir()
    with pytest.raises(ConfigurationError, match="holds other files and no run"):
        fit(config, tmp_path, dataset=dataset, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_resuming_where_there_is_no_run_trains_nothing(tmp_path, dataset, config):
    with pytest.raises(ConfigurationError, match="holds no run to resume"):
        fit(config, tmp_path / "typo", dataset=dataset, resume=True, progress=False)
    assert not (tmp_path / "typo").exists()


def test_data_that_changed_since_training_are_noticed(tmp_path, dataset, config):
    fit(config, tmp_path / "run", dataset=dataset, progress=False)
    run = load_run(tmp_path / "run")
    run.data(dataset)
    fewer = dataclasses.replace(dataset, x_test=dataset.x_test[1:], y_test=dataset.y_test[1:])
    relabelled = dataclasses.replace(dataset, y_test=1 - dataset.y_test)
    for changed in (fewer, relabelled, blobs(seed=1)):
        with pytest.raises(DataError, match="data set has changed since training"):
            run.data(changed)
    with pytest.raises(DataError, match="data set has changed since training"):
        fit(config, tmp_path / "run", dataset=fewer, resume=True, progress=False)


def _npz(path, seed=0):
    data = blobs(seed=seed)
    np.savez(
        path, x=np.concatenate([data.x_train, data.x_test]), y=np.concatenate([data.y_train, data.y_test])
    )


def test_a_run_finds_its_data_from_any_folder_and_after_they_were_moved(tmp_path, config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _npz(tmp_path / "mine.npz")
    fit(config.model_copy(update={"dataset": "mine.npz"}), tmp_path / "run", progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(load_run(tmp_path / "run").data().parts["test"]) > 0
    (tmp_path / "mine.npz").rename(tmp_path / "elsewhere" / "moved.npz")
    assert len(load_run(tmp_path / "run").data(source="moved.npz").parts["test"]) > 0


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("damage", ["truncated", "pickle"])
def test_a_damaged_checkpoint_is_one_clear_error(tmp_path, dataset, config, damage):
    fit(config, tmp_path / "run", dataset=dataset, progress=False)
    checkpoint = tmp_path / "run" / LAST
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2] if damage == "truncated" else pickle.dumps(print))
    with pytest.raises(ModelFileError, match="is damaged or not a checkpoint"):
        fit(config, tmp_path / "run", dataset=dataset, resume=True, progress=False)


@pytest.mark.parametrize("wrong", [{"accelerator": "gpu", "devices": 4096}, {"devices": 0}])
def test_devices_that_are_not_there_are_one_clear_error(tmp_path, dataset, config, wrong):
    with pytest.raises(ConfigurationError, match="'cpu' and 1 always work"):
        fit(config.model_copy(update=wrong), tmp_path / "run", dataset=dataset, progress=False)


def test_the_resolved_configuration_leaves_nothing_to_a_default(tmp_path, dataset, config):
    bare = config.model_copy(
        update={"neuron": NeuronConfig(), "width": None, "batch_size": None, "steps": None}
    )
    fit(bare, tmp_path / "run", dataset=dataset, progress=False)
    stored = load_config(tmp_path / "run" / "config.yaml")
    assert (stored.model, stored.width, stored.steps, stored.batch_size) == ("conv1d", 32, 4, 8)
    neuron = stored.neuron
    assert (neuron.K, neuron.placement, neuron.scale, neuron.learnable_scale) == (3, "nearest", 1.0, True)
    assert (neuron.surrogate, neuron.alpha) == ("relsget", 8.0)
    assert resolve(stored, dataset) == stored


@pytest.mark.parametrize(("samples", "batch"), [(48, 8), (300, 16), (1000, 32), (1200, 64), (100_000, 64)])
def test_small_sets_get_small_batches(config, samples, batch):
    dataset = dataclasses.replace(
        blobs(), x_train=np.zeros((samples, 2, 16), np.float32), y_train=np.arange(samples) % 2
    )
    assert resolve(config.model_copy(update={"batch_size": None}), dataset).batch_size == batch
