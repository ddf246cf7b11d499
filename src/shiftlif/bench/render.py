"""Every rendering of a bench, beside its records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from shiftlif.bench.figure import pareto_figure
from shiftlif.bench.headline import headline_table
from shiftlif.bench.recipe import Job, Recipe
from shiftlif.bench.rows import Row, make_rows
from shiftlif.bench.store import Record
from shiftlif.bench.tables import (
    Table,
    accuracy_table,
    comma_separated,
    cost_table,
    energy_table,
    has_baseline,
    latex,
    markdown,
)
from shiftlif.program.storage import write_atomically

OPERATIONS = ("synaptic_operations", "synaptic operations per inference")


def rows_of(recipe: Recipe, jobs: Sequence[Job], records: Iterable[Record]) -> list[Row]:
    """The rows of a recipe's records in its order."""
    order = list(dict.fromkeys((job.dataset, job.neuron, job.steps) for job in jobs))
    datasets, neurons = list(recipe.datasets), list(recipe.neurons)
    order.sort(key=lambda key: (datasets.index(key[0]), neurons.index(key[1])))
    return make_rows(records, baseline=recipe.baseline, order=order)


def headline_of(recipe: Recipe, rows: Sequence[Row]) -> Table | None:
    """The table about the recipe's subject; None where it has none."""
    if recipe.subject is None:
        return None
    measured = {row.neuron for row in rows}
    reference = next((name for name in recipe.silent if name in measured), None)
    return headline_table(
        rows, subject=recipe.subject, baseline=recipe.baseline, silent=recipe.silent, reference=reference
    )


def page(
    rows: Sequence[Row],
    baseline: str,
    opponent: str | None = None,
    headline: Table | None = None,
    *,
    missing: int,
    figure: str,
) -> str:
    """The Markdown page: what the columns mean, the tables, what did not compile.

    Args:
        rows: of the records.
        baseline: label of the neuron compared with.
        opponent: label of the quantised non-spiking network, or None.
        headline: the table to begin with, or None.
        missing: runs of the recipe that have no record yet.
        figure: file name of the Pareto figure.
    """
    open_runs = f" {missing} runs of the recipe have no record yet." if missing else ""
    versus = (
        "" if opponent is None else f" In brackets: as a multiple of {opponent} with weights of as many bits."
    )
    differences = (
        f" Differences to {baseline} are in percentage points on the seeds that both have, with the p-value of the "
        "paired t-test over seeds and of the exact sign-flip test over test samples (McNemar's, all seeds of a sample "
        "together); they are not corrected for the number of comparisons."
        if has_baseline(rows, baseline)
        else ""
    )
    refused = {row.neuron: row.refused for row in rows if row.refused is not None}
    lines = [
        "# Bench",
        f"Made by `shiftlif bench`; one record a run in the JSONL file beside this page.{open_runs}",
        *_begun_with(headline),
        f"Accuracies are means ± standard deviations over seeds, in per cent of the test part.{differences}",
        markdown(accuracy_table(rows, baseline)).rstrip(),
        "Costs are per inference, all steps added, and counted in the float networks by the same rules for all; a "
        "layer that sees the same frame at every step is counted once. Dense MACs are what the network costs when "
        "every connection is computed.",
        markdown(cost_table(rows, baseline)).rstrip(),
        "Energy is nanojoules per inference of each program by three models (docs/energy.md) of hardware that does "
        f"not exist, good for ratios.{versus} EMD is the earth mover's distance between the letters of program and "
        "float network, the mean over layers.",
        markdown(energy_table(rows, opponent)).rstrip(),
        f"![Accuracy against cost]({figure})",
    ]
    if refused:
        lines.append("Programs that were refused:")
        lines.append("\n".join(f"- {neuron}: {reason}" for neuron, reason in refused.items()))
    return "\n\n".join(lines) + "\n"


def _begun_with(headline: Table | None) -> list[str]:
    if headline is None:
        return []
    return [
        "In short, for one neuron: at its smallest T, against the baseline at its largest (test accuracy in percentage "
        "points, the mean of the differences on the seeds that both have ± its standard error, and synaptic operations "
        "of all steps); at its best T, against the best other spiking neuron at any T, both chosen by mean validation "
        "accuracy; and at its smallest T against the network without spikes.",
        markdown(headline).rstrip(),
    ]


def write_all(
    rows: Sequence[Row],
    records: Path,
    *,
    baseline: str,
    opponent: str | None = None,
    headline: Table | None = None,
    missing: int,
) -> list[Path]:
    """Write page, CSV, LaTeX and figure beside the records; the files written.

    Raises:
        DataError: there is no row, or a file cannot be written.
        ConfigurationError: matplotlib is not installed.
        ModelFileError: a file cannot be written.
    """
    png = records.with_name(f"{records.stem}_pareto.png")
    tables = [accuracy_table(rows, baseline), cost_table(rows, baseline), energy_table(rows, opponent)]
    if headline is not None:
        tables.insert(0, headline)
    texts = {
        records.with_suffix(".md"): page(
            rows, baseline, opponent, headline, missing=missing, figure=png.name
        ),
        records.with_suffix(".csv"): comma_separated(rows),
        records.with_suffix(".tex"): "\n".join(latex(table) for table in tables),
    }
    pareto_figure(rows, [OPERATIONS, *energy_axes(rows)], png)
    for path, text in texts.items():
        write_atomically(path, text.encode())
    return [*texts, png]


def energy_axes(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The memory-inclusive energy of the first program, as a column of panels; none where none was measured."""
    found = [name for row in rows for name in row.figures if name.endswith(".energy.memory_best")]
    return [(name, f"{name.split('.')[0]} energy with memory / nJ per inference") for name in found[:1]]
