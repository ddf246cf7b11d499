"""One run, from training to the figures of its record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftlif.analysis.behaviour import compare
from shiftlif.analysis.confidence import expected_calibration_error
from shiftlif.bench.counting import count_operations
from shiftlif.bench.recipe import Deployment, Job
from shiftlif.bench.store import packed
from shiftlif.errors import CompileError, RangeError
from shiftlif.network import Network
from shiftlif.neuron import QuantReLU
from shiftlif.program import Cost, measure
from shiftlif.program.energy import energy
from shiftlif.training import Data, TrainingConfig, fit, load_run
from shiftlif.training.config import check
from shiftlif.training.deployment import deploy, program_frames, strided
from shiftlif.training.evaluation import predict
from shiftlif.training.fitting import RunResult, versions
from shiftlif.training.runs import SUMMARY, Run

BATCH = 256


def teacher_folder(teachers: Path, job: Job) -> Path:
    """The run folder of a network that teaches others."""
    return teachers / job.training_key


def configuration(job: Job, teachers: Path) -> TrainingConfig:
    """What `fit` is called with; the teacher is named by its run folder."""
    taught = {} if job.teacher is None else {"teacher": str(teacher_folder(teachers, job.teacher))}
    return check(TrainingConfig, {**job.training, **taught}, str(job))


def teach(job: Job, scratch: Path, teachers: Path) -> None:
    """Train a network that teaches others, unless it is there; its run folder appears when it is whole."""
    final = teacher_folder(teachers, job)
    if not (final / SUMMARY).is_file():
        fit(configuration(job, teachers), scratch, progress=False)
        try:
            scratch.rename(final)
        except OSError:  # a folder that is not empty; which error that is depends on the system
            if not (final / SUMMARY).is_file():  # else another bench was faster with the same network
                raise


def measured(job: Job, scratch: Path, teachers: Path) -> dict[str, Any]:
    """The record of one run.

    Args:
        job: what is run.
        scratch: run folder to train in; not used where the network was trained as a teacher.
        teachers: where the run folders of teachers lie.

    Returns:
        JSON-able; see docs/bench.md for its fields.

    Raises:
        ShiftLIFError: the run cannot be trained, or a program differs from its network.
    """
    folder = teacher_folder(teachers, job)
    run: Run | RunResult
    if (folder / SUMMARY).is_file():
        run = load_run(folder)
        data = run.data()
    else:
        run = fit(configuration(job, teachers), scratch, progress=False)
        data = run.data
    summary = run.summary
    logits, labels = predict(run.network, data, "test"), data.parts["test"].y
    some = strided(len(labels), job.limit)
    operations = count_operations(run.network, _presented(data, some))
    record: dict[str, Any] = {
        "key": job.key,
        **dict(zip(("dataset", "neuron", "steps", "seed"), job.labels, strict=True)),
        "config": job.training,
        "teacher": None if job.teacher is None else job.teacher.neuron,
        "teacher_config": None if job.teacher is None else job.teacher.training,
        "parameters": summary["parameters"],
        "best_epoch": summary["best_epoch"],
        "validation": summary["validation"],
        "test": summary["test"],
        "test_samples": len(labels),
        "test_data": fingerprint_of_test(data),
        "test_correct": packed((logits.argmax(1) == labels).numpy()),
        "calibration_error": expected_calibration_error(logits, labels),
        "float": operations.to_dict(),
        "layers": [
            {name: layer[name] for name in ("name", "events", "usage", "silent", "saturated", "collapsed")}
            for layer in summary["layers"]
        ],
        "deploy": deployed(run.network, data, run.config, job),
        "train_seconds": summary["seconds"],
        "versions": versions(),
    }
    return record


def deployed(network: Network, data: Data, config: TrainingConfig, job: Job) -> dict[str, Any]:
    """Figures of every integer program by its name, up to one that is refused: ``refused`` then says why."""
    figures: dict[str, Any] = {}
    for entry in job.deploy:
        try:
            figures[entry.name] = _program_figures(network, data, config, job, entry)
        except (CompileError, RangeError) as error:
            return {**figures, "refused": f"{entry.name}: {error}" if figures else str(error)}
    return figures


def fingerprint_of_test(data: Data) -> str:
    """SHA-256 over the int8 samples and labels of the test part, in order.

    The frames of a temporal sample are added up, since their number is a matter of T and not of the data.
    """
    part = data.parts["test"]
    x = part.x.sum(1, dtype=torch.int64) if data.temporal else part.x
    digest = hashlib.sha256(str(tuple(x.shape)).encode())
    digest.update(x.numpy().tobytes())
    digest.update(part.y.numpy().tobytes())
    return digest.hexdigest()


def _program_figures(
    network: Network, data: Data, config: TrainingConfig, job: Job, entry: Deployment
) -> dict[str, Any]:
    # deploy() compares program and prepared network, letters and membranes, and raises where they differ.
    made = deploy(
        network,
        data,
        config,
        bits=entry.bits,
        qat_epochs=entry.qat_epochs,
        progress=False,
        verify_samples=job.limit,
    )
    some = strided(len(data.parts["test"]), job.limit)
    cost = measure(made.program, program_frames(data.frames("test")[some], data.temporal), _steps(data))
    totals = cost.totals
    return {
        "qat_epochs": entry.qat_epochs,
        "accuracy": made.accuracy["integer"],
        "agreement": made.integer_agreement,
        "bit_exact": made.verification.agreement == 1.0,
        "verified_samples": made.verification.samples,
        "events": totals["events"],
        "events_per_neuron_step": cost.events_per_neuron_step,
        **{name: totals[name] for name in ("synaptic_operations", "adds", "shifts", "compares")},
        "weight_bytes": made.program.weight_bytes,
        **energies(network, cost),
        "behaviour": behaviour(network, made.prepared, data, some),
    }


def energies(network: Network, cost: Cost) -> dict[str, Any]:
    """Nanojoules per inference by every figure; of a network without spikes also with zeros skipped.

    Empty for a network without spikes at T other than 1: there is no agreed figure for one that is computed T times.
    """
    neurons = [layer for _, layer in network.stateful_layers()]
    if neurons and all(isinstance(layer, QuantReLU) for layer in neurons):
        if cost.steps != 1:
            return {}
        skipping = energy(cost, "dense_zero_skipping").nanojoules
        return {"energy": energy(cost, "dense").nanojoules, "energy_zero_skipping": skipping}
    return {"energy": energy(cost).nanojoules}


def behaviour(network: Network, prepared: Network, data: Data, some: npt.NDArray[np.int64]) -> dict[str, Any]:
    """How the program fires compared with its float network: earth mover's distances, dead and saturated neurons."""
    found = compare(network, prepared, _presented(data, some), data.parts["test"].y[torch.from_numpy(some)])
    layers = [
        {
            "name": layer.name,
            "neurons": layer.neurons,
            "letter_distance": layer.letter_distance,
            "rate_distance": layer.rate_distance,
            "membrane_distance": layer.membrane_distance,
            "agreement": layer.agreement,
            "usage": list(layer.quantised.usage),
            "dead": [layer.original.dead, layer.quantised.dead],
            "saturated": [layer.original.saturated, layer.quantised.saturated],
        }
        for layer in found.layers
    ]
    distances = ("letter_distance", "rate_distance", "membrane_distance")
    means = {name: float(np.mean([layer[name] for layer in layers])) for name in distances} if layers else {}
    judged = {} if found.quantised is None else {"calibration_error": found.quantised.calibration_error}
    return {**means, **judged, "layers": layers}


def _steps(data: Data) -> int | None:
    return None if data.temporal else data.steps


def _presented(data: Data, some: npt.NDArray[np.int64]) -> Iterator[Tensor]:
    """Network inputs ``[T, B, C, ...]`` of chosen test samples."""
    x = data.parts["test"].x[torch.from_numpy(some)]
    for start in range(0, len(x), BATCH):
        yield data.present(x[start : start + BATCH])
