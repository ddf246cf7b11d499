"""What fewer or more letters would cost: accuracy without retraining, additions, and error on each layer's membrane."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from shiftlif.analysis.levels import CANDIDATES, Candidate, LayerComparison, compare_alphabets
from shiftlif.compile import convert
from shiftlif.errors import CompileError, ProgramError
from shiftlif.network import Family, Network, evaluating, family_of, readout, set_levels
from shiftlif.neuron import SpikingNeuron
from shiftlif.neuron.dynamics import OtherDynamics
from shiftlif.program import Cost, measure
from shiftlif.quantize import absorb
from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Chart, Section, Table
from shiftlif.report.trials import Trial, answer, tradeoff, trial_table
from shiftlif.training.deployment import prepared_for, program_frames, strided
from shiftlif.training.evaluation import subsample

SAMPLES = 256
"""Validation samples that are answered and looked at, at most."""
COUNTED = 32
"""Of them, how many additions are counted over."""
BATCH = 64


def alphabets(evidence: Evidence) -> Section:
    """The run with other letters, without retraining, and the error that each K or L makes on each membrane."""
    network = evidence.run.network
    x, y = subsample(evidence.data, "val", SAMPLES)
    sized = _sized(network)
    blocks: list[Any] = []
    families = {family for family, _ in sized.values()}
    kind = next(iter(families)).size if len({family.size for family in families}) == 1 else ""
    if kind:
        sizes = [size for _, size in sized.values()]
        same = set(sizes) if len(set(sizes)) == 1 else set()  # what it was trained with is tried once
        candidates = sorted({*CANDIDATES[kind], *sizes} - same)
        trials = [_trial(evidence, x, y, size) for size in (None, *candidates)]
        words = answer(kind, sizes, trials, x.shape[1])
        blocks += [trial_table(kind, trials, sizes), *tradeoff(kind, trials)]
        if len(sized) < len(_neurons(network)):
            fixed = [name for name in _neurons(network) if name not in sized]
            blocks.append(f"The letters of {', '.join(fixed)} are fixed and were left as they are.")
    else:
        names = sorted({type(neuron).__name__ for neuron in _neurons(network).values()})
        words = (
            f"The neurons of this run ({', '.join(names)}) have letters without a number K or L to change, so it "
            "cannot be run with fewer of them."
        )
    if not any(isinstance(neuron, OtherDynamics) for neuron in _neurons(network).values()):
        blocks += _errors(compare_alphabets(evidence.absorbed, [x]), kind or "K", x.shape[1])
    return Section("alphabets", "What would fewer letters cost?", words, blocks)


def _neurons(network: Network) -> dict[str, SpikingNeuron]:
    return {name: n for name, n in network.stateful_layers() if isinstance(n, SpikingNeuron)}


def _sized(network: Network) -> dict[str, tuple[Family, int]]:
    """The layers whose letters can be set, as `set_levels` allows it, with their K or L."""
    found = {}
    for name, neuron in _neurons(network).items():
        family = family_of(neuron.alphabet)
        if family is not None and neuron.input_gain == 1:
            found[name] = (family, family.size_of(neuron.alphabet))
    return found


def with_size(network: Network, size: int) -> Network:
    """A copy whose every layer with a K or L has this one; its largest letter stays as large as it was trained."""
    changed = copy.deepcopy(network)
    tops = {name: neuron.alphabet.levels[-1] for name, neuron in _neurons(changed).items()}
    set_levels(changed, dict.fromkeys(_sized(network), size))
    with torch.no_grad():
        for name, neuron in _neurons(changed).items():
            neuron.scale.mul_(tops[name] / neuron.alphabet.levels[-1])
    return changed


@torch.no_grad()
def _trial(evidence: Evidence, x: Tensor, y: Tensor, size: int | None) -> Trial:
    network = evidence.run.network if size is None else with_size(evidence.run.network, size)
    with evaluating(network):
        parts = [readout(network(x[:, start : start + BATCH])).argmax(1) for start in range(0, len(y), BATCH)]
    right = torch.cat(parts) == y
    cost = _cost(evidence, network)
    return Trial(
        size,
        float(right.double().mean()),
        None if cost is None else cost.totals["adds"],
        None if cost is None else cost.events_per_neuron_step,
    )


def _cost(evidence: Evidence, network: Network) -> Cost | None:
    """Of the program of the network, its weights quantised as they are; None where it has none."""
    data = evidence.data
    if evidence.refusal:
        return None
    try:
        prepared = prepared_for(absorb(network), data, evidence.bits)
        program = convert(prepared, quantizer=data.quantizer, classes=data.classes, steps=data.steps)
    except (CompileError, ProgramError):
        return None
    frames = data.frames("val")
    frames = frames[strided(len(frames), COUNTED)]
    return measure(program, program_frames(frames, data.temporal))


def _errors(layers: list[LayerComparison], kind: str, samples: int) -> list[Any]:
    """The error on each layer's membrane by number of letters, as a chart and a table."""
    rows: list[dict[str, Any]] = [
        {
            "layer": layer.name,
            kind: candidate.size,
            "letters": candidate.rendering.n_levels,
            "error, % of power": round(100 * _loss(candidate), 4),
            "error over the best possible": round(min(candidate.rendering.relative_error, 1e6), 3),
            "bits": round(candidate.rendering.entropy, 3),
            "letters per step": round(candidate.rendering.density, 4),
        }
        for layer in layers
        for candidate in (layer.power_of_two if kind == "K" else layer.uniform)
    ]
    if not rows:
        return []
    spec = {
        "height": 220,
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": kind, "type": "ordinal", "axis": {"labelAngle": 0}},
            "y": {
                "field": "error, % of power",
                "type": "quantitative",
                "title": "squared error, % of the membrane's power",
                "scale": {"type": "sqrt"},
            },
            "color": {
                "field": "layer",
                "type": "nominal",
                "scale": {"scheme": "tableau10"},
                "sort": None,
            },
            "tooltip": [
                {"field": "layer", "type": "nominal"},
                {"field": kind, "type": "ordinal"},
                {"field": "letters", "type": "quantitative"},
                {"field": "error, % of power", "type": "quantitative", "format": ".2f"},
                {"field": "bits", "type": "quantitative", "title": "entropy, bits", "format": ".2f"},
                {"field": "letters per step", "type": "quantitative", "format": ".3f"},
            ],
        },
    }
    enough = ""
    if kind == "K":
        sizes = ", ".join(f"{layer.name} {layer.recommended}" for layer in layers)
        enough = f" Within 5 % of the membrane's power of the best possible is K: {sizes}."
    reading = (
        f"What letters lose of each layer's membrane on {samples} validation samples, each {kind} at its own best "
        f"scale; less is better.{enough}"
    )
    return [
        Chart("alphabets-error", f"Error of the letters on the membranes, by {kind}", spec, rows, reading),
        Table("alphabets-table", f"Letters by layer and {kind}", list(rows[0]), rows, reading),
    ]


def _loss(candidate: Candidate) -> float:
    """Squared error as a share of the membrane's power; 0 without one."""
    power = candidate.rendering.power
    return candidate.rendering.error / power if power > 0 else 0.0
