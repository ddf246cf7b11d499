"""The samples that are answered wrong with the most confidence, as they enter the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Block, Chart, Row, Section, Table

KEY, TITLE = "examples", "Which samples fail worst?"
SHOWN = 8
LARGEST_SIDE = 40
"""Rows and columns of an image or a spectrogram as it is drawn; larger ones are averaged over blocks."""
LONGEST = 256
"""Points of a waveform as it is drawn, per channel; of longer ones every k-th."""
LINES = 8
"""Channels that are drawn as lines; with more, the sample is a heat map."""
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
    classes = evidence.data.classes
    samples = raw_samples(evidence, [error.index for error in worst])
    names = [
        f"{rank}: {classes[error.label]} → {classes[error.answer]}"
        for rank, error in enumerate(worst, start=1)
    ]
    table: list[Row] = [
        {
            "example": rank,
            "test sample": error.index,
            "label": classes[error.label],
            "answer": classes[error.answer],
            "confidence %": round(100 * error.confidence, 1),
            "trained network": classes[int(evidence.float_answers[error.index])],
        }
        for rank, error in enumerate(worst, start=1)
    ]
    sure = sum(error.confidence >= 0.9 for error in errors)
    blocks: list[Block] = [
        drawn(samples, names, str(evidence.run.front_end.get("name")) == "log_mel"),
        Table(
            "example-table",
            "These examples",
            ("example", "test sample", "label", "answer", "confidence %", "trained network"),
            table,
            "Confidence is the probability that the trained network gives to the wrong answer.",
        ),
    ]
    answer = (
        f"{len(errors):,} of {len(evidence.labels):,} test samples are answered wrong; {sure} of these errors "
        f"{'has' if sure == 1 else 'have'} a confidence of at least 90 %: look for wrong labels and for samples that "
        "people would confuse too."
    )
    return Section(KEY, TITLE, answer, blocks)


def confident_errors(evidence: Evidence) -> list[Error]:
    """Every wrong answer of the integer network, the most confident first."""
    shifted = np.exp(evidence.scores - evidence.scores.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
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
    key, title = "worst-examples", "Most confident errors"
    if samples.ndim == 4:
        images = samples.mean(axis=1)
        rows, step = _pixels(images, names)
        reading = f"{_what(samples)}{_averaged(step)}; label → answer."
        return Chart(key, title, _heat(None, None, descending=True), rows, reading)
    if samples.ndim == 3 and (spectrogram or samples.shape[1] > LINES):
        rows, step = _pixels(samples, names)
        x, y = ("frame", "mel band") if spectrogram else ("time", "channel")
        what = "Log-mel spectrograms" if spectrogram else "Samples, a row per channel"
        reading = f"{what}{_averaged(step)}; label → answer."
        return Chart(key, title, _heat(x, y, descending=False), rows, reading)
    waves = samples[:, None] if samples.ndim == 2 else samples
    rows, stride = _points(waves, names)
    thinned = "" if stride == 1 else f", every {stride}th value"
    return Chart(
        key,
        title,
        _waves(waves.shape[1]),
        rows,
        f"Samples as they enter the quantiser{thinned}; label → answer.",
    )


def _what(samples: Samples) -> str:
    channels = samples.shape[1]
    return "Images" if channels == 1 else f"Images, the mean of {channels} channels"


def _averaged(step: int) -> str:
    return "" if step == 1 else f", blocks of {step} × {step} averaged"


def _pixels(images: Samples, names: list[str]) -> tuple[list[Row], int]:
    step = max(1, -(-max(images.shape[1:]) // LARGEST_SIDE))
    rows: list[Row] = []
    for name, image in zip(names, images, strict=True):
        tops, lefts = range(0, image.shape[0], step), range(0, image.shape[1], step)
        rows.extend(
            {
                "example": name,
                "row": top,
                "column": left,
                "value": float(image[top : top + step, left : left + step].mean()),
            }
            for top in tops
            for left in lefts
        )
    return rows, step


def _points(waves: Samples, names: list[str]) -> tuple[list[Row], int]:
    stride = max(1, -(-waves.shape[2] // LONGEST))
    rows: list[Row] = [
        {"example": name, "channel": str(channel), "time": time, "value": float(line[time])}
        for name, wave in zip(names, waves, strict=True)
        for channel, line in enumerate(wave)
        for time in range(0, len(line), stride)
    ]
    return rows, stride


def _facet(spec: dict[str, Any], columns: int) -> dict[str, Any]:
    return {
        "facet": {
            "field": "example",
            "type": "nominal",
            "sort": None,
            "title": None,
            "header": {"labelLimit": 130, "labelFontSize": 12},
        },
        "columns": columns,
        "spacing": 16,
        "spec": spec,
    }


def _heat(x: str | None, y: str | None, *, descending: bool) -> dict[str, Any]:
    """Panels of rectangles, ``row`` upwards or, with ``descending``, downwards as images are written."""
    across, up = (
        {
            "field": field,
            "type": "ordinal",
            "title": title,
            "axis": {"labels": False, "ticks": False, "domain": False},
            "sort": order,
            "scale": {"padding": 0},
        }
        for field, title, order in (
            ("column", x, "ascending"),
            ("row", y, "ascending" if descending else "descending"),
        )
    )
    spec = {
        "width": 120,
        "height": 120,
        "mark": {"type": "rect", "strokeWidth": 0},
        "encoding": {
            "x": across,
            "y": up,
            "color": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "legend": {"orient": "bottom"},
            },
            "tooltip": [
                {"field": "example", "type": "nominal"},
                {"field": "row", "type": "quantitative", "title": y or "row"},
                {"field": "column", "type": "quantitative", "title": x or "column"},
                {"field": "value", "type": "quantitative", "format": ".3~g"},
            ],
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
            "tooltip": [
                {"field": "example", "type": "nominal"},
                {"field": "channel", "type": "nominal"},
                {"field": "time", "type": "quantitative"},
                {"field": "value", "type": "quantitative", "format": ".3~g"},
            ],
        },
    }
    return _facet(spec, 3)
