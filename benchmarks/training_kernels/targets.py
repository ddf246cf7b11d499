"""The numbers to beat, and how far the measurements are from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from benchmarks.training_kernels.timing import Record

OURS = ("shiftlif LIF", "shiftlif ShiftLIF", "shiftlif QBLIF", "shiftlif IntLIF")
COMPILED = {
    "shiftlif LIF": ("torch.compile LIF, steps", "torch.compile LIF, sequence", "SpikingJelly LIF, compiled"),
    "shiftlif ShiftLIF": ("torch.compile ShiftLIF, sequence", "torch.compile ShiftLIF, reference"),
}


class Outcome(NamedTuple):
    """A target beside what was measured.

    Attributes:
        target: in words.
        bound: the number.
        at_most: whether it bounds from above.
        points: every measured value and where it was measured.
    """

    target: str
    bound: float
    at_most: bool
    points: list[tuple[float, str]]

    @property
    def worst(self) -> tuple[float, str]:
        """The value farthest on the wrong side."""
        return max(self.points) if self.at_most else min(self.points)

    def meets(self, value: float) -> bool:
        """Whether one value is on the right side."""
        return value <= self.bound if self.at_most else value >= self.bound

    @property
    def reached(self) -> int:
        """How many points meet the target."""
        return sum(self.meets(value) for value, _ in self.points)


def records(document: dict[str, Any], section: str) -> list[Record]:
    """The records of a section; those of processes that failed have an ``error`` and no measurement."""
    found: list[Record] = document.get(section, {}).get("records", [])
    return found


def seconds(record: Record, name: str, statistic: str = "median") -> float | None:
    """A contender's median (or least) time, None where it has none."""
    value: float | None = record.get("contenders", {}).get(name, {}).get(statistic)
    return value


def fastest(record: Record, names: Iterable[str], statistic: str = "median") -> float | None:
    """The time of the fastest of some contenders."""
    found = [s for s in (seconds(record, name, statistic) for name in names) if s is not None]
    return min(found) if found else None


def _threads(record: Record) -> str:
    count = record.get("threads")
    return "" if count is None or record.get("device") == "cuda" else f", threads: {count}"


def place(record: Record) -> str:
    """Where a value was measured, in words."""
    if "N" in record:
        dtype = "" if record.get("dtype", "float32") == "float32" else f", {record['dtype']}"
        return f"T={record['T']}, N={record['N']:,}{_threads(record)}{dtype}"
    return f"{record['model']}, batch {record['batch']}, {record['coding']}{_threads(record)}"


def _points(
    found: Iterable[Record], pairs: Mapping[str, Iterable[str]], statistic: str
) -> list[tuple[float, str]]:
    """How many times faster than the fastest of its rivals each contender is, for every record that has both."""
    return [
        (theirs / own, f"{name}, {place(record)}")
        for record in found
        for name, rivals in pairs.items()
        if (own := seconds(record, name, statistic)) is not None
        and (theirs := fastest(record, rivals, statistic)) is not None
    ]


def _floor_points(found: Iterable[Record], statistic: str) -> list[tuple[float, str]]:
    floor = {"median": "seconds", "min": "seconds_min"}[statistic]
    return [
        (own / record["floor"][floor], f"{name}, {place(record)}")
        for record in found
        for name in OURS
        if (own := seconds(record, name, statistic)) is not None
    ]


def _neuron_targets(document: dict[str, Any], statistic: str) -> list[Outcome]:
    every = [r for r in records(document, "neurons") if "floor" in r and r["dtype"] == "float32"]
    large = [r for r in every if r["T"] in (4, 16) and r["N"] >= 262_144]
    jelly, eager = {"shiftlif LIF": ["SpikingJelly LIF"]}, {"shiftlif ShiftLIF": ["eager ShiftLIF"]}
    where = "(T=4, 16; N >= 256 k)"
    return [
        Outcome(f"times the memory floor {where}", 1.5, True, _floor_points(large, statistic)),
        Outcome(f"times as fast as SpikingJelly's LIF {where}", 8, False, _points(large, jelly, statistic)),
        Outcome(f"times as fast as the eager ShiftLIF {where}", 12, False, _points(large, eager, statistic)),
        Outcome(
            "times as fast as the best of torch.compile (every size)",
            1,
            False,
            _points(every, COMPILED, statistic),
        ),
    ]


def _saved_targets(document: dict[str, Any]) -> list[Outcome]:
    points = [
        (r["bytes_beyond_input"], r["contender"])
        for r in records(document, "saved")
        if r.get("contender") in OURS and "bytes_beyond_input" in r
    ]
    return [Outcome("bytes saved per neuron and step beyond the input", 0.125, True, points)]


def _memory_targets(document: dict[str, Any]) -> list[Outcome]:
    found = [r for r in records(document, "memory") if "bytes_one_step" in r]
    theirs = {r["coding"]: r for r in found if r["contender"] == "SpikingJelly LIF"}
    points = [
        (r[field] / theirs[r["coding"]][field], f"{r['contender']}, {place(r)}, {label}")
        for r in found
        if r["contender"] in OURS and r["coding"] in theirs
        for field, label in (("bytes_one_step", "first step"), ("bytes_steady", "four steps"))
    ]
    return [Outcome("of SpikingJelly's peak training memory (T=16)", 0.6, True, points)]


def _step_targets(document: dict[str, Any], statistic: str) -> list[Outcome]:
    found = [r for r in records(document, "training_step") if "contenders" in r]
    jelly = {"shiftlif LIF": ["SpikingJelly LIF"]}
    return [
        Outcome(
            f"times as fast as SpikingJelly's training step ({coding})",
            2,
            False,
            _points([r for r in found if r["coding"] == coding], jelly, statistic),
        )
        for coding in ("direct", "time-varying")
    ]


def _gpu_targets(document: dict[str, Any], statistic: str) -> list[Outcome]:
    found = [r for r in records(document, "gpu") if "floor" in r]
    large = [r for r in found if r["T"] >= 4 and r["N"] >= 4_000_000]
    bandwidth = [(1 / ratio, where) for ratio, where in _floor_points(large, statistic)]
    jelly = {"shiftlif LIF": ["SpikingJelly LIF"], "shiftlif IntLIF": ["SpikingJelly ILIF"]}
    return [
        Outcome("GPU: of the copy bandwidth (T >= 4, N >= 4 M)", 0.8, False, bandwidth),
        Outcome(
            "GPU: times as fast as SpikingJelly's fused LIF, I-LIF (T >= 4, N >= 4 M)",
            1.3,
            False,
            _points(large, jelly, statistic),
        ),
    ]


def outcomes(document: dict[str, Any], statistic: str = "median") -> list[Outcome]:
    """Every target, by medians or by least times (``min``); one without points was not measured."""
    return [
        *_neuron_targets(document, statistic),
        *_saved_targets(document),
        *_memory_targets(document),
        *_step_targets(document, statistic),
        *_gpu_targets(document, statistic),
    ]
