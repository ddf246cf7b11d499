"""Where an inference spends its additions, shifts, comparisons, bytes and, by three models, its energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shiftlif.program import Cost
from shiftlif.program.cost import LayerCost
from shiftlif.program.energy import PICO_PER_NANO, Energy, energy
from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Chart, Section, Table
from shiftlif.report.wording import listing, number, percent, plural

FIGURES = {
    "arithmetic": "arithmetic",
    "memory": "memory by event",
    "memory_reuse": "memory, dense",
}
"""The figures of `shiftlif.program.energy` that are shown, with their names; the naive one is not an estimate."""
COUNTS = {"adds": "additions", "shifts": "shifts", "compares": "comparisons"}
BYTES = {"weight_bytes": "weights", "table_bytes": "tables", "state_bytes": "membranes and sums"}


def operations(evidence: Evidence) -> Section:
    """Counts, bytes and modelled energy by operation of the integer program."""
    if evidence.cost is None:
        why = f" ({evidence.refusal})" if evidence.refusal else ""
        answer = f"The run has no integer program, so there are no operations to count{why}."
        return Section("operations", "Where do the operations go?", answer, [])
    cost, priced = evidence.cost, energy(evidence.cost)
    layers = [layer for layer in cost.layers if any(getattr(layer, f) for f in ("adds", "compares", *BYTES))]
    return Section(
        "operations",
        "Where do the operations go?",
        _answer(cost, priced, layers),
        [
            _count_chart(cost, layers),
            _byte_chart(layers),
            _energy_chart(priced, [layer.name for layer in layers]),
            f"Counts are exact for the samples they were taken on: {cost.samples}, spread over the whole test part. "
            "'shiftlif info --vectors' counts on the inputs of its file, so its figures differ. Energies are "
            "models of hardware that was never built: good for ratios between networks, not measurements.",
            _table(cost, priced, layers),
        ],
    )


def _answer(cost: Cost, priced: Energy, layers: Sequence[LayerCost]) -> str:
    adds = cost.totals["adds"]
    ranked = sorted(layers, key=lambda layer: -layer.adds)[:2]
    where = listing([f"{percent(layer.adds / adds)} in {layer.name}" for layer in ranked if layer.adds])
    bytes_ = sum(cost.totals[name] for name in BYTES)
    best = priced.nanojoules["memory_best"]
    words = (
        f"An inference of {plural(cost.steps, 'step')} takes {number(adds)} additions and no multiplication"
    )
    return (
        f"{words}{f': {where}' if where else ''}. Weights, tables and membranes take {number(bytes_)} bytes. By a "
        f"published model of chips with memory it would need {number(best)} nJ."
    )


def _bars(
    key: str, title: str, rows: list[dict[str, Any]], order: list[str], parts: list[str], unit: str, how: str
) -> Chart:
    """Horizontal bars by operation, stacked by part."""
    spec = {
        "height": {"step": 22},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "operation", "type": "nominal", "sort": order, "title": None},
            "x": {
                "field": "amount",
                "type": "quantitative",
                "title": unit,
                "axis": {"format": "~s", "tickCount": 8},
                "stack": "zero",
            },
            "color": {
                "field": "part",
                "type": "nominal",
                "sort": parts,
                "scale": {"domain": parts, "scheme": "tableau10"},
                "title": None,
            },
            "order": {"field": "place", "type": "quantitative"},
            "tooltip": [
                {"field": "operation", "type": "nominal"},
                {"field": "part", "type": "nominal", "title": "what"},
                {"field": "amount", "type": "quantitative", "title": unit, "format": ",.5~r"},
                {"field": "share", "type": "quantitative", "title": "share of all of it", "format": ".1%"},
            ],
        },
    }
    return Chart(key, title, spec, rows, how)


def _rows(amounts: dict[str, dict[str, float]], parts: list[str]) -> list[dict[str, Any]]:
    """Rows of amounts by part and operation; shares are of a part."""
    rows = []
    for place, part in enumerate(parts):
        total = sum(amounts[part].values())
        for name, amount in amounts[part].items():
            share = amount / total if total else 0.0
            rows.append(
                {
                    "operation": name,
                    "part": part,
                    "place": place,
                    "amount": round(amount, 3),
                    "share": round(share, 5),
                }
            )
    return rows


def _count_chart(cost: Cost, layers: Sequence[LayerCost]) -> Chart:
    amounts = {
        part: {layer.name: float(getattr(layer, field)) for layer in layers} for field, part in COUNTS.items()
    }
    order, parts = [layer.name for layer in layers], list(COUNTS.values())
    most = max(layers, key=lambda layer: layer.adds + layer.shifts + layer.compares)
    reading = (
        "Additions, shifts and comparisons of each operation per inference, mean of "
        f"{plural(cost.samples, 'sample')}; "
        f"most of them in {most.name}."
    )
    return _bars(
        "operations-counts",
        "Operations per inference",
        _rows(amounts, parts),
        order,
        parts,
        "operations",
        reading,
    )


def _byte_chart(layers: Sequence[LayerCost]) -> Chart:
    amounts = {
        part: {layer.name: float(getattr(layer, field)) for layer in layers} for field, part in BYTES.items()
    }
    order, parts = [layer.name for layer in layers], list(BYTES.values())
    most = max(layers, key=lambda layer: layer.weight_bytes + layer.table_bytes + layer.state_bytes)
    reading = (
        "Bytes that each operation keeps: its weights, its tables (bias, thresholds, resets, letters) and what it "
        f"remembers between steps; most of them in {most.name}."
    )
    return _bars("operations-bytes", "Bytes kept", _rows(amounts, parts), order, parts, "bytes", reading)


def _energy_chart(priced: Energy, order: list[str]) -> Chart:
    layers = [layer for layer in priced.layers if layer.name in order]
    amounts = {
        name: {layer.name: layer.figures[figure].total / PICO_PER_NANO for layer in layers}
        for figure, name in FIGURES.items()
        for figure, name in FIGURES.items()
    }
    parts = list(FIGURES.values())
    totals = ", ".join(f"{number(priced.nanojoules[figure])} nJ {name}" for figure, name in FIGURES.items())
    chart = _bars(
        "operations-energy",
        "Energy per inference, by three models",
        _rows(amounts, parts),
        order,
        parts,
        "nJ",
        "Modelled energy of each operation. Arithmetic: the operations alone, 45 nm. Memory by event: every "
        "event fetches "
        "its weights, 22 nm. Memory, dense: every weight is read once and every value moved, 22 nm. In all: "
        f"{totals}.",
    )
    encoding = dict(chart.spec["encoding"])
    encoding["yOffset"] = {"field": "part", "sort": parts}
    encoding["x"] = {**encoding["x"], "stack": None}
    return Chart(
        chart.key,
        chart.title,
        {**chart.spec, "height": {"step": 12}, "encoding": encoding},
        chart.rows,
        chart.reading,
    )


def _table(cost: Cost, priced: Energy, layers: Sequence[LayerCost]) -> Table:
    figures = {layer.name: layer.figures for layer in priced.layers}
    rows: list[dict[str, Any]] = [
        {
            "operation": layer.name,
            "kind": layer.kind,
            "letters in or out": round(layer.events, 1),
            "synaptic operations": round(layer.synaptic_operations, 1),
            **{part: round(float(getattr(layer, field)), 1) for field, part in COUNTS.items()},
            **{f"bytes of {part}": int(getattr(layer, field)) for field, part in BYTES.items()},
            **{
                f"nJ {name}": round(figures[layer.name][figure].total / PICO_PER_NANO, 3)
                for figure, name in FIGURES.items()
            },
        }
        for layer in layers
    ]
    return Table(
        "operations-table",
        "Operations, bytes and energy by operation",
        list(rows[0]) if rows else [],
        rows,
        f"Per inference of {plural(cost.steps, 'step')}, mean of {plural(cost.samples, 'sample')}. Letters other "
        "than 0: "
        "those that arrive at a layer with weights, those that leave a layer of neurons.",
    )
