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

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from shiftlif.data import Dataset, load
from shiftlif.errors import ConfigurationError, ModelFileError, ShiftLIFError
from shiftlif.models import MODELS
from shiftlif.network import Network
from shiftlif.program.quantizer import InputQuantizer
from shiftlif.program.storage import read_file, write_atomically
from shiftlif.training.batches import Data, make_data
from shiftlif.training.config import DEFAULT_STEPS, TrainingConfig, dump_config, load_config

CONFIG = "config.yaml"
INPUT = "input.json"
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
    summary: dict[str, Any]

    @property
    def steps(self) -> int:
        """T."""
        assert self.config.steps is not None  # resolved
        return self.config.steps

    def data(self, dataset: Dataset | None = None) -> Data:
        """The run's data set, quantised as in training; loaded again unless given."""
        dataset = load_dataset(self.config) if dataset is None else dataset
        return make_data(dataset, self.steps, self.quantizer)


def load_dataset(config: TrainingConfig) -> Dataset:
    """The data set of a configuration; a temporal one with ``config.steps`` frames where that is given."""
    options: dict[str, Any] = {"val_fraction": config.val_fraction, "split_seed": config.split_seed}
    dataset = load(config.dataset, **options)
    if dataset.temporal and config.steps is not None and dataset.frames != config.steps:
        dataset = load(config.dataset, frames=config.steps, **options)
    return dataset


def resolve(config: TrainingConfig, dataset: Dataset) -> TrainingConfig:
    """The configuration with the choices that depend on the data made: model and steps."""
    rank = len(dataset.sample_shape)
    model = config.model
    if model == "auto":
        model = "conv1d" if rank == 2 else "conv2d" if rank == 3 else "dense"
    steps = config.steps or (dataset.frames if dataset.frames is not None else DEFAULT_STEPS)
    return config.model_copy(update={"model": model, "steps": steps})


def use_threads(config: TrainingConfig) -> None:
    """Give torch the configured number of CPU threads, for the whole process."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)


def build_network(config: TrainingConfig, sample_shape: tuple[int, ...], n_classes: int) -> Network:
    """The untrained network of a resolved configuration; weights come from torch's global generator."""
    width = {} if config.width is None else {"width": config.width}
    return MODELS[config.model](sample_shape, n_classes, config.neuron.build(), **width)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def open_run(folder: Path, config: TrainingConfig, *, resume: bool) -> None:
    """Make a run folder, or check that an existing one can be resumed with ``config`` (resolved).

    Raises:
        ConfigurationError: the folder holds a run and ``resume`` is not asked for, or it is of another
            configuration; the message names the fields.
        ModelFileError: it cannot be made or written.
    """
    existing = folder / CONFIG
    if existing.exists():
        if not resume:
            raise ConfigurationError(
                f"run folder {folder} holds a run already; resume it (--resume) or take another (--out)"
            )
        stored, wanted = load_config(existing).model_dump(), config.model_dump()
        free = ("accelerator", "devices", "threads")  # where a run is computed may change
        changed = [
            f"{k} was {stored[k]!r}, now {wanted[k]!r}"
            for k in wanted
            if k not in free and stored[k] != wanted[k]
        ]
        if changed:
            raise ConfigurationError(
                f"run folder {folder}: cannot resume with another configuration: {'; '.join(changed)}; "
                "start a new run in another folder"
            )
        return
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(
            f"run folder {folder}: cannot be made ({error.strerror or error}); choose another folder"
        ) from error
    write_atomically(existing, dump_config(config).encode())


def write_input(folder: Path, data: Data, front_end: dict[str, Any]) -> None:
    """Write ``input.json``."""
    description = {
        "offset": data.quantizer.offset.tolist(),
        "scale": data.quantizer.scale.tolist(),
        "exponent": data.quantizer.exponent,
        "front_end": front_end,
        "classes": list(data.classes),
        "sample_shape": list(data.sample_shape),
        "temporal": data.temporal,
    }
    write_atomically(folder / INPUT, _json(description))


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
        description = json.loads(read_file(folder / INPUT))
        offset, scale = (np.asarray(description[name], dtype=np.float64) for name in ("offset", "scale"))
        quantizer = InputQuantizer(offset, scale, description["exponent"])
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
