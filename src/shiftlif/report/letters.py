"""Which letters each layer sends, how often each of its neurons speaks, and which of them never do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.analysis.quantisation import entropy_bits
from shiftlif.report.evidence import Evidence
from shiftlif.report.recordings import Floats, Layer, Record, recordings
from shiftlif.report.section import Chart, Facts, Section
from shiftlif.report.wording import key_of, letter_name, number, percent, plural, unit_name

MOST_CELLS = 2000
FEW = 0.01  # a letter used less often is hardly used


def letters(evidence: Evidence) -> list[Section]:
    """One section for each layer of neurons."""
    seen = recordings(evidence)
    return [
        Section(
            key_of("letters", position, layer.name),
            f"Letters of {layer.name}",
            _answer(layer, seen.samples),
            [_usage(layer, position), _facts(layer), _rates(layer, position)],
            layer.name,
        )
        for position, layer in enumerate(seen.layers, start=1)
    ]


def rates(record: Record, zero: int) -> Floats:
    """Letters other than 0 per step, by neuron: ``[neurons]``."""
    found: Floats = 1 - record.counts[:, zero] / record.counts.sum(1)
    return found


def dead(record: Record, zero: int) -> npt.NDArray[np.bool_]:
    """Neurons that never sent a letter other than 0: ``[neurons]``."""
    found: npt.NDArray[np.bool_] = record.counts[:, zero] == record.counts.sum(1)
    return found


def saturated(record: Record) -> npt.NDArray[np.bool_]:
    """Neurons that sent the largest letter at every step of every sample: ``[neurons]``."""
    found: npt.NDArray[np.bool_] = record.counts[:, -1] == record.counts.sum(1)
    return found


def _answer(layer: Layer, samples: int) -> str:
    record, alphabet = layer.original, layer.alphabet
    usage, zero = record.usage, layer.zero
    speaks = float(1 - usage[zero])
    mute, full = int(dead(record, zero).sum()), int(saturated(record).sum())
    neurons = len(record.counts)
    words = f"A neuron of {layer.name} sends a letter in {percent(speaks)} of its steps"
    if speaks > 0:
        loud = [i for i in range(len(usage)) if i != zero]
        most = max(loud, key=lambda i: usage[i])
        words += f", most often {letter_name(alphabet.levels[most])}"
        rare = [letter_name(alphabet.levels[i]) for i in loud if usage[i] < FEW * speaks]
        if rare and len(alphabet.levels) > 2:
            words += (
                f"; {plural(len(rare), 'letter')} of {len(alphabet.levels)} "
                f"({', '.join(rare[:4])}{', ...' if len(rare) > 4 else ''}) are hardly used"
                if len(rare) > 1
                else f"; the letter {rare[0]} is hardly used"
            )
    silent = f"{plural(mute, 'neuron')} of {neurons:,} never spoke" if mute else "every neuron spoke"
    always = (
        f"{plural(full, 'neuron')} always sent the largest letter"
        if full
        else "none always sent the largest letter"
    )
    return f"{words}. In {plural(samples, 'sample')} {silent}, {always}."


def _usage(layer: Layer, position: int) -> Chart:
    records = [("float", layer.original), ("integer", layer.integer)]
    rows: list[dict[str, Any]] = [
        {
            "letter": letter_name(q),
            "place": i,
            "network": name,
            "share": round(float(record.usage[i]), 6),
            "times": int(record.counts[:, i].sum()),
        }
        for name, record in records
        if record is not None
        for i, q in enumerate(layer.alphabet.levels)
    ]
    spec = {
        "height": 180,
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "letter",
                "type": "nominal",
                "sort": {"field": "place"},
                "title": "letter",
                "axis": {"labelAngle": 0, "labelOverlap": True},
            },
            "xOffset": {"field": "network"},
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": "share of emissions",
                "axis": {"format": "%"},
            },
            "color": {
                "field": "network",
                "type": "nominal",
                "scale": {"scheme": "tableau10"},
                "title": "network",
            },
            "tooltip": [
                {"field": "letter", "type": "nominal"},
                {"field": "network", "type": "nominal"},
                {"field": "share", "type": "quantitative", "format": ".2%"},
                {"field": "times", "type": "quantitative", "format": ","},
            ],
        },
    }
    quiet = float(layer.original.usage[layer.zero])
    return Chart(
        key_of("letter-usage", position, layer.name),
        f"Letters that {layer.name} sends",
        spec,
        rows,
        f"How often {layer.name} sends each letter; {percent(quiet)} of the emissions of the float network are the "
        "letter 0, which costs nothing.",
    )


def _facts(layer: Layer) -> Facts:
    capacity = math.log2(layer.alphabet.n_levels)
    pairs = [("neurons", f"{len(layer.original.counts):,}")]
    for name, record in (("float", layer.original), ("integer", layer.integer)):
        if record is None:
            continue
        pairs += [
            (
                f"information of a letter ({name})",
                f"{number(entropy_bits(record.usage))} of {number(capacity)} bits possible",
            ),
            (
                f"letters other than 0 per neuron and step ({name})",
                number(float(1 - record.usage[layer.zero])),
            ),
            (
                f"neurons that never speak, always at the top ({name})",
                f"{int(dead(record, layer.zero).sum()):,}, {int(saturated(record).sum()):,}",
            ),
        ]
    return Facts(pairs)


def _rates(layer: Layer, position: int) -> Chart:
    """Every neuron's rate as a map: channels by positions, or neurons in lines; neighbours together where many."""
    record = layer.integer if layer.integer is not None else layer.original
    rate, top = rates(record, layer.zero), record.counts[:, -1] / record.counts.sum(1)
    mute = dead(record, layer.zero)
    channels = layer.shape[0] if len(layer.shape) > 1 else -(-len(rate) // 32)
    width = len(rate) // channels if len(layer.shape) > 1 else 32
    block = max(1, -(-channels * width // MOST_CELLS))  # neighbours of one channel that share a cell
    rows: list[dict[str, Any]] = []
    for line in range(channels):
        for start in range(0, width, block):
            first = line * width + start
            part = slice(first, min(first + block, (line + 1) * width, len(rate)))
            if part.start >= part.stop:
                continue
            size = part.stop - part.start
            rows.append(
                {
                    "line": line,
                    "place": start // block,
                    "which": unit_name(first, layer.shape)
                    + ("" if size == 1 else f" and {size - 1} after it"),
                    "rate": round(float(rate[part].mean()), 4),
                    "top": round(float(top[part].mean()), 4),
                    "dead": int(mute[part].sum()),
                }
            )
    convolution = len(layer.shape) > 1
    step = max(3, min(14, 420 // channels))
    spec = {
        "height": max(40, step * channels),
        "mark": {"type": "rect"},
        "encoding": {
            "x": {
                "field": "place",
                "type": "ordinal",
                "title": "position in the channel" if convolution else "neuron in its line of 32",
                "axis": {"labelAngle": 0, "labelOverlap": True},
            },
            "y": {
                "field": "line",
                "type": "ordinal",
                "title": "channel" if convolution else "line",
                "axis": {"labelOverlap": True},
            },
            "color": {
                "field": "rate",
                "type": "quantitative",
                "scale": {"scheme": "viridis", "domainMin": 0},
                "title": "letters per step",
            },
            "tooltip": [
                {"field": "which", "type": "nominal", "title": "neuron"},
                {"field": "rate", "type": "quantitative", "title": "letters per step", "format": ".3f"},
                {"field": "top", "type": "quantitative", "title": "largest letter per step", "format": ".3f"},
                {"field": "dead", "type": "quantitative", "title": "never speak"},
            ],
        },
    }
    low, middle, high = (float(f(rate)) for f in (np.min, np.median, np.max))
    network = "float" if layer.integer is None else "integer"
    joined = "" if block == 1 else f"; each cell is the mean of {block} neighbours"
    return Chart(
        key_of("neuron-rates", position, layer.name),
        f"How often each neuron of {layer.name} speaks",
        spec,
        rows,
        f"Letters other than 0 per step for every neuron of {layer.name} ({network} network){joined}: least "
        f"{number(low)}, median {number(middle)}, most {number(high)}.",
    )
