"""What the neurons of each layer send, step by step, for some samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.report.evidence import Evidence
from shiftlif.report.recordings import Layer, Record, Recordings, recordings
from shiftlif.report.section import Chart, Section
from shiftlif.report.wording import key_of, letter_name, letter_names, percent, plural, unit_name

CELLS = 2000
"""Letters that one raster shows, at most."""
MOST_NEURONS = 60
LETTER_WIDTH = 8
"""Pixels of a character of a panel's title, at most on average."""


def raster(evidence: Evidence) -> list[Section]:
    """One section for each layer of neurons; nothing where there is no sample to show."""
    seen = recordings(evidence)
    if not len(seen.shown):
        return []
    return [
        Section(
            key_of("raster", position, layer.name),
            f"Letters of {layer.name} over time",
            _answer(layer, seen),
            [_chart(evidence, layer, seen, position)],
            layer.name,
        )
        for position, layer in enumerate(seen.layers, start=1)
    ]


def telling(letters: npt.NDArray[np.uint8], most: int) -> npt.NDArray[np.int64]:
    """The neurons whose letters differ most from sample to sample, ordered by the sample to which they speak most.

    Args:
        letters: places in the alphabet ``[T, S, neurons]``.
        most: how many, at most.

    Returns:
        Positions ``[<= most]``.
    """
    mean = letters.astype(np.float64).mean(0)  # [S, neurons]
    varied = np.argsort(-mean.var(0), kind="stable")[:most]
    order: npt.NDArray[np.int64] = varied[np.lexsort((varied, -mean.max(0)[varied], mean.argmax(0)[varied]))]
    return order


def _shown(layer: Layer) -> Record:
    return layer.original if layer.integer is None else layer.integer


def _answer(layer: Layer, seen: Recordings) -> str:
    record = _shown(layer)
    speaks = record.letters != layer.zero  # [T, S, neurons]
    share = float(speaks.mean())
    if share == 0:
        return f"{layer.name} sends no letter to any of the {plural(len(seen.shown), 'sample')} shown."
    words = (
        f"To the {plural(len(seen.shown), 'sample')} shown, the neurons of {layer.name} send a letter in "
        f"{percent(share)} of their steps"
    )
    if seen.steps > 1:
        first, last = float(speaks[0].mean()), float(speaks[-1].mean())
        words += f": {percent(first)} at the first step, {percent(last)} at the last"
        loud = int(speaks.reshape(seen.steps, -1).mean(1).argmax())
        if loud not in (0, seen.steps - 1):
            words += f", most ({percent(float(speaks[loud].mean()))}) at step {loud + 1}"
    same = float((record.letters == record.letters[:, :1]).mean(0)[1:].mean()) if len(seen.shown) > 1 else 1.0
    if len(seen.shown) > 1:
        words += f". {percent(1 - same)} of their letters differ from those for the first of these samples"
    return f"{words}."


def _chart(evidence: Evidence, layer: Layer, seen: Recordings, position: int) -> Chart:
    record, names = _shown(layer), letter_names(layer.alphabet)
    steps, count, neurons = record.letters.shape
    most = max(1, min(MOST_NEURONS, CELLS // (steps * count)))
    chosen = telling(record.letters, most)
    labels = evidence.labels[evidence.chosen][seen.shown]
    classes = evidence.data.classes
    titles = _titles([classes[label] for label in labels])
    rows: list[dict[str, Any]] = [
        {
            "sample": titles[s],
            "step": t + 1,
            "line": line,
            "neuron": unit_name(int(neuron), layer.shape),
            "letter": names[record.letters[t, s, neuron]],
            "membrane": round(float(record.charges[t, s, neuron]), 3),
        }
        for line, neuron in enumerate(chosen)
        for s in range(count)
        for t in range(steps)
    ]
    one = steps == 1
    across = "sample" if one else "step"
    cell: dict[str, Any] = {
        "mark": {"type": "rect"},
        "height": max(60, 9 * len(chosen)),
        "encoding": {
            "x": {
                "field": across,
                "type": "ordinal",
                "title": "sample" if one else "step",
                "sort": titles if one else None,
                "axis": {"labelAngle": -60 if one else 0, "labelOverlap": True},
            },
            "y": {
                "field": "line",
                "type": "ordinal",
                "title": "neuron",
                "axis": {"labels": False, "ticks": False},
            },
            "color": {
                "field": "letter",
                "type": "ordinal",
                "sort": names,
                "scale": {
                    "domain": names,
                    "scheme": "purpleorange" if layer.alphabet.signed else "viridis",
                },
                "title": "letter",
            },
            "tooltip": [
                {"field": "neuron", "type": "nominal"},
                {"field": "sample", "type": "nominal"},
                {"field": "step", "type": "quantitative"},
                {"field": "letter", "type": "nominal"},
                {
                    "field": "membrane",
                    "type": "quantitative",
                    "title": "membrane before it / scale",
                    "format": ".3f",
                },
            ],
        },
    }
    spec = cell if one else _by_sample(cell, steps, titles)
    part = (
        f"all {neurons:,} neurons"
        if len(chosen) == neurons
        else (
            f"the {len(chosen)} of {neurons:,} neurons whose letters differ most from sample to sample (so these "
            "rows look "
            "livelier than the layer is)"
        )
    )
    network = "float" if layer.integer is None else "integer"
    largest = letter_name(layer.alphabet.levels[-1])
    return Chart(
        key_of("raster-chart", position, layer.name),
        f"Letters of {layer.name}, step by step",
        spec,
        rows,
        f"Each cell is the letter, from {names[0]} to {largest}, that one neuron of {layer.name} sends "
        f"{'for one sample' if one else 'at one step of one sample'} ({network} network): {part}, ordered by the "
        "sample "
        "to which they speak most.",
    )


def _titles(names: list[str]) -> list[str]:
    """What samples are called: their class, with a number from the second one of it on."""
    return [
        name if (before := names[:i].count(name)) == 0 else f"{name} ({before + 1})"
        for i, name in enumerate(names)
    ]


def _by_sample(cell: dict[str, Any], steps: int, titles: list[str]) -> dict[str, Any]:
    """Samples side by side, about 700 pixels wide together; titles wider than a panel rise above it."""
    width = max(4, min(40, 640 // (steps * len(titles))))
    level = LETTER_WIDTH * max(map(len, titles)) <= steps * width
    return {
        "facet": {
            "column": {
                "field": "sample",
                "type": "nominal",
                "sort": titles,
                "title": "class of the sample",
                "header": {
                    # Upright and with this alignment every title ends right above its panel, whatever its length.
                    **({"labelAngle": 0} if level else {"labelAngle": -90, "labelBaseline": "middle"}),
                    "labelAlign": "center" if level else "right",
                    "labelLimit": 160,
                },
            }
        },
        "spacing": 4,
        "spec": {**cell, "width": width * steps},
    }
