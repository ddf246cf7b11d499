"""Forward and backward of one neuron layer: every contender, size, number of steps and of threads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from benchmarks.training_kernels import floor
from benchmarks.training_kernels.contenders import CONTENDERS, STATIC_STEPS, Neuron, missing
from benchmarks.training_kernels.machine import load
from benchmarks.training_kernels.timing import (
    FULL,
    QUICK,
    Budget,
    Record,
    Run,
    cuda_clock,
    failure,
    measure,
    wall_clock,
)

SIZES = (8_192, 65_536, 262_144, 1_048_576, 4_194_304)
STEPS = (1, 4, 16, 64)
THREADS = (1, 2)
HALF_SIZES, HALF_STEPS = (262_144, 4_194_304), (4, 16)
GPU_SIZES, GPU_STEPS = (65_536, 1_048_576, 4_194_304, 16_777_216), (1, 4, 16, 32)
MEMORY_BUDGET = {"cpu": 8e9, "cuda": 40e9}
# What the allocator section measures: enough to see what keeping freed pages is worth to each.
RETAINED = (
    "shiftlif LIF",
    "shiftlif ShiftLIF",
    "eager ShiftLIF",
    "torch.compile LIF, sequence",
    "torch.compile ShiftLIF, sequence",
    "SpikingJelly LIF",
)
RETAIN_PAGES = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}


def tasks(quick: bool) -> list[Record]:
    """One process each: threads, steps and dtype; the sizes follow each other in it."""
    if quick:
        return [
            {"threads": threads, "steps": steps, "sizes": (8_192, 262_144), "quick": True}
            for threads in THREADS
            for steps in (1, 4)
        ]
    plain = [{"threads": n, "steps": steps, "sizes": SIZES} for n in THREADS for steps in STEPS]
    half = [
        {"threads": n, "steps": steps, "sizes": HALF_SIZES, "dtype": "bfloat16"}
        for n in THREADS
        for steps in HALF_STEPS
    ]
    return plain + half


def allocator_tasks(quick: bool) -> list[Record]:
    """The same with an allocator that keeps freed pages, as shiftlif's own pool does for its arrays."""
    sizes = (262_144,) if quick else (262_144, 1_048_576, 4_194_304)
    return [
        {
            "threads": threads,
            "steps": 4,
            "sizes": sizes,
            "only": RETAINED,
            "environment": RETAIN_PAGES,
            "quick": quick,
        }
        for threads in THREADS
    ]


def gpu_tasks(quick: bool) -> list[Record]:
    """The same on a CUDA device, and once more with SpikingJelly's Triton kernels where it prefers others."""
    if not torch.cuda.is_available():
        return []
    steps, sizes = ((4,), (1_048_576,)) if quick else (GPU_STEPS, GPU_SIZES)
    triton = {"SJ_LIF_CUDA_IMPLEMENTATION": "triton", "SJ_ILIF_CUDA_IMPLEMENTATION": "triton"}
    return [
        {
            "device": "cuda",
            "threads": 1,
            "steps": n,
            "sizes": sizes,
            "dtype": dtype,
            "environment": environment,
            "quick": quick,
        }
        for n in steps
        for dtype in ("float32", "bfloat16")
        for environment in ({}, triton)
    ]


def iteration(neuron: Neuron, x: Tensor, grad: Tensor) -> Run:
    """Forward, and backward for the currents and the parameters, without accumulating into ``.grad``."""
    wanted = (x, *neuron.parameters)
    return lambda: torch.autograd.grad(neuron.call(x), wanted, grad)


def _skip(name: str, elements: int, steps: int, dtype: torch.dtype, device: str) -> str | None:
    contender = CONTENDERS[name]
    if dtype != torch.float32 and not contender.half:
        return "float32 only"
    if contender.max_steps is not None and steps > contender.max_steps:
        return f"measured up to T={contender.max_steps}"
    needed = contender.arrays * elements * dtype.itemsize
    if needed > MEMORY_BUDGET[device]:
        return f"about {needed / 1e9:.0f} GB, budget {MEMORY_BUDGET[device] / 1e9:.0f} GB"
    return missing(contender)


def build(names: tuple[str, ...], x: Tensor, grad: Tensor) -> tuple[dict[str, Run], dict[str, Record]]:
    """The contenders of one point as runs, and why the others are none."""
    runs: dict[str, Run] = {}
    absent: dict[str, Record] = {}
    for name in names:
        reason = _skip(name, x.numel(), len(x), x.dtype, x.device.type)
        if reason is not None:
            absent[name] = {"skipped": reason}
            continue
        try:
            runs[name] = iteration(CONTENDERS[name].build(len(x), x.device), x, grad)
        except Exception as error:
            absent[name] = failure(error)
    return runs, absent


def _budget(quick: bool) -> Budget:
    return QUICK if quick else FULL


def run(task: Record) -> Iterator[Record]:
    """A record per size: the floor and every contender's times."""
    device, dtype = task.get("device", "cpu"), task.get("dtype", "float32")
    threads, steps = task["threads"], task["steps"]
    rng = random.Random(f"{device} {dtype} {threads} {steps}")
    torch.manual_seed(0)
    clock = cuda_clock if device == "cuda" else wall_clock
    pool = ThreadPoolExecutor(threads) if threads > 1 else nullcontext()
    with pool as helpers:
        for size in task["sizes"]:
            if steps <= STATIC_STEPS:
                torch._dynamo.reset()  # one graph per size, compiled for it
            x = torch.randn(steps, 1, size, dtype=getattr(torch, dtype), device=device, requires_grad=True)
            grad = torch.randn_like(x)
            runs, absent = build(tuple(task.get("only", CONTENDERS)), x, grad)
            results = measure(
                {**floor.copies(x.detach(), helpers), **runs}, _budget(task.get("quick", False)), rng, clock
            )
            yield {
                "device": device,
                "dtype": dtype,
                "threads": threads,
                "T": steps,
                "N": size,
                "load": load(),
                "floor": floor.floor(results, x.numel(), x.element_size()),
                "copies": {name: results.pop(name) for name in floor.COPIES if name in results},
                "contenders": {**results, **absent},
                **({"spikingjelly": _implementation(task)} if device == "cuda" else {}),
            }
            del x, grad, runs, results


def _implementation(task: Record) -> Any:
    """What SpikingJelly chose on this device."""
    try:
        from spikingjelly.activation_based.functional import neuron_implementation

        return {name: neuron_implementation(name, torch.device("cuda", 0)) for name in ("lif", "ilif")}
    except Exception as error:
        return {**failure(error), "requested": task.get("environment")}
