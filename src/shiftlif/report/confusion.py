"""Which classes are told apart, and which are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Block, Chart, Row, Section, Table
from shiftlif.report.wording import listing
from shiftlif.training.metrics import confusion as counted

KEY, TITLE = "classes", "Which classes fail?"
NUMBERED = 24
"""With more classes than this, the cells of the matrix hold no numbers."""
NAMED = 4
"""Names in a sentence about classes that fail equally, at most."""


def confusion(evidence: Evidence) -> Section:
    """The confusion matrix of the integer network's answers, and recall and precision of every class."""
    classes = evidence.data.classes
    matrix = counts(evidence)
    table = class_rows(matrix, classes)
    whose = "trained" if evidence.refusal else "integer"
    blocks: list[Block] = [
        Chart(
            "confusion",
            "Confusion matrix",
            matrix_spec(len(classes)),
            _cells(matrix, classes),
            f"How often samples of each class (row) got each answer (column) of the {whose} network; the shade is "
            "the share of the row.",
        ),
        Table(
            "class-table",
            "Class by class",
            ("class", "samples", "recall %", "precision %", "most often taken for", "times"),
            table,
            "Recall is the share of a class's samples that are answered right, precision the share of answers of a "
            "class that are right.",
        ),
    ]
    return Section(KEY, TITLE, _answer(table, whose), blocks)


def counts(evidence: Evidence) -> npt.NDArray[np.int64]:
    """Labels (rows) by answers of the integer network (columns), int64 ``[classes, classes]``."""
    answers, labels = torch.from_numpy(evidence.answers), torch.from_numpy(evidence.labels)
    found: npt.NDArray[np.int64] = counted(answers, labels, len(evidence.data.classes)).numpy()
    return found


def class_rows(matrix: npt.NDArray[np.int64], classes: tuple[str, ...]) -> list[Row]:
    """Per class: samples, recall, precision (per cent; None without a sample or an answer), the worst confusion."""
    rows: list[Row] = []
    for i, name in enumerate(classes):
        right, labelled, answered = (int(n) for n in (matrix[i, i], matrix[i].sum(), matrix[:, i].sum()))
        wrong = matrix[i].copy()
        wrong[i] = 0
        most = int(wrong.max())
        rows.append(
            {
                "class": name,
                "samples": labelled,
                "recall %": round(100 * right / labelled, 2) if labelled else None,
                "precision %": round(100 * right / answered, 2) if answered else None,
                "most often taken for": classes[int(wrong.argmax())] if most else None,
                "times": most or None,
            }
        )
    return rows


def _cells(matrix: npt.NDArray[np.int64], classes: tuple[str, ...]) -> list[Row]:
    totals = matrix.sum(axis=1)
    return [
        {
            "label": label,
            "answer": answer,
            "samples": int(matrix[i, j]),
            "share": round(float(matrix[i, j] / totals[i]), 4) if totals[i] else 0.0,
        }
        for i, label in enumerate(classes)
        for j, answer in enumerate(classes)
    ]


def matrix_spec(classes: int) -> dict[str, Any]:
    """A heat map of ``label`` by ``answer``, square cells, numbers in them where they fit."""
    axes = {
        name: {
            "field": field,
            "type": "nominal",
            "sort": None,
            "title": field,
            "axis": {"labelLimit": 110, "labelAngle": angle, "labelOverlap": classes > NUMBERED},
        }
        for name, field, angle in (("x", "answer", -45), ("y", "label", 0))
    }
    tooltip = [
        {"field": "label", "type": "nominal"},
        {"field": "answer", "type": "nominal"},
        {"field": "samples", "type": "quantitative"},
        {"field": "share", "type": "quantitative", "format": ".1%", "title": "share of the class"},
    ]
    colour = {
        "field": "share",
        "type": "quantitative",
        "title": "share",
        "scale": {"domain": [0, 1]},
        "legend": {"format": "%"},
    }
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "rect"}, "encoding": {"color": colour, "tooltip": tooltip}},
    ]
    if classes <= NUMBERED:
        layers.append(
            {
                "transform": [{"filter": "datum.samples > 0"}],
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {
                    "text": {"field": "samples", "type": "quantitative"},
                    "color": {"condition": {"test": "datum.share > 0.5", "value": "@paper"}, "value": "@ink"},
                    "tooltip": tooltip,
                },
            }
        )
    side = classes * max(12, min(30, 900 // classes))
    return {
        "width": side + 190,
        "height": side,
        "encoding": axes,
        "layer": layers,
    }  # with room for labels and legend


def _answer(table: list[Row], whose: str) -> str:
    known = [row for row in table if row["recall %"] is not None]
    worst = min(known, key=lambda row: (float(row["recall %"] or 0), -int(row["samples"] or 0)))
    if worst["recall %"] == 100:
        return f"The {whose} network answers every test sample of every class right."
    as_bad = [f"“{row['class']}”" for row in known if row["recall %"] == worst["recall %"]]
    if len(as_bad) > 1:
        named = (
            as_bad
            if len(as_bad) <= NAMED
            else [*as_bad[: NAMED - 1], f"{len(as_bad) - NAMED + 1} other classes"]
        )
        share = f"{worst['recall %']} % of the samples of each"
        return f"{listing(named)} fail most: the {whose} network recognises {share}."
    return (
        f"“{worst['class']}” fails most: the {whose} network recognises {worst['recall %']} % of its "
        f"{worst['samples']} samples and takes it most often for “{worst['most often taken for']}” "
        f"({worst['times']} {'time' if worst['times'] == 1 else 'times'})."
    )
