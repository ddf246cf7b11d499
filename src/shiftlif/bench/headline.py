"""The questions a reader has of one neuron, one line for each data set."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shiftlif.bench.rows import Row
from shiftlif.bench.statistics import Summary, standard_error, summarise
from shiftlif.bench.tables import ABSENT, Table, spread


def headline_table(
    rows: Sequence[Row], *, subject: str, baseline: str, silent: Collection[str], reference: str | None
) -> Table:
    """One neuron at its smallest T against the baseline at its largest, against its best rival, and against no spikes.

    Accuracies are of the test part. Which T is the neuron's best, and which rival is the best, the validation part
    decides: chosen on the test part, the best of many would look better than it is. Differences are in percentage
    points, the mean over the seeds that both have ± its standard error; operations are all steps added.

    Args:
        rows: of the records.
        subject: label of the neuron in question.
        baseline: label of the neuron it replaces.
        silent: labels of networks without spikes, which are no rivals.
        reference: the one of them that bounds what the shape can do; None leaves its column out.
    """
    columns = (
        "data set",
        f"{subject} %",
        f"− {baseline}, largest T",
        f"operations x {baseline}",
        "best of its T %",
        "best other neuron",
        "difference",
        *([f"− {reference}"] if reference is not None else []),
    )
    lines = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        of_set = [row for row in rows if row.dataset == dataset]
        own = [row for row in of_set if row.neuron == subject]
        if own:
            least = min(own, key=lambda row: row.steps)
            best = max(own, key=_validation)
            old = max((r for r in of_set if r.neuron == baseline), key=lambda r: r.steps, default=None)
            others = [row for row in of_set if row.neuron != subject and row.neuron not in silent]
            rival = max(others, key=_validation, default=None)
            bound = next((row for row in of_set if row.neuron == reference), None)
            lines.append(
                (
                    dataset,
                    f"{spread(least.figures['accuracy'])} (T={least.steps})",
                    _difference(least, old),
                    _ratio(least, old),
                    f"{spread(best.figures['accuracy'])} (T={best.steps})",
                    ABSENT if rival is None else f"{rival.label}: {spread(rival.figures['accuracy'])}",
                    _difference(best, rival),
                    *([_difference(least, bound)] if reference is not None else []),
                )
            )
    return Table("Headline", columns, tuple(lines))


def _validation(row: Row) -> float:
    return row.figures["validation"].mean


def _ratio(row: Row, other: Row | None) -> str:
    """Synaptic operations as a multiple of another row's."""
    if other is None or not (theirs := other.figures["synaptic_operations"].mean):
        return ABSENT
    return f"{row.figures['synaptic_operations'].mean / theirs:.2f}"


def difference(row: Row, other: Row) -> Summary | None:
    """Of the accuracies in percentage points, over the seeds that both have; None where they share none."""
    seeds = row.by_seed.keys() & other.by_seed.keys()
    return summarise([row.by_seed[seed] - other.by_seed[seed] for seed in sorted(seeds)]) if seeds else None


def _difference(row: Row, other: Row | None) -> str:
    """``+1.20 ± 0.35``, percentage points and their standard error."""
    found = None if other is None else difference(row, other)
    if found is None:
        return ABSENT
    error = standard_error(found)
    return f"{found.mean:+.2f}{'' if error is None else f' ± {error:.2f}'}".replace("-", "−")
