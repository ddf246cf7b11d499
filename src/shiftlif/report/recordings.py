"""What the neurons of a run did with the chosen samples: both networks run once, for all sections about layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shiftlif.alphabet import Alphabet
from shiftlif.analysis.behaviour import compare
from shiftlif.analysis.firing import (
    LayerBehaviour,
    emitted_letters,
    membrane_unit,
    membranes_before_emission,
)
from shiftlif.network import Observation, Residual, thinned
from shiftlif.neuron import SpikingNeuron
from shiftlif.neuron.dynamics import OtherDynamics
from shiftlif.quantize.absorb import SYNAPSES
from shiftlif.quantize.pooling import MAXIMUM
from shiftlif.report.evidence import Evidence

BATCH = 50
SAMPLED = 20_000
"""Membranes and currents kept per layer, network and batch."""
COLUMNS, MOST_COLUMNS, CLASSES = 40, 120, 10
"""Rasters show about 40 steps of all samples together; up to 120 for the sake of one sample for each of 10 classes."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Record:
    """One layer in one network.

    Attributes:
        counts: how often each neuron emitted each letter, int64 ``[neurons, letters]``.
        membranes: before emission, in the unit of the letters (the layer's scale), ascending ``[N]``: a random part of
            them where there are many. Empty for a neuron with steps of its own.
        letters: places in the alphabet, of the shown samples, uint8 ``[T, shown, neurons]``.
        charges: the membranes that met the boundaries then, float32, the same shape.
    """

    counts: npt.NDArray[np.int64]
    membranes: Floats
    letters: npt.NDArray[np.uint8]
    charges: npt.NDArray[np.float32]

    @property
    def usage(self) -> Floats:
        """The share of each letter, ascending."""
        shares: Floats = self.counts.sum(0) / self.counts.sum()
        return shares


@dataclass(frozen=True, eq=False)
class Drive:
    """What enters a layer of the float network, in the unit of its letters.

    Attributes:
        source: the layer with weights right before it; empty where there is none (a residual sum).
        bias: of that layer, one per channel; empty without one.
        currents: ascending ``[N]``, thinned.
        lifts: the same without the bias: what the inputs bring.
        lasting: by how much a lasting current is multiplied in the membrane: 1, or tau where the leak does not divide
            the input too.
    """

    source: str
    bias: Floats
    currents: Floats
    lifts: Floats
    lasting: float


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of neurons in both networks.

    Attributes:
        name: qualified.
        kind: of its neuron.
        alphabet: the letters of both networks.
        shape: of the neurons of one sample, ``(C, *spatial)``.
        original: the float network.
        integer: the quantised network; None where there is none.
        drive: of the float network.
        behaviour: how far both are apart; of the float network with itself where there is no other.
    """

    name: str
    kind: str
    alphabet: Alphabet
    shape: tuple[int, ...]
    original: Record
    integer: Record | None
    drive: Drive
    behaviour: LayerBehaviour

    @property
    def zero(self) -> int:
        """The place of the letter 0."""
        return self.alphabet.levels.index(0.0)

    @property
    def boundary(self) -> float:
        """The first boundary above 0, in the unit of the letters."""
        return self.alphabet.boundaries[self.zero]


@dataclass(frozen=True, eq=False)
class Recordings:
    """All layers of neurons, in order.

    Attributes:
        layers: front to back.
        steps: T.
        samples: how many were run.
        shown: positions among the chosen samples of those that rasters show, by class.
    """

    layers: tuple[Layer, ...]
    steps: int
    samples: int
    shown: npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def recordings(evidence: Evidence) -> Recordings:
    """Run the float and the quantised network on the chosen samples and keep what the sections need.

    Memory grows with neurons and letters, not with samples, apart from the few that are shown.
    """
    steps, labels = evidence.data.steps, evidence.labels[evidence.chosen]
    shown = shown_samples(labels, steps)
    feeds = dict(_feeds(evidence.absorbed.layers, ""))
    tallies: tuple[dict[str, _Tally], dict[str, _Tally]] = ({}, {})
    seen_layers: dict[str, Observation] = {}
    start = 0

    def batches() -> Iterator[Tensor]:
        nonlocal start
        frames = evidence.frames()
        for start in range(0, len(frames), BATCH):
            yield evidence.data.present(torch.from_numpy(frames[start : start + BATCH]))

    def watch(which: int, seen: Observation) -> None:
        tally = tallies[which].setdefault(seen.name, _Tally())
        inside = shown[(shown >= start) & (shown < start + BATCH)]
        tally.add(seen, [(int(np.flatnonzero(shown == at)[0]), int(at) - start) for at in inside])
        if which == 0:
            tally.add_currents(seen, feeds[seen.name].bias)
            seen_layers[seen.name] = seen

    behaviour = compare(evidence.absorbed, evidence.prepared, batches(), watch=watch)
    layers = []
    for found in behaviour.layers:
        seen = seen_layers[found.name]
        neuron = seen.layer
        assert isinstance(neuron, SpikingNeuron)  # of a float network
        originals, integers = tallies[0][found.name], tallies[1][found.name]
        layers.append(
            Layer(
                found.name,
                type(neuron).__name__,
                neuron.alphabet,
                tuple(seen.outputs.shape[2:]),
                originals.record(),
                None if evidence.refusal else integers.record(),
                originals.drive(neuron, feeds[found.name]),
                found,
            )
        )
    return Recordings(tuple(layers), steps, len(evidence.chosen), shown)


def shown_samples(labels: npt.NDArray[np.int64], steps: int) -> npt.NDArray[np.int64]:
    """Which samples rasters show: classes in turn, as many samples as fit; positions, in the order of their labels.

    Args:
        labels: of the chosen samples ``[N]``.
        steps: T.
    """
    classes = len(np.unique(labels))
    count = max(COLUMNS // steps, min(classes, CLASSES, MOST_COLUMNS // steps), 1)
    seen: dict[int, int] = defaultdict(int)
    turns = []
    for label in labels.tolist():
        turns.append(seen[label])
        seen[label] += 1
    order = np.lexsort((np.arange(len(labels)), labels, np.asarray(turns)))[:count]
    by_class: npt.NDArray[np.int64] = order[np.lexsort((order, labels[order]))]
    return by_class


class _Feed(NamedTuple):
    """The layer with weights that a neuron's currents come from; its bias where it is part of them as it is."""

    name: str = ""
    bias: Tensor | None = None


def _feeds(layers: nn.ModuleDict, prefix: str) -> Iterator[tuple[str, _Feed]]:
    """The name of each neuron and what feeds it."""
    last = _Feed()
    for name, layer in layers.items():
        path = prefix + name
        if isinstance(layer, Residual):
            yield from _feeds(layer.body, f"{path}.")
            yield from _feeds(layer.shortcut, f"{path}.shortcut.")
            last = _Feed()
        elif isinstance(layer, SYNAPSES):
            last = _Feed(path, None if layer.bias is None else layer.bias.detach().double())
        elif isinstance(layer, SpikingNeuron):
            yield path, last
            last = _Feed()
        elif not isinstance(layer, MAXIMUM):  # sums of windows and normalisation change what a bias is
            last = _Feed(last.name)


@dataclass
class _Tally:
    """Sums of one layer of one network over batches."""

    counts: npt.NDArray[np.int64] | None = None
    membranes: list[Tensor] = field(default_factory=list)
    currents: list[Tensor] = field(default_factory=list)
    lifts: list[Tensor] = field(default_factory=list)
    shown: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def add(self, seen: Observation, shown: list[tuple[int, int]]) -> None:
        """A batch ``[T, B, ...]`` and which of its samples are shown: place among those shown, place in the batch."""
        alphabet = seen.layer.alphabet
        assert isinstance(alphabet, Alphabet)
        letters = emitted_letters(seen, alphabet.levels).flatten(2)
        places = letters.long() + torch.arange(letters.shape[2]) * alphabet.n_levels
        counted = torch.bincount(places.flatten(), minlength=letters.shape[2] * alphabet.n_levels)
        found = counted.view(-1, alphabet.n_levels).numpy()
        self.counts = found if self.counts is None else self.counts + found
        charged = (
            None if isinstance(seen.layer, OtherDynamics) else membranes_before_emission(seen).flatten(2)
        )
        if charged is not None:
            self.membranes.append(thinned(charged.flatten(), SAMPLED))
        values = (seen.membranes * membrane_unit(seen)).flatten(2) if charged is None else charged
        for place, at in shown:
            self.shown[place] = letters[:, at], values[:, at].float()

    def add_currents(self, seen: Observation, bias: Tensor | None) -> None:
        """The currents of the same batch, with and without the bias of the layer they come from."""
        currents = seen.currents.detach().double()
        lifts = currents if bias is None else currents - bias.view(1, 1, -1, *(1,) * (currents.ndim - 3))
        unit = membrane_unit(seen)
        self.currents.append(thinned((currents * unit).flatten(), SAMPLED))
        self.lifts.append(thinned((lifts * unit).flatten(), SAMPLED))

    def record(self) -> Record:
        assert self.counts is not None  # there was a batch
        shown = [self.shown[place] for place in sorted(self.shown)]
        return Record(
            self.counts,
            _ascending(self.membranes),
            torch.stack([letters for letters, _ in shown], 1).numpy(),
            torch.stack([values for _, values in shown], 1).numpy(),
        )

    def drive(self, neuron: SpikingNeuron, feed: _Feed) -> Drive:
        scale = neuron.effective_scale().detach().double()
        return Drive(
            feed.name,
            np.zeros(0) if feed.bias is None else (feed.bias / scale).numpy(),
            _ascending(self.currents),
            _ascending(self.lifts),
            1.0 if neuron.decay_input else neuron.tau,
        )


def _ascending(parts: list[Tensor]) -> Floats:
    return np.sort(torch.cat(parts).numpy()) if parts else np.zeros(0)
