"""What the history keeps of a measurement of the engine."""

from __future__ import annotations

from typing import Any

from benchmarks.engine import names
from benchmarks.engine.targets import accuracies, int8_of, seconds, simulated, times
from benchmarks.pages import briefly

GAINS = ("PyTorch / engine",)
"""Ends of the names of figures that are better when they are larger."""


def parts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each shape that was measured in full, as a document of its own."""
    return {
        shape: {"shapes": {shape: held}} for shape, held in document["shapes"].items() if not held["quick"]
    }


def machine(document: dict[str, Any]) -> str:
    """What the document's last shape was measured on, in short."""
    return briefly(list(document["shapes"].values())[-1]["machine"])


def headlines(document: dict[str, Any]) -> dict[str, float]:
    """Batch 1, one thread: the engine's time and its ratios, by network and T; what has no time is left out."""
    found: dict[str, float] = {}
    for shape, held in document["shapes"].items():
        known, medians = accuracies(held), times(held, 1, 1)
        if known is None:
            continue
        int8 = int8_of(medians, known["opponent"]["accuracy"])
        for own in known["spiking"]:
            steps = own["T"]
            engine = seconds(medians, names.named(steps, names.BOUND))
            if engine is None:
                continue
            label, eager = f"{shape} T={steps}", simulated(medians, steps)
            found[f"{label}: engine µs"] = 1e6 * engine
            if int8 is not None:
                found[f"{label}: engine / ONNX Runtime int8"] = engine / int8[0]
            if eager is not None:
                found[f"{label}: {GAINS[0]}"] = eager[0] / engine
    return found
