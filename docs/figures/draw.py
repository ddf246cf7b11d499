"""Draws the figures of the explanations from the package's own tables: ``python docs/figures/draw.py``.

Nothing is drawn by hand: staircases are `Alphabet.quantize`, boundaries are the alphabet's, neurons are
`shiftlif.neuron.step`, absorbed layers come from `absorb`, integers from a program that was compiled and verified.
Text and axes take the reader's colour, so that the pictures can be read on light and dark pages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from shiftlif import (
    LIF,
    Alphabet,
    Binary,
    InputQuantizer,
    Network,
    PowerOfTwo,
    ShiftLIF,
    Ternary,
    Uniform,
    absorb,
    convert,
    direct_code,
    prepare,
    verify,
)
from shiftlif.compile import trace
from shiftlif.neuron import step

HERE = Path(__file__).parent
INK = "#010203"  # stands for the reader's colour
BLUE, ORANGE, GREEN, GREY = "#2a7fd4", "#d9661f", "#2f9e6e", "#888888"
STYLE = "<style>:root{color:#222}@media (prefers-color-scheme:dark){:root{color:#ddd}}</style>"
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "shiftlif",
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.solid_capstyle": "butt",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


def staircase(
    axis: Any, alphabet: Alphabet, reach: tuple[float, float], colour: str, label: str, width: float
) -> None:
    """Q(u) with its jumps left open."""
    edges = [reach[0], *alphabet.boundaries, reach[1]]
    for i, (left, right) in enumerate(pairwise(edges)):
        letter = float(alphabet.quantize(left if i else right - 1e-9))
        axis.plot([left, right], [letter, letter], color=colour, lw=width, label=None if i else label)


def alphabets() -> Figure:
    """Letters over the normalised membrane, and where the boundaries stand."""
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots(2, 2)
    panels: list[tuple[str, tuple[float, float], list[tuple[Alphabet, str, str]]]] = [
        ("one letter, or two", (-1.6, 1.6), [(Ternary(), ORANGE, "Ternary()"), (Binary(), BLUE, "Binary()")]),
        ("counts", (-0.5, 4.9), [(Uniform(4, "floor"), ORANGE, "floor"), (Uniform(4), BLUE, "nearest")]),
        (
            "powers of two, K = 3",
            (-0.1, 1.2),
            [
                (PowerOfTwo(3, "floor"), ORANGE, "floor"),
                (PowerOfTwo(3, "log"), GREEN, "log"),
                (PowerOfTwo(3), BLUE, "nearest"),
            ],
        ),
        ("the same with both signs", (-1.2, 1.2), [(PowerOfTwo(3, signed=True), BLUE, "nearest")]),
    ]
    for axis, (title, reach, tables) in zip(axes.flat, panels, strict=True):
        levels = tables[0][0].levels
        for i, (alphabet, colour, label) in enumerate(tables):
            staircase(axis, alphabet, reach, colour, label, 2.2 + 2 * (len(tables) - 1 - i))
        nearest = tables[-1][0]
        for boundary in nearest.boundaries:
            axis.axvline(boundary, color=GREY, lw=0.7, ls=":", zorder=0)
        axis.set(title=title, xlabel="normalised membrane u", ylabel="letter Q(u)", yticks=levels)
        axis.legend(frameon=False, loc="lower right")
    axes[1, 0].set_yticks(PowerOfTwo(3).levels, ["0", "1/8", "1/4", "1/2", "1"])
    axes[1, 1].set_yticks([-1, -0.5, -0.25, 0, 0.25, 0.5, 1])
    return figure


def neurons() -> Figure:
    """One constant current into a LIF and a ShiftLIF neuron: what they send in eight steps."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    current, steps = 0.7, 8
    for axis, neuron, name in zip(
        figure.subplots(1, 2, sharey=True),
        (LIF(decay_input=False), ShiftLIF(K=3, decay_input=False)),
        ("LIF: letters 0, 1", "ShiftLIF, K = 3: letters 0, 1/8, 1/4, 1/2, 1"),
        strict=True,
    ):
        membrane, parameters, spikes, before = torch.zeros(1, 1), neuron.parameters_for(2), [], []
        with torch.no_grad():
            for _ in range(steps):
                spike, membrane = step(torch.full((1, 1), current), membrane, parameters)
                before.append(float(membrane + spike))
                spikes.append(float(spike))
        times = np.arange(1, steps + 1)
        axis.plot(times, before, "o-", color=GREY, ms=4, lw=1, label="membrane before emission, H")
        axis.bar(times, spikes, width=0.35, color=BLUE, label="letter sent")
        axis.axhline(current, color=ORANGE, lw=1, ls="--", label=f"current, {current}")
        mean = np.mean(spikes)
        axis.set(title=f"{name}\nmean of {steps} letters: {mean:.3f}", xlabel="step", xticks=times)
    figure.axes[0].legend(frameon=False, loc="upper right", fontsize=8)
    figure.axes[0].set_ylim(0, 1.9)
    return figure


def absorption() -> Figure:
    """What a layer sends, and what the next one multiplies it with, before and after `absorb`."""
    scale, alphabet = 0.6, PowerOfTwo(2)
    network = Network(
        nn.Linear(1, 1),
        ShiftLIF(K=2, tau=1, scale=scale, learnable_scale=False),
        nn.Linear(1, 1),
        input_shape=(1,),
    )
    with torch.no_grad():
        for name, weight in (("linear1", 1.0), ("linear2", 0.8)):
            layer = network.layers[name]
            layer.weight.fill_(weight)
            layer.bias.zero_()
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    x = torch.linspace(-0.1, 0.9, 2001)[:, None]
    frames = direct_code(x, 1)
    for axis, net, title in zip(
        figure.subplots(1, 2),
        (network, absorb(network)),
        ("before: scale 0.6", "after: scale 1"),
        strict=True,
    ):
        neuron, after = net.layers["shiftlif1"], net.layers["linear2"]
        with torch.no_grad():
            current = net.layers["linear1"](x)
            sent = neuron(current[None])[0]
            output = net(frames)[0]
        axis.plot(x, sent, color=BLUE, lw=2.2, label="spike s q")
        axis.plot(x, output, color=ORANGE, lw=2.2, label="spike times the next weight")
        s = neuron.effective_scale().item()
        w_in, w_out = net.layers["linear1"].weight.item(), after.weight.item()
        axis.set(
            title=f"{title}\nweights {w_in:.3g} and {w_out:.3g}",
            xlabel="input x",
            yticks=[s * q for q in alphabet.levels],
            ylim=(-0.05, 1.1),
        )
    figure.axes[0].legend(frameon=False, loc="upper left")
    return figure


def exactness() -> Figure:
    """The membrane of one neuron: the floats of the prepared network on the integers of the program."""
    torch.manual_seed(1)
    network = Network(nn.Linear(4, 3), ShiftLIF(K=2, scale=0.35), nn.Linear(3, 2), input_shape=(4,))
    quantizer, steps = InputQuantizer(np.zeros(4), np.ones(4), exponent=4), 10
    frames = quantizer.quantize(np.random.default_rng(5).normal(0.6, 1.0, (steps, 4)))[:, None]  # [T, 1, C]
    prepared = prepare(absorb(network), input_exponent=4, weight_bits=8)
    program = convert(prepared, quantizer=quantizer, classes=["a", "b"], steps=steps)
    verify(prepared, program, frames.swapaxes(0, 1))
    _, floats = trace(prepared, frames, steps, 4, True)
    integers = program.run(frames, record=True)
    layer = next(operation for operation in program.operations if operation.name == "shiftlif1")
    sent = integers.letters["shiftlif1"][:, 0]
    channel = max(range(sent.shape[1]), key=lambda c: len(np.unique(sent[:, c])))
    membrane, letters = (
        table["shiftlif1"][:, 0, channel] for table in (integers.membranes, integers.letters)
    )
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axis, times = figure.subplots(), np.arange(1, steps + 1)
    for number, threshold in enumerate(layer.thresholds[channel]):
        axis.axhline(
            threshold, color=ORANGE, lw=1, ls="--", label=None if number else "thresholds of the program"
        )
        axis.text(steps + 0.6, threshold, f"{threshold}", color=ORANGE, va="bottom", fontsize=8)
    before = membrane + layer.resets[channel][np.searchsorted(layer.letters, letters)]
    axis.plot(times, before, "o", color=GREY, ms=5, label="integer membrane before emission")
    axis.plot(times, membrane, "s", color=BLUE, ms=9, mfc="none", mew=1.6, label="after reset, program")
    axis.plot(
        times,
        floats["shiftlif1"][:, 0, channel],
        "x",
        color=GREEN,
        ms=6,
        label="after reset, prepared network",
    )
    for time, height, letter in zip(times, before, letters, strict=True):
        axis.annotate(
            f"letter {letter}", (time, height), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axis.set(xlabel="step", ylabel="membrane, in its unit", xticks=times, xlim=(0.4, steps + 1.3))
    low, high = min(membrane.min(), before.min()), max(before.max(), layer.thresholds[channel].max())
    axis.set_ylim(low - 0.08 * (high - low), high + 0.4 * (high - low))
    axis.legend(frameon=False, loc="upper left", ncols=2)
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    "alphabets": alphabets,
    "neurons": neurons,
    "absorption": absorption,
    "exactness": exactness,
}


def draw(folder: Path) -> None:
    """Writes every figure as ``NAME.svg``."""
    with mpl.rc_context(SETTINGS):
        for name, make in FIGURES.items():
            file = folder / f"{name}.svg"
            make().savefig(file, transparent=True, metadata={"Date": None, "Creator": None})
            text = file.read_text(encoding="utf-8").replace(INK, "currentColor")
            head, tail = text.split("<defs>", 1)
            lines = [line.rstrip() for line in f"{head}{STYLE}\n <defs>{tail}".splitlines()]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
