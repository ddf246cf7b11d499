"""A whole training step of the edge networks, against the same networks in SpikingJelly, and where its time goes."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch

from benchmarks.training_kernels import networks
from benchmarks.training_kernels.machine import load
from benchmarks.training_kernels.networks import Trained
from benchmarks.training_kernels.timing import FULL, QUICK, Record, Run, failure, measure, wall_clock

STEPS = 4
BATCHES = (64, 16)
LOGITS_EQUAL = 1e-4
SAMPLES_EQUAL = 0.9
OURS, SHIFTLIF, EAGER, RELU, SPIKINGJELLY = (
    "shiftlif LIF",
    "shiftlif ShiftLIF",
    "eager LIF",
    "ReLU instead of neurons",
    "SpikingJelly LIF",
)
FAMILIES = (
    ("neuron", ("sequence", "_ops", "spike", "atan", "neuron", "lif")),
    ("convolution", ("conv",)),
    ("batch norm", ("batch_norm",)),
    ("pooling", ("pool",)),
    ("linear", ("addmm", "aten::mm", "linear", "aten::t", "aten::matmul")),
    ("optimizer", ("_foreach", "_fused_adam", "optimizer", "addcmul", "addcdiv")),
    ("loss", ("nll_loss", "log_softmax", "cross_entropy")),
    ("dropout", ("dropout", "bernoulli", "native_dropout")),
    ("copies", ("copy_", "repeat", "contiguous", "stack", "aten::cat")),
)


def tasks(quick: bool) -> list[Record]:
    """One process per number of threads and model."""
    models = ("conv1d",) if quick else tuple(networks.SAMPLES)
    return [{"threads": n, "model": model, "quick": quick} for n in (1, 2) for model in models]


def contenders(model: str, direct: bool) -> dict[str, Trained]:
    """The networks of one point, with the same initial weights where they are the same function."""
    torch.manual_seed(0)
    net = networks.network(model, "LIF")
    twin = {SPIKINGJELLY: networks.spikingjelly(net, STEPS, direct)} if find_spec("spikingjelly") else {}
    return {
        OURS: networks.ours(net, STEPS, direct),
        SHIFTLIF: networks.ours(networks.network(model, "ShiftLIF"), STEPS, direct),
        EAGER: networks.ours(networks.network(model, "LIF"), STEPS, direct, "reference"),
        **({} if direct else {RELU: networks.ours(networks.network(model, "ReLU"), STEPS, direct)}),
        **twin,
    }


def _checked(model: str, batch: int, direct: bool) -> Record:
    if not find_spec("spikingjelly"):
        return {"skipped": "spikingjelly is not installed"}
    found = networks.agreement(model, STEPS, batch, direct)
    if found["float64_difference"] > LOGITS_EQUAL or found["float32_equal_samples"] < SAMPLES_EQUAL:
        raise ValueError(f"the two networks are not the same function: {found}")
    return found


def run(task: Record) -> Iterator[Record]:
    """A record per batch size and input coding: agreement of the networks and times; then the profiles."""
    model, threads = task["model"], task["threads"]
    budget = QUICK if task["quick"] else FULL
    rng = random.Random(f"{model} {threads}")
    for batch in BATCHES[-1:] if task["quick"] else BATCHES:
        for direct in (True, False):
            record: Record = {
                "model": model,
                "sample": networks.SAMPLES[model]._asdict(),
                "threads": threads,
                "batch": batch,
                "T": STEPS,
                "coding": "direct" if direct else "time-varying",
                "load": load(),
            }
            try:
                agreement = _checked(model, batch, direct)
                x, target = networks.inputs(model, STEPS, batch, direct)
                runs: dict[str, Run] = {
                    name: networks.step(trained, x, target)
                    for name, trained in contenders(model, direct).items()
                }
                yield {**record, "agreement": agreement, "contenders": measure(runs, budget, rng)}
            except Exception as error:
                yield {**record, **failure(error)}
    if task["threads"] == 1 or not task["quick"]:
        yield from _profiles(model, threads, 10 if task["quick"] else 40)


def family(operation: str) -> str:
    """The kind of work a profiled operation is."""
    name = operation.lower()
    return next((kind for kind, marks in FAMILIES if any(mark in name for mark in marks)), "other")


def profile(step: Run, calls: int) -> Record:
    """Share of one training step's time by kind of operation; ``python`` is what no operation accounts for."""
    for _ in range(3):
        step()
    plain = wall_clock(step, calls)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(calls):
            step()
    seconds: dict[str, float] = defaultdict(float)
    operations = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    for event in operations:
        seconds[family(event.key)] += event.self_cpu_time_total / 1e6 / calls
    total = sum(seconds.values())
    return {
        "seconds": plain,
        "profiled_seconds": total,
        "shares": {kind: value / total for kind, value in sorted(seconds.items(), key=lambda item: -item[1])},
        "largest": [
            {"operation": event.key, "share": event.self_cpu_time_total / 1e6 / calls / total}
            for event in operations[:12]
        ],
    }


def _profiles(model: str, threads: int, calls: int) -> Iterator[Record]:
    names: tuple[str, ...] = (OURS, SHIFTLIF, SPIKINGJELLY)
    record: dict[str, Any] = {"model": model, "threads": threads, "batch": BATCHES[0], "T": STEPS}
    for name, trained in contenders(model, direct=True).items():
        if name not in names:
            continue
        try:
            x, target = networks.inputs(model, STEPS, BATCHES[0], True)
            found = profile(networks.step(trained, x, target), calls)
            yield {**record, "coding": "direct", "contender": name, "profile": found}
        except Exception as error:
            yield {**record, "contender": name, **failure(error)}
