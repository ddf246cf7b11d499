"""What the shell offers for a value when Tab is pressed.

Nothing here may import torch: a shell waits. The names that live beside torch are written down again, and
``tests/cli/test_completion.py`` compares them with what the commands accept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

NEURONS = (
    *("LIF", "IF", "PLIF", "CLIF", "GLIF", "PSN", "TLIF", "IntLIF", "NILIF", "QBLIF", "BurstLIF"),
    *("ShiftLIF", "SignedShiftLIF", "ReLU", "QuantReLU"),
)
MODELS = ("auto", "dense", "conv1d", "conv2d", "lenet")
SURROGATES = ("relsget", "rectangle", "atan", "triangle", "superspike")
CALIBRATIONS = ("none", "quantile", "error")
AUGMENTATIONS = ("noise", "gain", "roll", "shift", "mask", "mask_channels", "flip", "drop_channels")
ACCELERATORS = ("cpu", "gpu", "mps", "auto")
PARTS = ("val", "test")
BITS = ("8", "4")
MEMBRANES = ("32", "16")
GRID = ("dataset=", "neuron=", "steps=", "seed=")

Offer = Callable[[str], list[tuple[str, str]]]


def one_of(values: Iterable[str]) -> Offer:
    """Offers fixed values."""

    offered = tuple(values)

    def offer(incomplete: str) -> list[tuple[str, str]]:
        return [(value, "") for value in offered if value.startswith(incomplete)]

    return offer


def dataset(incomplete: str) -> list[tuple[str, str]]:
    """Known data sets with what they are; the shell itself completes to paths where none begins like this."""
    from shiftlif.data import describe, names

    return [(name, describe(name)["task"]) for name in names() if name.startswith(incomplete)]


def fetchable(incomplete: str) -> list[tuple[str, str]]:
    """Data sets that can be downloaded."""
    from shiftlif.data import describe, names

    found = [describe(name) for name in names() if name.startswith(incomplete)]
    return [(d["name"], d["task"]) for d in found if d["fetch"]]
