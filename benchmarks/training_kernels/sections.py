"""The sections of the benchmark: what each measures, in which processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.training_kernels import memory, neurons, saved, steps
from benchmarks.training_kernels.timing import Record


class Section(NamedTuple):
    """A part of the benchmark.

    Attributes:
        tasks: what it measures (quick or not), one process each, as JSON-able settings.
        run: a task to records, in the process that was started for it.
        absent: why there are no tasks, if there are none.
    """

    tasks: Callable[[bool], list[Record]]
    run: Callable[[Record], Iterator[Record]]
    absent: str = ""


SECTIONS: dict[str, Section] = {
    "saved": Section(saved.tasks, saved.run),
    "memory": Section(memory.tasks, memory.run),
    "training_step": Section(steps.tasks, steps.run),
    "neurons": Section(neurons.tasks, neurons.run),
    "allocator": Section(neurons.allocator_tasks, neurons.run),
    "gpu": Section(neurons.gpu_tasks, neurons.run, "none: no CUDA device here"),
}
