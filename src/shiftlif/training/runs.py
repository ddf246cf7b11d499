"""A run is a folder; this is what lies in it and how it is read back.

| file | what |
|---|---|
| `config.yaml` | the resolved configuration |
| `input.json` | quantiser, front end, classes, sample shape |
| `metrics.csv` | one row per epoch |
| `tensorboard/` | the same, for TensorBoard |
| `checkpoints/last.ckpt` | to resume from |
| `network.safetensors` | weights of the best epoch |
| `summary.json` | results |
"""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from shiftlif.data import Dataset, load, names
from shiftlif.data.registry import known_or_there
from shiftlif.errors import ConfigurationError, DataError, ModelFileError, ShiftLIFError
from shiftlif.models import MODELS
from shiftlif.network import Network, set_levels
from shiftlif.program.checks import INT8_HIGH, INT8_LOW
from shiftlif.program.quantizer import InputQuantizer
from shiftlif.program.storage import read_file, write_atomically
from shiftlif.training.batches import Data, make_data
from shiftlif.training.config import (
    DEFAULT_STEPS,
    LARGEST_BATCH,
    TrainingConfig,
    load_config,
)

CONFIG = "config.yaml"
INPUT = "input.json"
HISTORY = "metrics.csv"
LAST = Path("checkpoints") / "last.ckpt"
WEIGHTS = "network.safetensors"
SUMMARY = "summary.json"


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        config: resolved.
        network: at its best epoch, in evaluation mode.
        quantizer: what makes int8 of raw input.
        classes: class names in label order.
        sample_shape: ``(C, ...)``.
        temporal: whether samples are ``[T, C, ...]``.
        front_end: what was done to raw samples before the quantiser.
        fingerprint: of the data it was trained on, see `Data.fingerprint`.
        summary: what ``summary.json`` holds.
    """

    folder: Path
    config: TrainingConfig
    network: Network
    quantizer: InputQuantizer
    classes: tuple[str, ...]
    sample_shape: tuple[int, ...]
    temporal: bool
    front_end: dict[str, Any]
    fingerprint: str
    summary: dict[str, Any]

    @property
    def steps(self) -> int:
        """T."""
        assert self.config.steps is not None  # resolved
        return self.config.steps

    def data(self, dataset: Dataset | None = None, *, source: str | Path | None = None) -> Data:
        """The run's data set, quantised and split as in training.

        Args:
            dataset: used instead of loading it again.
            source: where the data are now, when they were moved.

        Raises:
            DataError: the data cannot be loaded, or are not those that the run was trained on.
        """
        if dataset is None:
            if source is None and not known_or_there(self.config.dataset):
                raise moved_away(
                    self.folder, self.config.dataset, ", pass --data PATH (in Python source=PATH)"
                )
            if source is not None and not known_or_there(str(source)):
                raise DataError(
                    f"{source}: nothing is there, expected the file or folder to which the data of {self.folder} "
                    "moved; check the path"
                )
            moved = {} if source is None else {"dataset": str(source)}
            dataset = load_dataset(self.config.model_copy(update=moved))
        data = make_data(dataset, self.steps, self.quantizer)
        check_fingerprint(self.folder, self.fingerprint, data)
        return data


def load_dataset(config: TrainingConfig) -> Dataset:
    """The data set of a configuration; a temporal one with ``config.steps`` frames where that is given."""
    options: dict[str, Any] = {
        "val_fraction": config.val_fraction,
        "split_seed": config.split_seed,
        "protocol": config.protocol,
    }
    if config.events:
        frames = {} if config.steps is None else {"frames": config.steps}
        return load(config.dataset, events={**frames, **config.events}, **options)
    dataset = load(config.dataset, **options)
    if dataset.temporal and config.steps is not None and dataset.frames != config.steps:
        dataset = load(config.dataset, frames=config.steps, **options)
    return dataset


def resolve(config: TrainingConfig, dataset: Dataset) -> TrainingConfig:
    """The configuration with every choice made: nothing that decides the run is left to a default."""
    rank = len(dataset.sample_shape)
    model = config.model
    if model == "auto":
        image = rank == 3 and min(dataset.sample_shape[1:]) > 1
        model = "conv1d" if rank == 2 else "conv2d" if image else "dense"
    steps = config.steps or (dataset.frames if dataset.frames is not None else DEFAULT_STEPS)
    width = config.width or inspect.signature(MODELS[model]).parameters["width"].default
    batch_size = config.batch_size
    if batch_size is None:
        # Small sets need small batches: with a step or two per epoch, running averages lag behind.
        batch_size = min(LARGEST_BATCH, max(8, 2 ** int(math.log2(max(1, len(dataset.y_train) / 16)))))
    choices = {
        "dataset": _absolute(config.dataset),
        "model": model,
        "steps": steps,
        "width": width,
        "batch_size": batch_size,
        "neuron": config.neuron.resolved(steps),
        "teacher": None if config.teacher is None else str(Path(config.teacher).resolve()),
    }
    return config.model_copy(update=choices)


def _absolute(dataset: str) -> str:
    """A path does not depend on the folder from which a command is called; a known name stays."""
    path = Path(dataset)
    return dataset if dataset in names() or not path.exists() else str(path.resolve())


def moved_away(folder: Path, dataset: str, remedy: str) -> DataError:
    """What is said where the data of a run are no longer there; ``remedy`` ends "if they moved"."""
    return DataError(
        f"the data of {folder} were at {dataset}, and nothing is there now; if they moved{remedy}"
    )


def use_threads(config: TrainingConfig) -> None:
    """Give torch the configured number of CPU threads, for the whole process."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)


def build_network(config: TrainingConfig, sample_shape: tuple[int, ...], n_classes: int) -> Network:
    """The untrained network of a resolved configuration; weights come from torch's global generator.

    Raises:
        ConfigurationError: a field does not fit the samples, or ``levels`` does not fit the network's layers.
    """
    width = {} if config.width is None else {"width": config.width}
    network = MODELS[config.model](sample_shape, n_classes, config.neuron.build(config.steps), **width)
    if isinstance(config.levels, dict):
        set_levels(network, config.levels)
    return network


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def write_input(folder: Path, data: Data, front_end: dict[str, Any]) -> None:
    """Write ``input.json``.

    Raises:
        DataError: the folder's run was begun on other data.
    """
    description = {
        "offset": data.quantizer.offset.tolist(),
        "scale": data.quantizer.scale.tolist(),
        "exponent": data.quantizer.exponent,
        "digits": data.quantizer.digits,
        "range": [data.quantizer.low, data.quantizer.high],
        "front_end": front_end,
        "classes": list(data.classes),
        "sample_shape": list(data.sample_shape),
        "temporal": data.temporal,
        "fingerprint": data.fingerprint(),
    }
    if (folder / INPUT).is_file():
        stored = _description(folder)
        check_fingerprint(folder, str(stored.get("fingerprint")), data)
    write_atomically(folder / INPUT, _json(description))


def _description(folder: Path) -> dict[str, Any]:
    found = json.loads(read_file(folder / INPUT))
    if not isinstance(found, dict):
        raise TypeError(f"{INPUT} holds no fields")
    return found


def check_fingerprint(folder: Path, stored: str, data: Data) -> None:
    """Raise a DataError unless ``data`` are what the run in ``folder`` was trained on."""
    now = data.fingerprint()
    if now != stored:
        raise DataError(
            f"run {folder}: its data set has changed since training (fingerprint {stored[:8]}, now {now[:8]}), so its "
            "test part would not be the one kept apart; restore the data, or train again in another folder"
        )


def write_result(folder: Path, network: Network, summary: dict[str, Any]) -> None:
    """Write the weights, then the summary: a run with a summary is complete."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_atomically(folder / WEIGHTS, safetensors.torch.save(tensors))
    write_atomically(folder / SUMMARY, _json(summary))


def load_run(folder: str | Path) -> Run:
    """A finished run; nothing in the folder is executed.

    Raises:
        ConfigurationError: the folder holds no finished run.
        ModelFileError: a file in it is unreadable or does not fit the others.
    """
    folder = Path(folder)
    if folder.is_file():
        holds = (folder.parent / CONFIG).is_file()
        hint = f"give its folder, {folder.parent}" if holds else "give the folder that 'shiftlif train' made"
        raise ConfigurationError(f"{folder} is a file, expected a run folder; {hint}")
    if not (folder / CONFIG).is_file():
        raise ConfigurationError(
            f"{folder} is not a run folder: it holds no {CONFIG}; make one with 'shiftlif train'"
        )
    if not (folder / SUMMARY).is_file():
        raise ConfigurationError(
            f"run {folder} is not finished: it holds no {SUMMARY}; finish it with --resume"
        )
    config = load_config(folder / CONFIG)
    try:
        description = _description(folder)
        offset, scale = (np.asarray(description[name], dtype=np.float64) for name in ("offset", "scale"))
        low, high = description.get("range", (INT8_LOW, INT8_HIGH))  # runs from before there was one
        quantizer = InputQuantizer(
            offset, scale, description["exponent"], low, high, description.get("digits")
        )
        classes = tuple(str(name) for name in description["classes"])
        shape = tuple(int(n) for n in description["sample_shape"])
        network = build_network(config, shape, len(classes))
        network.load_state_dict(safetensors.torch.load(read_file(folder / WEIGHTS)))
        return Run(
            folder,
            config,
            network.eval(),
            quantizer,
            classes,
            shape,
            bool(description["temporal"]),
            dict(description["front_end"]),
            str(description["fingerprint"]),
            dict(json.loads(read_file(folder / SUMMARY))),
        )
    except (
        KeyError,
        TypeError,
        UnicodeDecodeError,
        json.JSONDecodeError,
        SafetensorError,
        RuntimeError,
    ) as error:
        text = " ".join(str(error).split())
        raise ModelFileError(
            f"run {folder}: its files are damaged or do not fit each other: {text}; train again"
        ) from error
    except ShiftLIFError as error:
        raise ModelFileError(f"run {folder}: {error}") from error
