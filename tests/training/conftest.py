import numpy as np
import pytest

from shiftlif.data import Dataset
from shiftlif.training.config import NeuronConfig, TrainingConfig


def blobs(shape=(2, 16), temporal=False, n=(48, 24, 24), seed=0):
    """Two classes that differ by where the energy lies; learnable in a few epochs."""
    rng = np.random.default_rng(seed)
    parts = {}
    for part, size in zip(("train", "val", "test"), n, strict=True):
        y = (np.arange(size) % 2).astype(np.int64)
        x = rng.normal(size=(size, *shape)).astype(np.float32)
        half = shape[-1] // 2
        x[y == 0, ..., :half] += 1.0
        x[y == 1, ..., half:] += 1.0
        if temporal:
            x = np.clip(np.round(x + 1), 0, 5).astype(np.float32)
        parts[f"x_{part}"], parts[f"y_{part}"] = x, y
    return Dataset(name="blobs", classes=("left", "right"), temporal=temporal, **parts)


@pytest.fixture
def dataset():
    return blobs()


@pytest.fixture
def config():
    return TrainingConfig(
        dataset="blobs", width=4, neuron=NeuronConfig(), steps=2, epochs=3, batch_size=16, learning_rate=0.01
    )
