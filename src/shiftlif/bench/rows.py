"""Records as the rows of a table: one row for each data set, number of steps and neuron, over all its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shiftlif.bench.statistics import Summary, paired_t, sign_flip, summarise
from shiftlif.bench.store import Record, unpacked


@dataclass(frozen=True)
class Comparison:
    """A row against a row of the baseline on the seeds that both have.

    Attributes:
        steps: T of the baseline.
        points: mean difference of the accuracy in percentage points.
        p_seeds: of the paired t-test over seeds, None where it is not defined.
        p_samples: of the exact sign-flip test over test samples (McNemar's for one seed); None where the records are
            not known to be of the same samples.
        operations: synaptic operations per inference as a multiple of the baseline's; None where that has none.
    """

    steps: int
    points: float
    p_seeds: float | None
    p_samples: float | None
    operations: float | None


@dataclass(frozen=True)
class Row:
    """One line of the table; accuracies in per cent, costs per inference with all steps added.

    Attributes:
        dataset, neuron, steps: what was run.
        parameters: trained numbers.
        figures: `Summary` by name of what was measured in every seed: ``accuracy``, ``balanced_accuracy``,
            ``macro_f1``, ``validation`` (accuracy), ``calibration_error``, ``events``, ``events_per_neuron_step``,
            ``synaptic_operations``, ``multiply_accumulates``, and of each program ``int8.accuracy``, ``int8.adds``, ...
        by_seed: accuracy of each seed.
        exact: how many programs were verified bit for bit, of how many; None where the network does not compile.
        refused: why a program was refused, or None.
        same: against the baseline at the same T; None for the baseline itself, and where it was not run.
        largest: against the baseline at its largest T.
    """

    dataset: str
    neuron: str
    steps: int
    parameters: int
    figures: dict[str, Summary]
    by_seed: dict[int, float]
    exact: tuple[int, int] | None = None
    refused: str | None = None
    same: Comparison | None = None
    largest: Comparison | None = field(default=None)

    @property
    def label(self) -> str:
        """Neuron and T."""
        return f"{self.neuron} T={self.steps}"


def make_rows(
    records: Iterable[Record], *, baseline: str, order: Sequence[tuple[str, str, int]] = ()
) -> list[Row]:
    """The rows of all records.

    Args:
        records: of `shiftlif.bench.record.measured`.
        baseline: label of the neuron compared with.
        order: ``(dataset, neuron, steps)`` of the recipe; data sets and neurons keep its order, larger T come first.
    """
    groups: dict[tuple[str, str, int], list[Record]] = {}
    for record in records:
        groups.setdefault((record["dataset"], record["neuron"], record["steps"]), []).append(record)
    names = [*order, *groups]
    datasets, neurons = ([*dict.fromkeys(key[i] for key in names)] for i in (0, 1))
    sorted_groups = sorted(groups, key=lambda k: (datasets.index(k[0]), -k[2], neurons.index(k[1])))
    return [_row(key, groups, baseline) for key in sorted_groups]


def _row(key: tuple[str, str, int], groups: dict[tuple[str, str, int], list[Record]], baseline: str) -> Row:
    dataset, neuron, steps = key
    records = groups[key]
    measured = [figures(record) for record in records]
    common = [name for name in measured[0] if all(name in one for one in measured)]
    programs = [p for r in records for p in r["deploy"].values() if isinstance(p, dict)]
    refused = next((r["deploy"]["refused"] for r in records if "refused" in r["deploy"]), None)
    of_baseline = [t for d, n, t in groups if (d, n) == (dataset, baseline)]
    largest = max(of_baseline, default=None)
    return Row(
        dataset,
        neuron,
        steps,
        records[0]["parameters"],
        {name: summarise([one[name] for one in measured]) for name in common},
        {record["seed"]: one["accuracy"] for record, one in zip(records, measured, strict=True)},
        (sum(p["bit_exact"] for p in programs), len(programs)) if programs else None,
        refused,
        _compare(records, groups[dataset, baseline, steps], steps)
        if steps in of_baseline and neuron != baseline
        else None,
        _compare(records, groups[dataset, baseline, largest], largest)
        if largest is not None and (neuron, steps) != (baseline, largest)
        else None,
    )


def figures(record: Record) -> dict[str, float]:
    """The numbers of one record by name; accuracies in per cent."""
    test, counted = record["test"], record["float"]
    found: dict[str, float] = {
        name: 100 * test[name] for name in ("accuracy", "balanced_accuracy", "macro_f1")
    }
    found["validation"] = 100 * record["validation"]["accuracy"]
    found["calibration_error"] = record["calibration_error"]
    for name in ("events", "events_per_neuron_step", "synaptic_operations", "multiply_accumulates"):
        found[name] = counted[name]
    for program, values in record["deploy"].items():
        if isinstance(values, dict):
            found.update(_numbers(program, values))
            found[f"{program}.accuracy"] *= 100
    return found


def _numbers(prefix: str, values: dict[str, Any]) -> dict[str, float]:
    """Numbers of nested mappings by dotted name."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found.update(_numbers(f"{prefix}.{name}", value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}.{name}"] = float(value)
    return found


def _compare(records: Sequence[Record], baseline: Sequence[Record], steps: int) -> Comparison | None:
    ours, theirs = ({r["seed"]: r for r in part} for part in (records, baseline))
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    accuracy = [[100 * part[seed]["test"]["accuracy"] for seed in seeds] for part in (ours, theirs)]
    cost = [
        np.mean([part[seed]["float"]["synaptic_operations"] for seed in seeds]) for part in (ours, theirs)
    ]
    compared = [part[seed] for part in (ours, theirs) for seed in seeds]
    # Records made before there was a fingerprint lack it: they are paired with one another.
    samples = {(record["test_samples"], record.get("test_data")) for record in compared}
    p_samples = None
    if len(samples) == 1:
        n, _ = samples.pop()
        right = [
            np.stack([unpacked(part[seed]["test_correct"], n) for seed in seeds]) for part in (ours, theirs)
        ]
        p_samples = sign_flip(right[0], right[1])
    return Comparison(
        steps,
        float(np.mean(np.subtract(accuracy[0], accuracy[1]))),
        paired_t(accuracy[0], accuracy[1]),
        p_samples,
        float(cost[0] / cost[1]) if cost[1] else None,
    )
