"""Accuracy against cost, one panel a data set, with the Pareto front drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shiftlif.analysis.figures import new_figure, save_figure
from shiftlif.bench.rows import Row
from shiftlif.bench.statistics import pareto_front
from shiftlif.errors import DataError

# Okabe and Ito's palette, told apart with every common colour blindness; a shape says T.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
SHAPES = {1: "o", 2: "s", 4: "^", 8: "D"}
WIDE = 10  # costs that differ by more are drawn on a logarithmic axis
FILLS = ("full", "none")  # filled once the colours are used up


def pareto_figure(rows: Sequence[Row], costs: Sequence[tuple[str, str]], target: str | Path) -> Path:
    """Accuracy (mean and standard deviation over seeds) against cost, a line of panels for each data set.

    Args:
        rows: of `shiftlif.bench.rows.make_rows`.
        costs: ``(figure name, axis label)`` of each column of panels, for example ``("synaptic_operations", ...)``;
            a row without that figure is not drawn there.
        target: PNG file to write.

    Returns:
        ``target``.

    Raises:
        DataError: there is no row, or the file cannot be written.
        ConfigurationError: matplotlib is not installed.
    """
    if not rows:
        raise DataError("there is nothing to draw; run the bench first")
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    neurons = list(dict.fromkeys(row.neuron for row in rows))
    figure = new_figure(5.2 * len(costs) + 1.6, 3.3 * len(datasets))
    panels = figure.subplots(len(datasets), len(costs), squeeze=False)
    for line, dataset in zip(panels, datasets, strict=True):
        for axis, (name, label) in zip(line, costs, strict=True):
            drawn = [row for row in rows if row.dataset == dataset and name in row.figures]
            _panel(axis, drawn, name, neurons)
            axis.set(title=dataset, xlabel=label, ylabel="test accuracy / %")
    _legend(figure, neurons, sorted({row.steps for row in rows}))
    return save_figure(figure, target)


def _panel(axis: Any, rows: Sequence[Row], name: str, neurons: Sequence[str]) -> None:
    from matplotlib.ticker import EngFormatter, NullFormatter

    points = [(row.figures[name].mean, row.figures["accuracy"].mean) for row in rows]
    if not points:
        axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes)
        return
    for row, (x, y) in zip(rows, points, strict=True):
        accuracy, cost = row.figures["accuracy"], row.figures[name]
        axis.errorbar(x, y, xerr=cost.deviation, yerr=accuracy.deviation, capsize=2, **_style(row, neurons))
    front = [points[i] for i in pareto_front(*zip(*points, strict=True))]
    axis.step(*zip(*front, strict=True), where="post", color="0.6", linewidth=1, zorder=0)
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    if 0 < WIDE * low < high:
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(EngFormatter())
    axis.grid(alpha=0.3)


def _style(row: Row, neurons: Sequence[str]) -> dict[str, Any]:
    place = neurons.index(row.neuron)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": SHAPES.get(row.steps, "P"),
        "fillstyle": FILLS[place // len(COLOURS) % 2],
        "markersize": 6,
        "linestyle": "none",
        "elinewidth": 1,
    }


def _legend(figure: Any, neurons: Sequence[str], steps: Sequence[int]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="none",
            label=name,
            color=COLOURS[i % len(COLOURS)],
            fillstyle=FILLS[i // len(COLOURS) % 2],  # type: ignore[arg-type]
        )
        for i, name in enumerate(neurons)
    ]
    handles += [
        Line2D([], [], marker=SHAPES.get(t, "P"), linestyle="none", label=f"T={t}", color="0.4")
        for t in steps
    ]
    handles.append(Line2D([], [], color="0.6", linewidth=1, label="Pareto front"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
