"""One process: the networks of a shape with so many threads, accuracies once and times for every batch."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.engine import contenders
from benchmarks.engine.from_c import FromC
from benchmarks.engine.names import named
from benchmarks.trained import STEPS
from benchmarks.training_kernels.machine import load
from benchmarks.training_kernels.timing import QUICK, Budget, Record, Run, measure, wall_clock

BATCHES, THREADS = (1, 64), (1, 2)
FULL = Budget(8.0, (7, 60))


def clock(run: Run, calls: int) -> float:
    """The wall clock, or that of the loop in C++."""
    return run.seconds(calls) if isinstance(run, FromC) else wall_clock(run, calls)


def pin(threads: int) -> list[int]:
    """Keep this process on so many of the cores that it may use; what they are.

    Raises:
        SystemExit: there are not so many.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < threads:
        raise SystemExit(f"{threads} threads need as many cores, this process may use {len(cores)}")
    os.sched_setaffinity(0, cores[:threads])
    return cores[:threads]


def run(task: Record, folder: Path) -> Iterator[Record]:
    """A record of accuracies where ``task`` asks for them, then a record of times for every batch."""
    threads, shape = task["threads"], task["shape"]
    cores = pin(threads)
    torch.set_num_threads(threads)
    spiking, opponent = contenders.load(shape)
    if threads == 1:
        yield {
            "accuracies": {
                "spiking": [net.record() for net in spiking.values()],
                "opponent": opponent.record(),
            }
        }
    for batch in BATCHES[:1] if task["quick"] else BATCHES:
        frames = {steps: contenders.batch_of(net, batch) for steps, net in spiking.items()}
        runs: dict[str, Run] = {}
        for steps, net in spiking.items():
            found = net.runs(frames[steps], threads, folder)
            runs |= {named(steps, name): call for name, call in found.items()}
        runs |= opponent.runs(frames[STEPS[0]], threads)
        record: Record = {"batch": batch, "threads": threads, "cores": cores, "load": load()}
        if find_spec("spikingjelly") is None:
            record["absent"] = {"SpikingJelly": "spikingjelly is not installed"}
        rng = random.Random(f"{shape} {threads} {batch}")
        with torch.inference_mode():
            record["contenders"] = measure(runs, QUICK if task["quick"] else FULL, rng, clock)
        yield record
