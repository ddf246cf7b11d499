"""What the history keeps of a measurement of the training kernels."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.pages import briefly
from benchmarks.training_kernels.targets import outcomes

GAINS = tuple(
    f"{outcome.target}, {which}"
    for outcome in outcomes({})
    if not outcome.at_most
    for which in ("mean", "worst")
)
"""Ends of the names of figures that are better when they are larger."""


def parts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each section that was measured in full and to its end, as a document of its own."""
    return {
        section: {section: content}
        for section, content in document.items()
        if not content["quick"] and "seconds" in content
    }


def machine(document: dict[str, Any]) -> str:
    """What the document's last section was measured on, in short."""
    return briefly(list(document.values())[-1]["machine"])


def headlines(document: dict[str, Any]) -> dict[str, float]:
    """Every target that has points: their geometric mean and the worst of them, by medians."""
    found: dict[str, float] = {}
    for outcome in outcomes(document):
        if values := [value for value, _ in outcome.points]:
            found[f"{outcome.target}, worst"] = outcome.worst[0]
            if min(values) > 0:
                found[f"{outcome.target}, mean"] = statistics.geometric_mean(values)
    return found
