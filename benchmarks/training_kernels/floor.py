"""The memory floor: the time that the traffic nobody can avoid takes at the speed of a copy.

Forward reads the currents and writes the spikes, backward reads the currents and the gradient and writes a gradient:
five numbers per neuron and step, 20 bytes in float32. The speed is that of a copy of an array of the same size, by
the same threads, in the same rounds; it counts bytes read and bytes written.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from benchmarks.training_kernels.timing import Record, Run

NUMBERS_PER_ELEMENT = 5
TORCH, MEMCPY, TWICE = "copy, torch", "copy, memcpy", "copy of twice the size"
COPIES = (TORCH, MEMCPY, TWICE)


def _memcpy(target: Tensor, source: Tensor, pool: ThreadPoolExecutor | None) -> Run:
    n_bytes = source.numel() * source.element_size()
    threads = torch.get_num_threads()
    share = -(-n_bytes // threads)
    parts = [(i * share, min(share, n_bytes - i * share)) for i in range(threads)]

    def part(bounds: tuple[int, int]) -> None:
        ctypes.memmove(target.data_ptr() + bounds[0], source.data_ptr() + bounds[0], bounds[1])

    if pool is None:
        return lambda: part((0, n_bytes))
    return lambda: list(pool.map(part, parts))


def copies(like: Tensor, pool: ThreadPoolExecutor | None) -> dict[str, Run]:
    """Copies of an array like ``like``, and of one twice its size, which touches as much memory as a neuron does."""
    source, target = torch.ones_like(like), torch.zeros_like(like)
    wide = [torch.ones((2, *like.shape), dtype=like.dtype, device=like.device) for _ in range(2)]
    runs: dict[str, Run] = {
        TORCH: lambda: target.copy_(source),
        TWICE: lambda: wide[0].copy_(wide[1]),
    }
    if like.device.type == "cpu":
        runs[MEMCPY] = _memcpy(target, source, pool)
    return runs


def floor(results: Mapping[str, Record], elements: int, itemsize: int) -> dict[str, Any]:
    """The floor from the measured copies.

    Returns:
        bandwidth: bytes read and written per second by the faster copy of the same size, by its median.
        seconds: the floor, from it.
        seconds_min: the floor from the least time of a copy, to hold the least times of contenders against.
        seconds_twice: the floor from the copy of twice the size.
    """
    copied = 2 * elements * itemsize
    unavoidable = NUMBERS_PER_ELEMENT * elements * itemsize
    same_size = [results[name] for name in (TORCH, MEMCPY) if name in results]
    median, least = (min(copy[field] for copy in same_size) for field in ("median", "min"))
    return {
        "bandwidth": copied / median,
        "seconds": unavoidable / copied * median,
        "seconds_min": unavoidable / copied * least,
        "seconds_twice": unavoidable / copied * results[TWICE]["median"] / 2,
    }
