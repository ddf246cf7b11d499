"""Peak memory of a training step: how far the resident set of a fresh process grows."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.training_kernels import networks
from benchmarks.training_kernels.networks import Trained
from benchmarks.training_kernels.timing import Record

MODEL, STEPS, BATCH = "conv2d", 16, 64
MORE_STEPS = 3


def _ours(neuron: str, kernels: str = "auto") -> Callable[[bool], Trained]:
    return lambda direct: networks.ours(networks.network(MODEL, neuron), STEPS, direct, kernels)


CONTENDERS: dict[str, Callable[[bool], Trained]] = {
    "shiftlif LIF": _ours("LIF"),
    "shiftlif ShiftLIF": _ours("ShiftLIF"),
    "eager LIF": _ours("LIF", "reference"),
    "SpikingJelly LIF": lambda direct: networks.spikingjelly(networks.network(MODEL, "LIF"), STEPS, direct),
}


def tasks(quick: bool) -> list[Record]:
    """A process per contender and input coding."""
    codings = (True,) if quick else (True, False)
    return [
        {"threads": 1, "contender": name, "direct": direct, "quick": quick}
        for direct in codings
        for name in CONTENDERS
    ]


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def _return_free_pages() -> None:
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from the resident set


def run(task: Record) -> Iterator[Record]:
    """One record: bytes beyond what the process held before its first full training step."""
    name, direct = task["contender"], task["direct"]
    record: Record = {
        "contender": name,
        "model": MODEL,
        "T": STEPS,
        "batch": BATCH,
        "coding": "direct" if direct else "time-varying",
    }
    if name.startswith("SpikingJelly") and not find_spec("spikingjelly"):
        yield {**record, "skipped": "spikingjelly is not installed"}
        return
    torch.manual_seed(0)
    trained = CONTENDERS[name](direct)
    # A step of two samples loads every library and makes the optimizer's state; the full step is then all that grows.
    small, small_target = networks.inputs(MODEL, STEPS, 2, direct)
    networks.step(trained, small, small_target)()
    x, target = networks.inputs(MODEL, STEPS, BATCH, direct)
    step = networks.step(trained, x, target)
    _return_free_pages()
    _reset_peak()
    before = _resident("VmRSS")
    step()
    first = _resident("VmHWM") - before
    for _ in range(MORE_STEPS):
        step()
    yield {
        **record,
        "bytes_one_step": first,
        "bytes_steady": _resident("VmHWM") - before,
        "bytes_before": before,
    }
