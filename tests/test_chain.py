"""The whole chain on real data: sensor data -> train -> absorb -> integer program -> file -> equal."""

import dataclasses

import numpy as np
import pytest

from shiftlif.data import load
from shiftlif.program import IntegerProgram
from shiftlif.training.config import TrainingConfig, check
from shiftlif.training.deployment import deploy, program_frames
from shiftlif.training.fitting import fit

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
SAMPLES = {"train": 400, "val": 100, "test": 120}


def _part_of(dataset):
    """A random part of each part, so that a few epochs take seconds."""
    chosen = {}
    for name, count in SAMPLES.items():
        x, y = dataset.part(name)
        some = np.random.default_rng(0).permutation(len(y))[:count]
        chosen |= {f"x_{name}": x[some], f"y_{name}": y[some]}
    return dataclasses.replace(dataset, **chosen)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "neuron", "steps", "bits"),
    [
        ("sphar", "ShiftLIF", 4, 8),
        ("uci_har", "QBLIF", 2, 8),
        ("wiar", "ShiftLIF", 1, 4),
        ("csi_har", "LIF", 4, 8),
        ("gsc12", "IntLIF", 1, 4),
        ("fashion_mnist", "ShiftLIF", 1, 4),
        ("nmnist_small", "ShiftLIF", 5, 8),
    ],
)
def test_a_program_of_real_data_equals_what_was_trained(data_folder, tmp_path, name, neuron, steps, bits):
    whole = load(name)
    dataset = _part_of(load(name, frames=steps) if whole.temporal else whole)
    config = check(
        TrainingConfig,
        {
            "dataset": name,
            "neuron": {"kind": neuron},
            "steps": steps,
            "width": 8,
            "epochs": 6,
            "batch_size": 32,
            "learning_rate": 0.01,
        },
    )
    run = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    deployed = deploy(run.network, run.data, run.config, bits=bits, qat_epochs=1, progress=False)
    assert deployed.verification.samples == len(dataset.y_test)

    deployed.program.save(tmp_path / "program.safetensors")
    loaded = IntegerProgram.load(tmp_path / "program.safetensors")
    frames = program_frames(run.data.frames("test"), run.data.temporal)
    again = loaded.run(frames).predictions
    assert again.tolist() == deployed.verification.predictions.tolist()
    assert (again == dataset.y_test).mean() > 1.5 / dataset.n_classes
