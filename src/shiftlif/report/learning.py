"""How the training went: loss, accuracy and events over the epochs."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from shiftlif.analysis.layers import SILENT
from shiftlif.program.storage import read_file
from shiftlif.report.evidence import Evidence
from shiftlif.report.section import SMALL, Block, Chart, Row, Section
from shiftlif.report.wording import listing, plural
from shiftlif.training.runs import HISTORY

KEY, TITLE = "learning", "How did it learn?"
RISEN = 0.1
"""A validation loss that ends higher than this share above its least one, and by `RISEN_BY`, has risen."""
RISEN_BY = 0.05
"""Nats: a rise by less is no loss of certainty that anybody would notice, however small the least loss is."""
FEW = 50
"""With fewer validation samples, one or two of them can make the loss rise."""
CHANCE = 0.02
"""An accuracy at most this much above the share of the most frequent class is at its level."""
LATE = 0.9
"""A best epoch after this share of all epochs suggests that more of them would help."""
Metrics = list[dict[str, float | None]]


def learning(evidence: Evidence) -> Section:
    """The curves of ``metrics.csv``."""
    file = evidence.run.folder / HISTORY
    history = read_history(read_file(file).decode(errors="replace")) if file.is_file() else []
    if not history:
        return Section(KEY, TITLE, f"The run folder holds no {HISTORY}, so there are no curves to show.", [])
    best = evidence.run.summary.get("best_epoch")
    charts: list[Block] = []
    for key, title, prefixes, axis in (
        ("loss", "Loss", ("train/loss", "val/loss"), "cross-entropy (nats)"),
        ("accuracy", "Accuracy", ("train/accuracy", "val/accuracy"), "share of right answers"),
        ("events", "Events per neuron and step", ("events/",), "events"),
    ):
        rows = _rows(history, prefixes)
        if rows:
            reading = f"{title} over {len(history)} epochs; the rule marks the epoch whose weights were kept."
            charts.append(Chart(f"learning-{key}", title, curves(axis, best, len(history)), rows, reading))
    samples = len(evidence.data.parts["val"])
    return Section(KEY, TITLE, _answer(history, best, evidence.run.summary.get("majority"), samples), charts)


def read_history(text: str) -> Metrics:
    """The rows of ``metrics.csv``: numbers, None where a cell is empty or no finite number."""
    return [
        {str(name): _number(cell) for name, cell in row.items() if name is not None}
        for row in csv.DictReader(io.StringIO(text))
    ]


def _number(cell: object) -> float | None:
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _rows(history: Metrics, prefixes: tuple[str, ...]) -> list[Row]:
    names = {"train": "training", "val": "validation"}
    rows: list[Row] = []
    for metrics in history:
        for name, value in metrics.items():
            if value is not None and name.startswith(prefixes):
                part, _, rest = name.partition("/")
                rows.append({"epoch": _epoch(metrics), "of": names.get(part, rest), "value": value})
    return rows


def _epoch(metrics: dict[str, float | None]) -> int:
    return int(metrics.get("epoch") or 0)


def curves(axis: str, best: Any, epochs: int) -> dict[str, Any]:
    """Lines over epochs, one per ``of``; a rule at ``best``."""
    tooltip = [
        {"field": "epoch", "type": "quantitative"},
        {"field": "of", "type": "nominal"},
        {"field": "value", "type": "quantitative", "format": ".4f", "title": axis},
    ]
    every = max(1, -(-epochs // 10))
    ticks = {"values": list(range(every, epochs + 1, every)), "format": "d"}
    x = {"field": "epoch", "type": "quantitative", "axis": ticks}
    lines = {
        "mark": {"type": "line", "point": {"size": 24, "filled": True}},
        "encoding": {
            "x": x | {"scale": {"nice": False, "zero": False}},
            "y": {"field": "value", "type": "quantitative", "title": axis, "scale": {"zero": False}},
            "color": {
                "field": "of",
                "type": "nominal",
                "title": None,
                "sort": None,
                "legend": {"orient": "top"},
            },
            "tooltip": tooltip,
        },
    }
    if not isinstance(best, int):
        return {"width": SMALL, "height": 200, "layer": [lines]}
    rule = {
        "transform": [
            {"filter": f"datum.epoch == {best}"},
            {"aggregate": [{"op": "count", "as": "n"}], "groupby": ["epoch"]},
        ],
        "mark": {"type": "rule", "strokeDash": [3, 3], "color": "@muted"},
        "encoding": {
            "x": {"field": "epoch", "type": "quantitative"},
            "tooltip": [{"field": "epoch", "type": "quantitative", "title": "kept epoch"}],
        },
    }
    return {"width": SMALL, "height": 200, "layer": [rule, lines]}


def _answer(history: Metrics, best: Any, majority: Any, samples: int) -> str:
    last = _epoch(history[-1])
    row = next((metrics for metrics in history if _epoch(metrics) == best), history[-1])
    reached = row.get("val/accuracy")
    text = f"The weights are those of epoch {best} of {last}"
    text += "." if reached is None else f", the best on the validation part ({100 * reached:.2f} %)."
    silent = [
        name.removeprefix("events/")
        for name, events in row.items()
        if name.startswith("events/") and events is not None and events < SILENT
    ]
    if silent:
        which = f"{listing(silent)} {'is' if len(silent) == 1 else 'are'} silent"
        return f"{text} {which} in it, which more epochs alone seldom change: see the membrane there for the cause."
    if reached is not None and isinstance(majority, float) and reached <= majority + CHANCE:
        return (
            f"{text} Always answering the most frequent class reaches {100 * majority:.2f} %: nothing has been learnt. "
            "Look at the learning rate, the labels and the scaling of the samples before you train longer."
        )
    losses = [(_epoch(metrics), loss) for metrics in history if (loss := metrics.get("val/loss")) is not None]
    if losses:
        lowest, least = min(losses, key=lambda pair: pair[1])
        rise = losses[-1][1] / least - 1 if least > 0 else 0.0
        if rise > RISEN and losses[-1][1] - least > RISEN_BY:
            heart = "the network has begun to learn its training samples by heart"
            if samples < FEW:
                heart = f"{plural(samples, 'validation sample')} are too few to tell whether {heart}"
            return (
                f"{text} The validation loss is lowest in epoch {lowest} and {100 * rise:.0f} % higher at the end: "
                f"{heart}."
            )
    if isinstance(best, int) and last > 1 and best > LATE * last and reached != 1:
        return f"{text} It is among the last ones: more epochs might help."
    return text
