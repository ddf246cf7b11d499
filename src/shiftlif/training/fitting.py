"""One run from configuration to result."""

from __future__ import annotations

import os
import platform
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from shiftlif.analysis import LayerStatistics, choose_levels, layer_statistics
from shiftlif.data import Dataset
from shiftlif.network import Network, calibrate
from shiftlif.training.batches import Data, fit_quantizer, make_data
from shiftlif.training.config import LARGEST_BATCH, TrainingConfig
from shiftlif.training.evaluation import evaluate, inputs
from shiftlif.training.metrics import Scores
from shiftlif.training.progress import Stages, counted, report_of
from shiftlif.training.resume import open_run, seconds_of
from shiftlif.training.runs import (
    build_network,
    load_dataset,
    resolve,
    use_threads,
    write_input,
    write_result,
)

if TYPE_CHECKING:
    from shiftlif.training.loop import Trained


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run gave.

    Attributes:
        folder: the run folder.
        config: resolved.
        network: at its best epoch.
        data: the quantised data set.
        trained: how training went.
        test: scores on the test part, measured once, at the best epoch.
        layers: per-layer statistics on the validation part.
        summary: what ``summary.json`` holds.
    """

    folder: Path
    config: TrainingConfig
    network: Network
    data: Data
    trained: Trained
    test: Scores
    layers: tuple[LayerStatistics, ...]
    summary: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Start:
    """A run before its first batch, from which everything that follows is decided.

    Attributes:
        config: resolved.
        dataset: as loaded.
        data: the same, quantised.
        network: seeded and calibrated.
    """

    config: TrainingConfig
    dataset: Dataset
    data: Data
    network: Network


def start_of(config: TrainingConfig, dataset: Dataset | None = None) -> Start:
    """Load the data, settle every choice and build the network; nothing is written.

    Args:
        config: see `TrainingConfig`.
        dataset: used instead of loading ``config.dataset``.

    Raises:
        ConfigurationError: the configuration is wrong.
        DataError: the data are unusable.
    """
    dataset = load_dataset(config) if dataset is None else dataset
    config = resolve(config, dataset)
    assert config.steps is not None
    use_threads(config)
    quantizer = fit_quantizer(dataset, config.input_exponent, config.input_digits)
    data = make_data(dataset, config.steps, quantizer)
    config = settle_levels(config, data)
    return Start(config, dataset, data, initial_network(config, data))


def fit(
    config: TrainingConfig,
    run_dir: str | Path,
    *,
    dataset: Dataset | None = None,
    resume: bool = False,
    progress: bool | Stages = True,
) -> RunResult:
    """Train a network and write the run folder (see `shiftlif.training.runs`).

    The epoch is chosen by validation accuracy; the test part is looked at once, at the end. Resuming
    gives the weights of an uninterrupted run (bit for bit on a CPU).

    Args:
        config: see `TrainingConfig`.
        run_dir: a new or empty folder, or with ``resume`` one that holds a run of the same configuration.
        dataset: used instead of loading ``config.dataset``.
        resume: continue a run that was interrupted.
        progress: show Lightning's progress bar, or report every stage to whoever shows them.

    Raises:
        ConfigurationError: the configuration is wrong or does not fit the folder.
        DataError: the data are unusable.
        ModelFileError: the folder cannot be written.
        KeyboardInterrupt: interrupted; ``resume`` continues after the last whole epoch.
    """
    from shiftlif.training.loop import train  # Lightning: seconds that a look at a run does not need

    start = time.perf_counter()
    folder = Path(run_dir)
    begun = start_of(config, dataset)
    config, dataset, data, network = begun.config, begun.dataset, begun.data, begun.network
    first = (
        int(os.environ.get("LOCAL_RANK", "0")) == 0
    )  # of the processes of a multi-device run; it alone writes
    if first:
        open_run(folder, config, resume=resume)
        write_input(folder, data, dataset.front_end)
    finished = seconds_of(folder)
    trained = train(network, data, config, folder=folder, resume=resume, progress=progress, started=start)
    report = report_of(progress, "measuring layers")
    layers = tuple(layer_statistics(network, counted(inputs(data, "val"), report, len(data.parts["val"]))))
    test = evaluate(network, data, "test", report=report_of(progress, "testing"))
    findings = [finding for layer in layers for finding in layer.findings()]
    for finding in findings:
        warnings.warn(finding, stacklevel=2)
    summary = {
        "dataset": dataset.name,
        "model": config.model,
        "neuron": config.neuron.kind,
        "steps": config.steps,
        "parameters": network.n_parameters,
        "best_epoch": trained.best_epoch,
        "epochs": trained.epochs,
        "validation": trained.validation.to_dict(),
        "test": test.to_dict(),
        "majority": dataset.majority,
        "events_per_neuron_per_inference": _events_per_inference(layers, data.steps),
        "layers": [layer.to_dict() for layer in layers],
        "warnings": findings,
        "seconds": round(trained.seconds_before + time.perf_counter() - start, 2)
        if finished is None
        else finished,
        "versions": versions(),
    }
    if first:
        write_result(folder, network, summary)
    return RunResult(folder, config, network, data, trained, test, layers, summary)


def settle_levels(config: TrainingConfig, data: Data) -> TrainingConfig:
    """A resolved configuration with ``levels="auto"`` replaced by the K or L of each layer; others as they are.

    The letters are chosen at scales of the least error, so that is how the scales start unless ``calibrate`` says
    otherwise; the configuration then decides the initial network without another look at the choice.

    Raises:
        ConfigurationError: the neuron has no K or L.
    """
    if config.levels != "auto":
        return config
    torch.manual_seed(config.seed)
    network = build_network(config, data.sample_shape, len(data.classes))
    chosen = choose_levels(network, _calibration_batch(config, data))
    return config.model_copy(
        update={
            "levels": {layer.name: layer.size for layer in chosen},
            "calibrate": "error" if config.calibrate == "none" else config.calibrate,
        }
    )


def initial_network(config: TrainingConfig, data: Data) -> Network:
    """The network before training: seeded weights, scales calibrated where ``config`` asks for it."""
    torch.manual_seed(config.seed)
    network = build_network(config, data.sample_shape, len(data.classes))
    if config.calibrate != "none":
        calibrate(network, _calibration_batch(config, data), method=config.calibrate)
    return network


def _calibration_batch(config: TrainingConfig, data: Data) -> Tensor:
    """The first training batch ``[T, B, C, ...]``, of at least 256 samples where there are as many."""
    loader = data.training_loader(max(config.batch_size or LARGEST_BATCH, 256), config.seed)
    frames, _ = next(iter(loader))
    return data.present(frames)


def versions() -> dict[str, str]:
    """Versions of what produced a result."""
    found = {"python": platform.python_version()}
    for package in ("shiftlif", "torch", "lightning", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _events_per_inference(layers: tuple[LayerStatistics, ...], steps: int) -> float:
    neurons = sum(layer.neurons for layer in layers)
    return steps * sum(layer.events * layer.neurons for layer in layers) / max(1, neurons)
