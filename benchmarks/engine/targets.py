"""The numbers to reach, point by point, with what each point was measured on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.engine.names import BOUND, BOUND_BUFFERS, FP32, FROM_C, FUSED, INT8, LAYERS, STEP_LOOP, named
from benchmarks.training_kernels.timing import Record

SIMULATION = 15.0
OVERHEAD = 1.3
AGAINST_INT8 = {
    ("dense", 1): 0.25,
    ("dense", 4): 0.4,
    ("conv1d", 1): 0.6,
    ("conv1d", 4): 1.0,
    ("conv2d", 1): 1.0,
    ("conv2d", 4): 2.0,
}
"""At most so many times the latency of ONNX Runtime int8, by model and T."""
POINT = 0.01
"""How far the engine's accuracy may lie below."""


class Outcome(NamedTuple):
    """A target beside what was measured at one network.

    Attributes:
        target: in words.
        shape: data set and model.
        steps: T.
        density: events per neuron and step.
        ratio: what was measured; None where something is missing.
        bound: the number.
        at_most: whether it bounds from above.
        lost: how far the engine's accuracy lies below the opponent's; 0 where it does not matter.
    """

    target: str
    shape: str
    steps: int
    density: float
    ratio: float | None
    bound: float
    at_most: bool
    lost: float = 0.0

    @property
    def verdict(self) -> str:
        """``reached``, ``not reached`` with a reason, or ``not measured``."""
        if self.ratio is None:
            return "not measured"
        if not (self.ratio <= self.bound if self.at_most else self.ratio >= self.bound):
            return "not reached"
        if self.lost > POINT + 1e-9:
            return f"not reached: accuracy {100 * self.lost:.1f} points below"
        return "reached"


def accuracies(held: Record) -> Record | None:
    """The accuracies of a shape, None where they were not measured."""
    return next((r["accuracies"] for r in held["records"] if "accuracies" in r), None)


def times(held: Record, batch: int, threads: int) -> dict[str, Record]:
    """Contenders' times of a shape; empty where they were not measured."""
    for r in held["records"]:
        if "contenders" in r and (r["batch"], r["threads"]) == (batch, threads):
            found: dict[str, Record] = r["contenders"]
            return found
    return {}


def seconds(found: dict[str, Record], name: str) -> float | None:
    """A contender's median, None where it has none."""
    value: float | None = found.get(name, {}).get("median")
    return value


def fastest(found: dict[str, Record], names: Iterable[str]) -> tuple[float, str] | None:
    """The least median of some contenders, and whose it is."""
    measured = [(value, name) for name in names if (value := seconds(found, name)) is not None]
    return min(measured) if measured else None


def runtime_of(
    found: dict[str, Record], names: Iterable[str], accuracy: dict[str, float]
) -> tuple[float, str] | None:
    """The fastest model of some, however called, whose accuracy is at most a point below the best of them."""
    usable = {name: accuracy[name] for name in names if name in accuracy}
    good = [name for name, value in usable.items() if value >= max(usable.values()) - POINT - 1e-9]
    return fastest(found, [name + how for name in good for how in ("", BOUND_BUFFERS)])


def int8_of(found: dict[str, Record], accuracy: dict[str, float]) -> tuple[float, str] | None:
    """`runtime_of` the 8-bit models."""
    return runtime_of(found, INT8, accuracy)


def fp32_of(found: dict[str, Record], accuracy: dict[str, float]) -> tuple[float, str] | None:
    """`runtime_of` the float32 models."""
    return runtime_of(found, FP32, accuracy)


def simulated(found: dict[str, Record], steps: int) -> tuple[float, str] | None:
    """The fastest of PyTorch's ways that compile nothing."""
    return fastest(found, [named(steps, name) for name in (LAYERS, FUSED, STEP_LOOP)])


def _ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def outcomes(document: dict[str, Any]) -> list[Outcome]:
    """Every target at every network of the document, batch 1, one thread."""
    simulation, int8, overhead = [], [], []
    for shape, held in document["shapes"].items():
        known = accuracies(held)
        if known is None:
            continue
        found, theirs = times(held, 1, 1), known["opponent"]["accuracy"]
        model = shape.split()[1]
        best = max((theirs[name] for name in INT8 if name in theirs), default=None)
        opponent = int8_of(found, theirs)
        for own in known["spiking"]:
            steps, density = own["T"], own["density"]
            engine = seconds(found, named(steps, BOUND))
            slow = simulated(found, steps)
            ratio = _ratio(slow and slow[0], engine)
            text = "times as fast as the simulation in PyTorch"
            simulation.append(Outcome(text, shape, steps, density, ratio, SIMULATION, False))
            ratio = _ratio(engine, opponent and opponent[0])
            lost = 0.0 if best is None else max(0.0, best - own["accuracy"])
            bound = AGAINST_INT8[model, steps]
            int8.append(
                Outcome(
                    "of the latency of ONNX Runtime int8", shape, steps, density, ratio, bound, True, lost
                )
            )
            if shape.startswith("digits"):
                ratio = _ratio(engine, seconds(found, named(steps, FROM_C)))
                text = "of the same program called from C"
                overhead.append(Outcome(text, shape, steps, density, ratio, OVERHEAD, True))
    return [*simulation, *int8, *overhead]
