"""Figures of runs as PNG files; matplotlib is loaded when one is drawn."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shiftlif.analysis.gradient_flow import GradientRow, LayerFlow, by_layer
from shiftlif.analysis.layers import LayerStatistics
from shiftlif.analysis.levels import LayerComparison
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
        if not rows:
            raise ValueError("it has no rows")
        epochs = [float(row["epoch"]) for row in rows]
        drawn = [
            (q, p, [float(row[f"{p}/{q}"]) for row in rows])
            for q in ("loss", "accuracy")
            for p in ("train", "val")
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{metrics}: is not the metrics.csv of a run ({error}); pass the one of a run folder"
        ) from error
    figure = new_figure(8, 3.2)
    axes = dict(zip(("loss", "accuracy"), figure.subplots(1, 2), strict=True))
    for quantity, part, values in drawn:
        axes[quantity].plot(epochs, values, label=part)
        axes[quantity].set(xlabel="epoch", ylabel=quantity)
        axes[quantity].legend()
    return save_figure(figure, target)


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
    figure = new_figure(2.6 * len(lettered), 3.0)
    for axis, layer in zip(figure.subplots(1, len(lettered), squeeze=False)[0], lettered, strict=True):
        axis.bar([f"{level:g}" for level in layer.levels], layer.usage)
        axis.set(title=layer.name, xlabel="letter", yscale="log", ylim=(1e-5, 1))
    return save_figure(figure, target)


def level_curves(layers: Sequence[LayerComparison], target: str | Path) -> Path:
    """Per layer: the membrane's histogram with the boundaries of both alphabets, and errors over the number of letters.

    Membranes are in units of the layer's trained scale. The boundaries are those of the recommended K and of as many
    uniform letters, each alphabet at its best scale; errors are shares of the membrane's power.

    Args:
        layers: of `shiftlif.analysis.compare_alphabets`.
        target: PNG file to write.

    Returns:
        ``target``.

    Raises:
        DataError: there is no layer.
        ConfigurationError: matplotlib is not installed.
    """
    if not layers:
        raise DataError("there is no layer to draw; pass the comparison of a network with spiking neurons")
    figure = new_figure(9.5, 2.8 * len(layers))
    for (left, right), layer in zip(figure.subplots(len(layers), 2, squeeze=False), layers, strict=True):
        u = layer.membrane.values
        left.hist(u, bins=120, range=(u[len(u) // 1000], u[-1 - len(u) // 1000]), color="0.8")
        at = [c.size for c in layer.power_of_two].index(layer.recommended)
        for found, colour, style in (
            (layer.power_of_two[at], "C0", "-"),
            (layer.uniform[at], "C1", "--"),
        ):
            alphabet, (scale,) = found.rendering.alphabet, found.rendering.scale
            for i, boundary in enumerate(alphabet.boundaries):
                label = alphabet.name if i == 0 else None
                left.axvline(scale * boundary, color=colour, linestyle=style, linewidth=1, label=label)
        left.set(title=layer.name, xlabel="H / s", ylabel="samples", yscale="log")
        left.legend(
            title="boundaries, each at its best scale",
            title_fontsize="small",
            fontsize="small",
            loc="upper left",
            framealpha=0.7,
        )
        letters = [c.rendering.n_levels for c in layer.power_of_two]
        power = layer.power_of_two[0].rendering.power or 1.0
        for label, errors, style in (
            ("power of two", [c.rendering.error for c in layer.power_of_two], "C0o-"),
            ("uniform", [c.rendering.error for c in layer.uniform], "C1s--"),
            ("Lloyd-Max", [c.rendering.optimum for c in layer.power_of_two], "k:"),
        ):
            right.plot(letters, [error / power for error in errors], style, label=label)
        right.axvline(
            letters[at], color="0.7", linewidth=6, alpha=0.4, label=f"recommended: K={layer.recommended}"
        )
        right.set(title="squared error / power", xlabel="letters", yscale="log", xticks=letters)
        right.legend(title="each K and L at its best scale", title_fontsize="small", fontsize="small")
    return save_figure(figure, target)


def gradient_maps(rows: Sequence[GradientRow], target: str | Path) -> Path:
    """The gradient's norm over the layers, a line per surrogate and alpha, and over layers and steps as heat maps.

    Args:
        rows: of `shiftlif.analysis.gradient_flow`.
        target: PNG file to write.

    Returns:
        ``target``.

    Raises:
        DataError: there is no row.
        ConfigurationError: matplotlib is not installed.
    """
    if not rows:
        raise DataError("there is no gradient to draw; name at least one surrogate")
    groups: dict[str, list[LayerFlow]] = {}
    for flow in by_layer(rows):
        groups.setdefault(flow.label, []).append(flow)
    figure = new_figure(4 + 2.6 * len(groups), 3.2)
    curves, *maps = figure.subplots(1, 1 + len(groups), width_ratios=[2] + [1] * len(groups))
    least = min((norm for row in rows if (norm := row.norm) > 0), default=1.0)
    logs = {
        label: [[math.log10(max(n, least)) for n in flow.steps] for flow in flows]
        for label, flows in groups.items()
    }
    low, high = (end(v for table in logs.values() for line in table for v in line) for end in (min, max))
    for (label, flows), axis in zip(groups.items(), maps, strict=True):
        layers = [flow.layer for flow in flows]
        curves.plot(layers, [max(flow.norm, least) for flow in flows], "o-", label=label)
        image = axis.imshow(logs[label], vmin=low, vmax=high, aspect="auto")
        axis.set(title=label, xlabel="step", xticks=range(len(flows[0].steps)))
        axis.set_yticks(range(len(layers)), layers if axis is maps[0] else [""] * len(layers))
    figure.colorbar(image, ax=maps, label="log10 of the norm")
    curves.set(title="gradient at the currents, all steps", ylabel="norm", yscale="log")
    curves.tick_params(axis="x", rotation=30)
    curves.legend(fontsize="small")
    return save_figure(figure, target)


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of so many inches.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("figures need matplotlib: pip install 'shiftlif[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, target: str | Path) -> Path:
    """Write a figure as PNG; returns ``target``.

    Raises:
        DataError: the file cannot be written.
    """
    target = Path(target)
    try:
        figure.savefig(target, dpi=120)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written ({error.strerror or error}); choose another place"
        ) from error
    return target
