"""Two small runs, trained once: digits compiled (images), and waveforms whose names are hostile (not compiled)."""

from pathlib import Path

import numpy as np
import pytest

from shiftlif.cli.compile import deploy_run, save
from shiftlif.cli.progress import Progress
from shiftlif.program.storage import PROGRAM
from shiftlif.report.gather import gather
from shiftlif.training.config import NeuronConfig, TrainingConfig
from shiftlif.training.fitting import fit
from shiftlif.training.runs import load_run

HOSTILE_RUN = "<img src=x onerror=alert(1)>"
HOSTILE_CLASS = "</script><script>alert(1)</script>"


def _trained(folder: Path, **options) -> Path:
    fit(TrainingConfig(**options), folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory) -> Path:
    """conv2d on 8 x 8 digits, T = 2, two epochs; compiled to int8 as it is."""
    folder = _trained(
        tmp_path_factory.mktemp("report") / "digits", dataset="digits", width=4, steps=2, epochs=2
    )
    run = load_run(folder)
    save(deploy_run(run, run.data(), 8, 0, Progress(True)), folder / PROGRAM)
    return folder


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory) -> Path:
    """conv1d on two channels of 40 samples, three classes, T = 3; not compiled; names that are markup."""
    place = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    arrays = {"classes": np.array([HOSTILE_CLASS, "quiet", 'loud, "very"'])}
    for part, size in (("train", 90), ("test", 45)):
        y = np.arange(size) % 3
        x = rng.normal(size=(size, 2, 40)).astype(np.float32)
        x += np.sin(np.arange(40) * (1 + y[:, None]) / 3)[:, None, :]
        arrays |= {f"x_{part}": x, f"y_{part}": y}
    np.savez(place / "waves.npz", **arrays)
    return _trained(
        place / HOSTILE_RUN,
        dataset=str(place / "waves.npz"),
        model="conv1d",
        width=4,
        steps=3,
        epochs=2,
        neuron=NeuronConfig(K=2),
    )


@pytest.fixture(scope="session")
def digits_evidence(digits_run):
    return gather(digits_run)


@pytest.fixture(scope="session")
def hostile_evidence(hostile_run):
    return gather(hostile_run, samples=20)
