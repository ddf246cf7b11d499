"""The questions a reader has of one neuron, one line for each data set."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from shiftlif.bench.rows import Row
from shiftlif.bench.statistics import Summary
from shiftlif.bench.tables import ABSENT, Table, spread


def headline_table(
    rows: Sequence[Row], *, subject: str, baseline: str, silent: Collection[str], reference: str | None
) -> Table:
    """One neuron at its smallest T against the baseline at its largest, against its best rival, and against no spikes.

    Differences are in percentage points ± the standard error of a difference of means; operations are all steps added.

    Args:
        rows: of the records.
        subject: label of the neuron in question.
        baseline: label of the neuron it replaces.
        silent: labels of networks without spikes, which are no rivals.
        reference: the one of them that bounds what the shape can do, or None.
    """
    columns = (
        "data set",
        f"{subject} %",
        f"− {baseline}, largest T",
        f"operations x {baseline}",
        "best of its T %",
        "best other neuron",
        "difference",
        f"− {reference}" if reference is not None else "",
    )
    lines = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        of_set = [row for row in rows if row.dataset == dataset]
        own = [row for row in of_set if row.neuron == subject]
        if own:
            least = min(own, key=lambda row: row.steps)
            best = max(own, key=_accuracy)
            old = max((r for r in of_set if r.neuron == baseline), key=lambda r: r.steps, default=None)
            others = [row for row in of_set if row.neuron != subject and row.neuron not in silent]
            rival = max(others, key=_accuracy, default=None)
            bound = next((row for row in of_set if row.neuron == reference), None)
            lines.append(
                (
                    dataset,
                    f"{spread(least.figures['accuracy'])} (T={least.steps})",
                    _difference(least, old),
                    ABSENT if old is None else f"{_operations(least) / _operations(old):.2f}",
                    f"{spread(best.figures['accuracy'])} (T={best.steps})",
                    ABSENT if rival is None else f"{rival.label}: {spread(rival.figures['accuracy'])}",
                    _difference(best, rival),
                    _difference(least, bound) if reference is not None else "",
                )
            )
    return Table("Headline", columns, tuple(lines))


def _accuracy(row: Row) -> float:
    return row.figures["accuracy"].mean


def _operations(row: Row) -> float:
    return row.figures["synaptic_operations"].mean


def _difference(row: Row, other: Row | None) -> str:
    """``+1.20 ± 0.35``, percentage points and their standard error."""
    if other is None:
        return ABSENT
    ours, theirs = row.figures["accuracy"], other.figures["accuracy"]
    error = standard_error(ours, theirs)
    text = f"{ours.mean - theirs.mean:+.2f}" + ("" if error is None else f" ± {error:.2f}")
    return text.replace("-", "−")


def standard_error(first: Summary, second: Summary) -> float | None:
    """Of the difference of two means of independent runs; None where one has a single run."""
    if first.deviation is None or second.deviation is None:
        return None
    return math.sqrt(first.deviation**2 / first.n + second.deviation**2 / second.n)
