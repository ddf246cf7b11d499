"""The samples that are answered wrong with the most confidence, as they enter the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Block, Chart, Row, Section, Table
from shiftlif.runtime.early import softmax

KEY, TITLE = "examples", "Which samples fail worst?"
SHOWN = 8
LARGEST_SIDE = 40
"""Rows and columns of an image, a spectrogram or a signal as a heat map; more of them are averaged over blocks."""
LONGEST = 256
"""Points of a waveform as it is drawn; of longer ones every k-th."""
TRACED = 128
"""The same where every channel has a line of its own."""
LINES = 3
"""Channels that are drawn as lines over each other, in their own units."""
TRACES = 16
"""Channels that are drawn as lines below each other; with more, the sample is a heat map."""
SHORT = 18
"""Characters of a panel's title that stand in one line; of a longer one the answer begins a second line."""
_OF_A_SIGNAL = [
    {"field": "example", "type": "nominal"},
    {"field": "channel", "type": "nominal"},
    {"field": "time", "type": "quantitative"},
    {"field": "value", "type": "quantitative", "format": ".3~g"},
]
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Error:
    """One wrong answer: index into the test part, label, answer, and the trained network's trust in that answer."""

    index: int
    label: int
    answer: int
    confidence: float


def examples(evidence: Evidence) -> Section:
    """The most confident errors."""
    errors = confident_errors(evidence)
    if not errors:
        return Section(
            KEY, TITLE, f"None of the {len(evidence.labels):,} test samples is answered wrong.", []
        )
    worst = errors[:SHOWN]
    classes, files = evidence.data.classes, evidence.data.test_files
    samples = raw_samples(evidence, [error.index for error in worst])
    names = [
        f"{rank}: {classes[error.label]} → {classes[error.answer]}"
        for rank, error in enumerate(worst, start=1)
    ]
    table: list[Row] = [
        {
            "example": rank,
            "test sample": error.index,
            **({"file": files[error.index]} if files else {}),
            "label": classes[error.label],
            "answer": classes[error.answer],
            "confidence %": round(100 * error.confidence, 1),
            "trained network": classes[int(evidence.float_answers[error.index])],
        }
        for rank, error in enumerate(worst, start=1)
    ]
    blocks: list[Block] = [
        drawn(samples, names, str(evidence.run.front_end.get("name")) == "log_mel"),
        Table(
            "example-table",
            "These examples",
            tuple(table[0]),
            table,
            "Confidence is the probability that the trained network gives to the wrong answer."
            + (" Files are named from the folder of the data." if files else ""),
        ),
    ]
    return Section(KEY, TITLE, _answer(errors, len(evidence.labels)), blocks)


def _answer(errors: list[Error], samples: int) -> str:
    wrong = (
        f"{len(errors):,} of {samples:,} test samples {'is' if len(errors) == 1 else 'are'} answered wrong"
    )
    sure = sum(error.confidence >= 0.9 for error in errors)
    if not sure:
        return f"{wrong}, none of them with a confidence of at least 90 %."
    return (
        f"{wrong}; {sure:,} of these errors {'has' if sure == 1 else 'have'} a confidence of at least 90 %: look for "
        "wrong labels and for samples that people would confuse too."
    )


def confident_errors(evidence: Evidence) -> list[Error]:
    """Every wrong answer of the integer network, the most confident first."""
    probabilities = softmax(evidence.scores)
    wrong = np.flatnonzero(evidence.answers != evidence.labels)
    found = [
        Error(
            *(int(i), int(evidence.labels[i]), int(evidence.answers[i])),
            float(probabilities[i, evidence.answers[i]]),
        )
        for i in wrong
    ]
    return sorted(found, key=lambda error: (-error.confidence, error.index))


def raw_samples(evidence: Evidence, indices: list[int]) -> Samples:
    """Test samples ``[n, C, ...]`` in the units of the data, as the quantiser kept them; event frames are summed."""
    data = evidence.data
    frames = data.frames("test")[indices]
    values = data.quantizer.dequantize(frames).astype(np.float64)
    channels = (-1, *([1] * len(data.sample_shape[1:])))
    raw = values * data.quantizer.scale.reshape(channels) + data.quantizer.offset.reshape(channels)
    summed: Samples = raw.sum(axis=1) if data.temporal else raw
    return summed


def drawn(samples: Samples, names: list[str], spectrogram: bool) -> Chart:
    """Waveforms, spectrograms or images, one panel per sample of ``[n, C, ...]``."""
    if samples.ndim == 4:
        spec = _heat(None, None, sort="ascending")
        rows, steps = _pixels(samples.mean(axis=1), names)
        what = f"{_what(samples)}{_averaged(steps, 'rows', 'columns')}"
    elif spectrogram and samples.ndim == 3:
        spec = _heat("frame", "mel band", sort="descending")
        rows, steps = _pixels(samples, names)
        what = f"Log-mel spectrograms{_averaged(steps, 'bands', 'frames')}"
    elif samples.ndim == 3 and samples.shape[1] > TRACES:
        spec = _heat("time", "channel", sort="ascending", shade=True)
        rows, steps = _pixels(samples, names, _by_channel(samples))
        what = (
            f"Samples as they enter the quantiser, channel 0 at the top{_averaged(steps, 'channels', 'time steps')}, "
            "each channel shaded from its lowest to its highest value in these samples"
        )
    elif samples.ndim == 3 and samples.shape[1] > LINES:
        spec = _traces(samples.shape[1])
        rows, stride = _points(samples, names, TRACED)
        _raise(rows, samples)
        what = (
            f"Samples as they enter the quantiser, channel 0 at the top{_thinned(stride)}, each channel as high as its "
            "own range in these samples"
        )
    else:
        waves = samples[:, None] if samples.ndim == 2 else samples
        spec = _waves(waves.shape[1])
        rows, stride = _points(waves, names, LONGEST)
        what = f"Samples as they enter the quantiser{_thinned(stride)}"
    if max(map(len, names)) > SHORT:
        spec["facet"]["header"]["labelExpr"] = (
            "[split(datum.label, ' → ')[0], '→ ' + slice(datum.label, indexof(datum.label, ' → ') + 3)]"
        )
    return Chart("worst-examples", "Most confident errors", spec, rows, f"{what}; label → answer.")


def _what(samples: Samples) -> str:
    channels = samples.shape[1]
    return "Images" if channels == 1 else f"Images, the mean of {channels} channels"


def _thinned(stride: int) -> str:
    return "" if stride == 1 else f", every {stride}th value"


def _averaged(steps: tuple[int, int], rows: str, columns: str) -> str:
    named = [f"{step} {name}" for step, name in zip(steps, (rows, columns), strict=True) if step > 1]
    return f", blocks of {' × '.join(named)} averaged" if named else ""


def _by_channel(samples: Samples) -> Samples:
    """``[n, C, L]``, each channel from 0 to 1 over its own range in these samples; 1/2 where it never changes."""
    low, high = (found(samples, axis=(0, 2), keepdims=True) for found in (np.min, np.max))
    scaled: Samples = np.where(high > low, (samples - low) / np.where(high > low, high - low, 1.0), 0.5)
    return scaled


def _pixels(
    images: Samples, names: list[str], shades: Samples | None = None
) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """Means of blocks of ``[n, rows, columns]``, and how many rows and columns are in a block."""
    tall, wide = (max(1, -(-side // LARGEST_SIDE)) for side in images.shape[1:])
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        for top in range(0, images.shape[1], tall):
            for left in range(0, images.shape[2], wide):
                block = (place, slice(top, top + tall), slice(left, left + wide))
                row = {"example": name, "row": top, "column": left, "value": float(images[block].mean())}
                rows.append(
                    row if shades is None else {**row, "shade": round(float(shades[block].mean()), 4)}
                )
    return rows, (tall, wide)


def _points(waves: Samples, names: list[str], longest: int) -> tuple[list[dict[str, Any]], int]:
    stride = max(1, -(-waves.shape[2] // longest))
    rows: list[dict[str, Any]] = [
        {"example": name, "channel": str(channel), "time": time, "value": float(line[time])}
        for name, wave in zip(names, waves, strict=True)
        for channel, line in enumerate(wave)
        for time in range(0, len(line), stride)
    ]
    return rows, stride


def _raise(rows: list[dict[str, Any]], waves: Samples) -> None:
    """Give each point a ``height``, channel c between c - 0.45 (its largest value) and c + 0.45, downwards."""
    low, high = waves.min(axis=(0, 2)), waves.max(axis=(0, 2))
    for row in rows:
        channel = int(row["channel"])
        span = float(high[channel] - low[channel])
        share = (row["value"] - float(low[channel])) / span if span > 0 else 0.5
        row["height"] = round(channel + 0.9 * (0.5 - share), 4)


def _facet(spec: dict[str, Any], columns: int) -> dict[str, Any]:
    return {
        "facet": {
            "field": "example",
            "type": "nominal",
            "sort": None,
            "title": None,
            "header": {"labelLimit": 150, "labelFontSize": 12},
        },
        "columns": columns,
        "spacing": 16,
        "spec": spec,
    }


def _heat(x: str | None, y: str | None, *, sort: str, shade: bool = False) -> dict[str, Any]:
    """Panels of rectangles, row 0 on top with ``ascending``; with ``shade``, numbered rows and colours from 0 to 1."""
    bare = {"labels": False, "ticks": False, "domain": False}
    numbered = {"ticks": False, "domain": False, "labelOverlap": True}
    color: dict[str, Any] = {
        "field": "shade" if shade else "value",
        "type": "quantitative",
        "title": "of the channel's range" if shade else None,
        "legend": {"orient": "bottom", **({"format": "%"} if shade else {})},
    }
    if shade:
        color["scale"] = {"domain": [0, 1]}
    spec = {
        "width": 120,
        "height": 160 if shade else 120,
        "mark": {"type": "rect", "strokeWidth": 0},
        "encoding": {
            "x": {
                "field": "column",
                "type": "ordinal",
                "title": x,
                "axis": bare,
                "sort": "ascending",
                "scale": {"padding": 0},
            },
            "y": {
                "field": "row",
                "type": "ordinal",
                "title": y,
                "axis": numbered if shade else bare,
                "sort": sort,
                "scale": {"padding": 0},
            },
            "color": color,
            "tooltip": [
                {"field": "example", "type": "nominal"},
                {"field": "row", "type": "quantitative", "title": y or "row"},
                {"field": "column", "type": "quantitative", "title": x or "column"},
                {"field": "value", "type": "quantitative", "format": ".3~g"},
            ],
        },
    }
    return _facet(spec, 4)


def _traces(channels: int) -> dict[str, Any]:
    """Panels with a line for each channel, below each other, on the same times."""
    spec = {
        "width": 150,
        "height": 22 * channels,
        "mark": {"type": "line", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "time",
                "type": "quantitative",
                "scale": {"nice": False},
                "axis": {"tickCount": 4},
            },
            "y": {
                "field": "height",
                "type": "quantitative",
                "title": "channel",
                "scale": {"domain": [-0.5, channels - 0.5], "nice": False, "reverse": True},
                "axis": {"values": list(range(channels)), "format": "d"},
            },
            "detail": {"field": "channel", "type": "nominal"},
            "tooltip": _OF_A_SIGNAL,
        },
    }
    return _facet(spec, 4)


def _waves(channels: int) -> dict[str, Any]:
    spec = {
        "width": 200,
        "height": 100,
        "mark": {"type": "line", "strokeWidth": 1.2},
        "encoding": {
            "x": {"field": "time", "type": "quantitative", "scale": {"nice": False}},
            "y": {"field": "value", "type": "quantitative", "scale": {"zero": False}},
            "color": {
                "field": "channel",
                "type": "nominal",
                "sort": None,
                "legend": None if channels == 1 else {"orient": "top"},
            },
            "tooltip": _OF_A_SIGNAL,
        },
    }
    return _facet(spec, 3)
