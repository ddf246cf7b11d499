"""What the shell offers for a value when Tab is pressed.

Nothing here may import torch: a shell waits. The names that live beside torch are written down again, and
``tests/cli/test_completion.py`` compares them with what the commands accept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

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
GRID = ("dataset=", "neuron=", "steps=", "seed=")

Offer = Callable[[str], list[tuple[str, str]]]


def one_of(values: Iterable[str]) -> Offer:
    """Offers fixed values."""

    offered = tuple(values)

    def offer(incomplete: str) -> list[tuple[str, str]]:
        return [(value, "") for value in offered if value.startswith(incomplete)]

    return offer


def dataset(incomplete: str) -> list[tuple[str, str]]:
    """Known data sets with what they are, and paths."""
    from shiftlif.data import describe, names

    known = [(name, describe(name)["task"]) for name in names() if name.startswith(incomplete)]
    return known + _paths(incomplete)


def fetchable(incomplete: str) -> list[tuple[str, str]]:
    """Data sets that can be downloaded."""
    from shiftlif.data import describe, names

    found = [describe(name) for name in names() if name.startswith(incomplete)]
    return [(d["name"], d["task"]) for d in found if d["fetch"]]


def _paths(incomplete: str) -> list[tuple[str, str]]:
    """Folders and .npz files that begin like this."""
    folder, _, begin = incomplete.rpartition("/")
    place = Path(folder + "/" if folder or incomplete.startswith("/") else ".").expanduser()
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    before = f"{folder}/" if "/" in incomplete else ""
    return [
        (f"{before}{entry.name}{'/' if entry.is_dir() else ''}", "")
        for entry in entries
        if entry.name.startswith(begin)
        and (entry.is_dir() or entry.suffix == ".npz")
        and not (entry.name.startswith(".") and not begin)
    ]
