"""Figures of runs as PNG files; matplotlib is loaded when one is drawn."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shiftlif.analysis.layers import LayerStatistics
from shiftlif.errors import ConfigurationError, DataError


def learning_curves(metrics: str | Path, target: str | Path) -> Path:
    """Loss and accuracy over epochs, training and validation.

    Args:
        metrics: ``metrics.csv`` of a run.
        target: PNG file to write.

    Returns:
        ``target``.

    Raises:
        DataError: the table is missing or is not that of a run.
        ConfigurationError: matplotlib is not installed.
    """
    try:
        with open(metrics, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
        epochs = columns["epoch"]
        drawn = [(q, p, columns[f"{p}/{q}"]) for q in ("loss", "accuracy") for p in ("train", "val")]
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{metrics}: is not the metrics.csv of a run ({error}); pass the one of a run folder"
        ) from error
    figure = _figure(8, 3.2)
    axes = dict(zip(("loss", "accuracy"), figure.subplots(1, 2), strict=True))
    for quantity, part, values in drawn:
        axes[quantity].plot(epochs, values, label=part)
        axes[quantity].set(xlabel="epoch", ylabel=quantity)
        axes[quantity].legend()
    return _save(figure, target)


def letter_usage_bars(layers: Sequence[LayerStatistics], target: str | Path) -> Path:
    """How often each layer emits each letter, one group of bars per layer, on a logarithmic axis.

    Args:
        layers: of `shiftlif.analysis.layer_statistics`.
        target: PNG file to write.

    Returns:
        ``target``.

    Raises:
        DataError: no layer has letters.
        ConfigurationError: matplotlib is not installed.
    """
    lettered = [layer for layer in layers if layer.usage]
    if not lettered:
        raise DataError("no layer has letters to draw; pass the statistics of a network with spiking neurons")
    figure = _figure(2.6 * len(lettered), 3.0)
    for axis, layer in zip(figure.subplots(1, len(lettered), squeeze=False)[0], lettered, strict=True):
        axis.bar([f"{level:g}" for level in layer.levels], layer.usage)
        axis.set(title=layer.name, xlabel="letter", yscale="log", ylim=(1e-5, 1))
    return _save(figure, target)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("figures need matplotlib: pip install shiftlif[plot]") from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, target: str | Path) -> Path:
    target = Path(target)
    try:
        figure.savefig(target, dpi=120)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written ({error.strerror or error}); choose another place"
        ) from error
    return target
