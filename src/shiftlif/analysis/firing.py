"""How one layer fires in two networks on the same inputs, counted batch by batch.

Letters and membranes are compared in the unit of the letters: a float neuron's are divided by its scale,
a prepared neuron's integers are multiplied by the real value of their unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet
from shiftlif.analysis.distance import earth_movers_distance, sample_distance
from shiftlif.network import Observation, letter_indices, pre_emission
from shiftlif.neuron import SpikingNeuron

MEMBRANE_BINS = 512
MEMBRANE_SPAN = 2.0
"""Membranes are counted in bins from minus to plus this many top letters; what lies outside in the last ones."""


@dataclass(frozen=True)
class Firing:
    """How one network's layer fires.

    Attributes:
        events: letters other than 0 per neuron and step.
        usage: share of each letter, ascending.
        dead: neurons that never fire on these data.
        saturated: neurons that emit the top letter at every step of every sample.
    """

    events: float
    usage: tuple[float, ...]
    dead: int
    saturated: int


@dataclass(frozen=True)
class LayerBehaviour:
    """One layer of both networks on the same inputs.

    Attributes:
        name: qualified layer name.
        neurons: how many there are per sample.
        levels: the letters, ascending.
        original: how it fires in the original.
        quantised: how it fires in the quantised network.
        letter_distance: earth mover's distance of the two letter usages, in the unit of ``levels``.
        rate_distance: earth mover's distance of the two distributions of rates over neurons, in events per step.
        membrane_distance: earth mover's distance of the membranes after reset, in the unit of ``levels``.
        agreement: share of equal letters.
        step_agreement: the same at each step.
    """

    name: str
    neurons: int
    levels: tuple[float, ...]
    original: Firing
    quantised: Firing
    letter_distance: float
    rate_distance: float
    membrane_distance: float
    agreement: float
    step_agreement: tuple[float, ...]


class LayerTally:
    """Counts of one layer of two networks; the original is 0, the quantised network 1.

    Args:
        alphabet: the letters of both.
    """

    def __init__(self, alphabet: Alphabet) -> None:
        self.levels = tuple(alphabet.levels)
        self._usage = torch.zeros(2, len(self.levels), dtype=torch.int64)
        self._membranes = torch.zeros(2, MEMBRANE_BINS, dtype=torch.int64)
        self._events: list[Tensor | None] = [None, None]
        self._tops: list[Tensor | None] = [None, None]
        self._emissions = 0  # per neuron
        self._equal: Tensor | None = None
        self._letters: Tensor | None = None

    def add(self, seen: Observation, which: int) -> None:
        """One batch ``[T, B, ...]`` of one network; the original's comes before the quantised network's."""
        letters = emitted_letters(seen, self.levels)
        zero = self.levels.index(0.0)
        self._usage[which] += torch.bincount(letters.flatten(), minlength=len(self.levels)).cpu()
        self._events[which] = _sum(self._events[which], letters != zero)
        self._tops[which] = _sum(self._tops[which], letters == len(self.levels) - 1)
        self._membranes[which] += self._histogram(seen)
        if which == 0:
            self._letters = letters
            self._emissions += letters.shape[0] * letters.shape[1]
            return
        assert self._letters is not None  # the original's came first
        equal = (self._letters.to(letters.device) == letters).flatten(1).sum(1).cpu()
        self._equal = equal if self._equal is None else self._equal + equal
        self._letters = None

    def behaviour(self, name: str) -> LayerBehaviour:
        """What was counted."""
        events = [_found(counts) for counts in self._events]
        equal, neurons = _found(self._equal), len(events[0])
        positions = torch.tensor(self.levels, dtype=torch.float64)
        edges = torch.linspace(-1, 1, MEMBRANE_BINS + 1, dtype=torch.float64) * self._span()
        original, quantised = (self._firing(which) for which in (0, 1))
        per_step = neurons * self._emissions // len(equal)
        return LayerBehaviour(
            name,
            neurons,
            self.levels,
            original,
            quantised,
            earth_movers_distance(self._usage[0], self._usage[1], positions),
            sample_distance(events[0] / self._emissions, events[1] / self._emissions),
            earth_movers_distance(self._membranes[0], self._membranes[1], (edges[1:] + edges[:-1]) / 2),
            float(equal.sum()) / (neurons * self._emissions),
            tuple((equal.double() / per_step).tolist()),
        )

    def _firing(self, which: int) -> Firing:
        events, tops = _found(self._events[which]), _found(self._tops[which])
        usage = self._usage[which].double() / self._usage[which].sum()
        return Firing(
            float(events.sum()) / (len(events) * self._emissions),
            tuple(usage.tolist()),
            int((events == 0).sum()),
            int((tops == self._emissions).sum()),
        )

    def _span(self) -> float:
        return MEMBRANE_SPAN * max(abs(self.levels[0]), abs(self.levels[-1]))

    def _histogram(self, seen: Observation) -> Tensor:
        v = seen.membranes.detach().double() * membrane_unit(seen)
        place = torch.floor((v / self._span() + 1) * (MEMBRANE_BINS / 2)).clamp(0, MEMBRANE_BINS - 1)
        return torch.bincount(place.long().flatten(), minlength=MEMBRANE_BINS).cpu()


def _sum(before: Tensor | None, chosen: Tensor) -> Tensor:
    """How often each neuron was chosen, int64 ``[neurons]``."""
    counts = chosen.flatten(2).sum((0, 1)).cpu()
    return counts if before is None else before + counts


def _found(counts: Tensor | None) -> Tensor:
    assert counts is not None  # there was a batch
    return counts


def emitted_letters(seen: Observation, levels: Sequence[float]) -> Tensor:
    """The place of every emitted letter among ``levels``, uint8 ``[T, B, ...]``."""
    return letter_indices(seen.outputs.detach() * letter_unit(seen), levels).to(torch.uint8)


def letter_unit(seen: Observation) -> Tensor | float:
    """What an output is multiplied by to give its letter."""
    if isinstance(seen.layer, SpikingNeuron):
        return _inverse_scale(seen.layer, seen.outputs.ndim)
    return 2.0**-seen.layer.alphabet.fraction_bits  # type: ignore[union-attr, operator]


def membrane_unit(seen: Observation) -> Tensor:
    """What a membrane is multiplied by to give it in the unit of the letters."""
    if isinstance(seen.layer, SpikingNeuron):
        return _inverse_scale(seen.layer, seen.outputs.ndim).double()
    unit = seen.layer.unit
    assert isinstance(unit, Tensor)  # of a prepared neuron, one per channel
    return unit.double().view(1, 1, -1, *(1,) * (seen.outputs.ndim - 3))


def membranes_before_emission(seen: Observation) -> Tensor:
    """The membranes that met the boundaries, in the unit of the letters: float64 ``[T, B, ...]``.

    The call that was observed has to have started from the zero state.
    """
    if isinstance(seen.layer, SpikingNeuron):
        before = pre_emission(seen.currents, seen.layer)
    else:
        before = seen.layer.before_emission(seen.currents, seen.membranes)  # type: ignore[operator]
    return before.detach().double() * membrane_unit(seen)


def _inverse_scale(neuron: SpikingNeuron, rank: int) -> Tensor:
    scale = neuron.effective_scale().detach()
    return 1 / (scale if neuron.channels is None else scale.view(1, 1, -1, *(1,) * (rank - 3)))
