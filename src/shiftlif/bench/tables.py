"""Rows as Markdown, CSV and LaTeX; pure functions from values to text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from shiftlif.bench.rows import Comparison, Row
from shiftlif.bench.statistics import Summary
from shiftlif.errors import DataError

MARKS = ("<!-- bench -->", "<!-- end -->")
"""What stands around the table of a page that `between_marks` makes anew."""
ABSENT = "–"


class Table(NamedTuple):
    """A title, column names, and one line of text cells for each row."""

    title: str
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def has_baseline(rows: Sequence[Row], baseline: str) -> bool:
    """Whether there is something to compare with."""
    return any(row.neuron == baseline for row in rows)


def accuracy_table(rows: Sequence[Row], baseline: str) -> Table:
    """Accuracy of the float networks and of their programs, compared with the baseline where that was run."""
    programs = _programs(rows)
    compared: list[tuple[str, Callable[[Row], str]]] = [
        (f"against {baseline}, same T", lambda row: difference(row.same)),
        (f"against {baseline}, largest T", lambda row: difference(row.largest)),
    ]
    columns: list[tuple[str, Callable[[Row], str]]] = [
        *_names(),
        ("parameters", lambda row: f"{row.parameters:,}"),
        ("float %", lambda row: spread(row.figures["accuracy"])),
        *((f"{name} %", _figure(f"{name}.accuracy", spread)) for name in programs),
        *(compared if has_baseline(rows, baseline) else ()),
        ("ECE", _figure("calibration_error", lambda s: f"{s.mean:.3f}")),
        (
            "bit-exact programs",
            lambda row: "none" if row.exact is None else f"{row.exact[0]} of {row.exact[1]}",
        ),
    ]
    return _table("Accuracy", columns, rows)


def cost_table(rows: Sequence[Row], baseline: str) -> Table:
    """Events and operations per inference, all steps added, and bytes of weights."""
    programs = _programs(rows)
    compared: list[tuple[str, Callable[[Row], str]]] = [
        (f"x {baseline}, largest T", lambda row: _times(row.largest))
    ]
    columns: list[tuple[str, Callable[[Row], str]]] = [
        *_names(),
        ("events / neuron / step", _figure("events_per_neuron_step", lambda s: f"{s.mean:.3f}")),
        ("synaptic operations", _figure("synaptic_operations", _large)),
        *(compared if has_baseline(rows, baseline) else ()),
        ("dense MACs", _figure("multiply_accumulates", _large)),
        *((f"{name} adds", _figure(f"{name}.adds", _large)) for name in programs[:1]),
        *((f"{name} bytes", _figure(f"{name}.weight_bytes", _large)) for name in programs),
    ]
    return _table("Cost per inference", columns, rows)


ENERGIES = ("naive", "arithmetic", "memory_best")
"""The figures of `shiftlif.program.energy` that tables show."""


def energy_table(rows: Sequence[Row], opponent: str | None) -> Table:
    """Nanojoules per inference of each program by three models, as multiples of the opponent's of equal weight bits."""
    others = {row.dataset: row for row in rows if row.neuron == opponent}

    def shown(name: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            if name not in row.figures:
                return ABSENT
            value, other = row.figures[name].mean, others.get(row.dataset)
            if other is None or other is row or name not in other.figures:
                return f"{value:,.1f}"
            return f"{value:,.1f} ({value / other.figures[name].mean:.2f})"

        return cell

    columns = [
        (f"{program} {figure.replace('_', ' ')}", shown(f"{program}.energy.{figure}"))
        for program in _programs(rows)
        for figure in ENERGIES
    ]
    distances = [
        (f"{name} EMD", _figure(f"{name}.behaviour.letter_distance", _small)) for name in _programs(rows)
    ]
    return _table("Energy and behaviour", [*_names(), *columns, *distances], rows)


def summary_table(rows: Sequence[Row]) -> Table:
    """One line for each data set and T: accuracy and million synaptic operations of the neurons run on every set."""
    datasets = {row.dataset for row in rows}
    neurons = tuple(
        neuron
        for neuron in dict.fromkeys(row.neuron for row in rows)
        if {row.dataset for row in rows if row.neuron == neuron} == datasets
    )
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows:
        operations = row.figures["synaptic_operations"].mean / 1e6
        cell = f"{spread(row.figures['accuracy'], 1)} ({operations:.2f} M)"
        cells.setdefault((row.dataset, row.steps), {})[row.neuron] = cell
    lines = tuple(
        (f"{dataset}, T={steps}", *(line.get(neuron, "") for neuron in neurons))
        for (dataset, steps), line in cells.items()
    )
    return Table("Summary", ("", *neurons), lines)


def markdown(table: Table) -> str:
    """A pipe table without its title."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(table.columns) + "|" + "---|" * len(table.columns) + "\n" + "".join(map(line, table.cells))


def latex(table: Table) -> str:
    """A ``tabular`` with booktabs rules; text columns left, the others right."""
    width = len(table.columns)
    align = "l" + "r" * (width - 1) if width else ""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(escape_latex, cells)) + r" \\" + "\n"

    return (
        f"% {table.title}; needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{align}}}\n\\toprule\n"
        f"{line(table.columns)}\\midrule\n{''.join(map(line, table.cells))}\\bottomrule\n\\end{{tabular}}\n"
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "−": "$-$",
    ABSENT: "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in text)


def comma_separated(rows: Sequence[Row]) -> str:
    """Every figure of every row, unrounded: mean, standard deviation, and the comparisons."""
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    sides = ("same", "largest")
    fields = ("steps", "points", "p_seeds", "p_samples", "operations")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["dataset", "neuron", "steps", "seeds", "parameters", "exact", "programs", "refused"]
        + [f"{name}.{part}" for name in names for part in ("mean", "sd")]
        + [f"{side}.{name}" for side in sides for name in fields]
    )
    for row in rows:
        numbers = [row.figures.get(name) for name in names]
        compared = [getattr(row, side) for side in sides]
        writer.writerow(
            [row.dataset, row.neuron, row.steps, row.figures["accuracy"].n, row.parameters]
            + [*(row.exact or ("", "")), row.refused or ""]
            + [part for s in numbers for part in (("", "") if s is None else (s.mean, _blank(s.deviation)))]
            + [_blank(getattr(one, name, None)) for one in compared for name in fields]
        )
    return text.getvalue()


def between_marks(page: str, table: str) -> str:
    """A page with the text between its two `MARKS` made anew.

    Raises:
        DataError: the page lacks a mark.
    """
    before, first, rest = page.partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not first or not last:
        raise DataError(
            f"the page has no place for a table; put {MARKS[0]} and {MARKS[1]} on lines of their own"
        )
    return f"{before}{first}\n{table}{last}{after}"


def spread(summary: Summary, digits: int = 2) -> str:
    """``93.50 ± 0.41``."""
    after = "" if summary.deviation is None else f" ± {summary.deviation:.{digits}f}"
    return f"{summary.mean:.{digits}f}{after}"


def difference(comparison: Comparison | None) -> str:
    """``+1.20 (p 0.031; samples 0.002)``: percentage points, test over seeds, test over samples."""
    if comparison is None:
        return ""
    tests = (
        f"p {probability(comparison.p_seeds)}",
        f"samples {probability(comparison.p_samples)}",
    )
    return f"{comparison.points:+.2f} ({'; '.join(tests)})".replace("-", "−")


def probability(p: float | None) -> str:
    """A p-value to three places; ``–`` where the test is not defined."""
    return ABSENT if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _names() -> list[tuple[str, Callable[[Row], str]]]:
    return [
        ("data set", lambda row: row.dataset),
        ("T", lambda row: str(row.steps)),
        ("neuron", lambda row: row.neuron),
        ("seeds", lambda row: str(row.figures["accuracy"].n)),
    ]


def _table(title: str, columns: Sequence[tuple[str, Callable[[Row], str]]], rows: Sequence[Row]) -> Table:
    return Table(
        title, tuple(n for n, _ in columns), tuple(tuple(show(row) for _, show in columns) for row in rows)
    )


def _programs(rows: Sequence[Row]) -> list[str]:
    """``int8``, ``int4``: the programs of any row."""
    found = (
        name.removesuffix(".accuracy") for row in rows for name in row.figures if name.endswith(".accuracy")
    )
    return list(dict.fromkeys(found))


def _figure(name: str, shown: Callable[[Summary], str]) -> Callable[[Row], str]:
    return lambda row: shown(row.figures[name]) if name in row.figures else ABSENT


def _small(summary: Summary) -> str:
    return f"{summary.mean:.4f}"


def _large(summary: Summary) -> str:
    return f"{summary.mean:,.0f}"


def _times(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    return ABSENT if comparison.operations is None else f"{comparison.operations:.2f}"


def _blank(value: object) -> object:
    return "" if value is None else value
