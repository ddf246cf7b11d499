"""The benchmarks that have a history: what each contributes. Needs none of the libraries that they compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.engine import headlines as engine
from benchmarks.mcu import headlines as mcu
from benchmarks.training_kernels import headlines as training_kernels

Document = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A benchmark.

    Attributes:
        title: of its section.
        parts: a document (results/<name>.json) to those parts of it that are finished and no quick run, each a
            document of its own.
        headlines: a document to its headline figures; pure.
        machine: a part to what it was measured on, in short.
        gains: ends of the names of figures that are better when they are larger; all others are better when smaller.
        margin: a change for the worse by more, as a share, is pointed out.
    """

    title: str
    parts: Callable[[Document], dict[str, Document]]
    headlines: Callable[[Document], dict[str, float]]
    machine: Callable[[Document], str]
    gains: tuple[str, ...]
    margin: float


def _kind(title: str, package: Any, margin: float) -> Kind:
    return Kind(title, package.parts, package.headlines, package.machine, package.GAINS, margin)


KINDS = {
    "engine": _kind("Engine, batch 1, one thread", engine, 0.1),
    "mcu": _kind("Microcontrollers", mcu, 0.01),
    "training_kernels": _kind("Training kernels", training_kernels, 0.1),
}
"""By the name of the document."""
ABSOLUTE = (" µs", " ms")
"""Ends of the names of figures that only one machine can compare with its own."""
