"""Whether the integer network answers and fires as the float one does, and whether it is bit for bit what runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from shiftlif.analysis.firing import LayerBehaviour
from shiftlif.report.evidence import Evidence
from shiftlif.report.recordings import recordings
from shiftlif.report.section import Chart, Facts, Section, Table
from shiftlif.report.wording import accuracy, number, percent, plural


def exactness(evidence: Evidence) -> Section:
    """Float against integer on the test part and by layer, and the proof that prepared network and program agree."""
    title = "Does the integer network do what the float one does?"
    right = float((evidence.float_answers == evidence.labels).mean())
    if evidence.refusal:
        return Section(
            "exactness",
            title,
            f"There is no integer network to compare with: {evidence.refusal}.",
            [Facts([("accuracy, float", accuracy(right))])],
        )
    seen = recordings(evidence)
    layers = [layer.behaviour for layer in seen.layers]
    blocks: list[Any] = [_answers(evidence), _proof(evidence)]
    if layers:
        blocks += [_distance_chart(layers, seen.samples), *_step_chart(layers, seen.steps), _table(layers)]
    return Section("exactness", title, _answer(evidence), blocks)


def _answer(evidence: Evidence) -> str:
    before, after = evidence.float_answers, evidence.answers
    same = float((before == after).mean())
    right, kept = (float((found == evidence.labels).mean()) for found in (before, after))
    words = (
        f"On {_share(same)} of {plural(len(after), 'test sample')} the int{evidence.bits} network gives the class "
        f"that the float network gives; {accuracy(kept)} of its answers are right, against {accuracy(right)}."
    )
    if evidence.difference:
        return f"{words} But the integer program is not what was prepared: {evidence.difference}."
    if evidence.proof is not None:
        return (
            f"{words} On {plural(evidence.proof.samples, 'sample')} every letter and every membrane of the "
            "program is the "
            "prepared network's, bit for bit."
        )
    return words


def _share(same: float) -> str:
    return "all" if same == 1 else accuracy(same)


def _answers(evidence: Evidence) -> Facts:
    before, after, labels = evidence.float_answers, evidence.answers, evidence.labels
    ours, theirs = before == labels, after == labels
    return Facts(
        [
            ("same class, float and integer", f"{int((before == after).sum()):,} of {len(labels):,}"),
            ("right, float", f"{int(ours.sum()):,} ({accuracy(float(ours.mean()))})"),
            ("right, integer", f"{int(theirs.sum()):,} ({accuracy(float(theirs.mean()))})"),
            ("right in float only", f"{int((ours & ~theirs).sum()):,}"),
            ("right as integers only", f"{int((theirs & ~ours).sum()):,}"),
        ],
        f"Float and int{evidence.bits} on the test part",
    )


def _proof(evidence: Evidence) -> Facts:
    if evidence.proof is None:
        found = (
            ("first difference", evidence.difference) if evidence.difference else ("compared", "not compared")
        )
        return Facts([found], "Prepared network, interpreter and engine")
    proof = evidence.proof
    return Facts(
        [
            ("compared", proof.compared),
            ("samples, each of steps", f"{proof.samples:,}, {proof.steps:,}"),
            ("letters found equal", f"{proof.letters:,}"),
            ("membranes found equal", f"{proof.membranes:,}"),
            ("first difference", "none"),
        ],
        "Prepared network, interpreter and engine",
    )


DISTANCES = {"letter_distance": "letters", "rate_distance": "rates", "membrane_distance": "membranes"}


def _distance_chart(layers: list[LayerBehaviour], samples: int) -> Chart:
    names, parts = [layer.name for layer in layers], list(DISTANCES.values())
    rows = [
        {"layer": layer.name, "of": part, "distance": round(getattr(layer, field), 6)}
        for layer in layers
        for field, part in DISTANCES.items()
    ]
    spec = {
        "height": {"step": 14},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "layer", "type": "nominal", "sort": names, "title": None},
            "yOffset": {"field": "of", "sort": parts},
            "x": {
                "field": "distance",
                "type": "quantitative",
                "title": "earth mover's distance",
                "axis": {"tickCount": 8},
            },
            "color": {
                "field": "of",
                "type": "nominal",
                "sort": parts,
                "scale": {"domain": parts, "scheme": "tableau10"},
                "title": None,
            },
            "tooltip": [
                {"field": "layer", "type": "nominal"},
                {"field": "of", "type": "nominal", "title": "distance of"},
                {"field": "distance", "type": "quantitative", "format": ".5f"},
            ],
        },
    }
    worst = max(layers, key=lambda layer: layer.letter_distance)
    reading = (
        f"How far the distributions in float and integer networks are apart, on {plural(samples, 'sample')}: 0 is "
        "equal. "
        "Letters and membranes are in units of the letters, rates in letters per step. The letters of "
        f"{worst.name} move most, by {number(worst.letter_distance)}, with a largest letter of "
        f"{number(worst.levels[-1])}."
    )
    return Chart("exactness-distances", "How far float and integer are apart", spec, rows, reading)


def _step_chart(layers: list[LayerBehaviour], steps: int) -> list[Chart]:
    """Share of equal letters over time; nothing at one step, where the table says it."""
    if steps < 2:
        return []
    names = [layer.name for layer in layers]
    rows: list[dict[str, Any]] = [
        {"layer": layer.name, "step": t + 1, "same": round(share, 6)}
        for layer in layers
        for t, share in enumerate(layer.step_agreement)
    ]
    spec = {
        "height": 180,
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "step", "type": "ordinal", "axis": {"labelAngle": 0, "labelOverlap": True}},
            "y": {
                "field": "same",
                "type": "quantitative",
                "title": "same letter",
                "scale": {"zero": False, "padding": 8},
                "axis": {"format": ".3~p", "tickCount": 5},
            },
            "color": {
                "field": "layer",
                "type": "nominal",
                "sort": names,
                "scale": {"domain": names, "scheme": "tableau10"},
            },
            "tooltip": [
                {"field": "layer", "type": "nominal"},
                {"field": "step", "type": "ordinal"},
                {"field": "same", "type": "quantitative", "title": "same letter", "format": ".2%"},
            ],
        },
    }
    least = min(rows, key=lambda row: row["same"])
    reading = (
        "Share of neurons that send the same letter in both networks, step by step; least in "
        f"{least['layer']} at step {least['step']}, {percent(least['same'])}. Rounded weights move a "
        "membrane a "
        "little, and a letter changes where that crosses a boundary."
    )
    return [Chart("exactness-steps", "The same letter in float and integer, over time", spec, rows, reading)]


def _table(layers: list[LayerBehaviour]) -> Table:
    rows = [
        {
            "layer": layer.name,
            "neurons": layer.neurons,
            "same letter": round(layer.agreement, 5),
            "letters per step, float": round(layer.original.events, 5),
            "letters per step, integer": round(layer.quantised.events, 5),
            "never speak, float": layer.original.dead,
            "never speak, integer": layer.quantised.dead,
            "always at the top, float": layer.original.saturated,
            "always at the top, integer": layer.quantised.saturated,
            **{f"distance of {part}": round(getattr(layer, field), 6) for field, part in DISTANCES.items()},
        }
        for layer in layers
    ]
    mean = float(np.mean([layer.agreement for layer in layers]))
    return Table(
        "exactness-layers",
        "Float and integer, layer by layer",
        list(rows[0]),
        rows,
        f"What each layer does in both networks on the same samples; on average over layers {percent(mean)} of "
        "the letters "
        "are the same.",
    )
