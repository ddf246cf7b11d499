"""What each layer of a network does with data: events, letters, membranes, and whether it is healthy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from shiftlif.errors import DataError
from shiftlif.network import Network, Observation, evaluating, letter_usage, thinned
from shiftlif.neuron import SpikingNeuron

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
SILENT = 0.001
QUIET = 0.02
"""Share of emissions other than 0 below which a layer is nearly silent: training warns, the report says why."""
SATURATED = 0.9
COLLAPSED = 0.999
SAMPLED = 20_000  # membranes kept per layer and batch for the quantiles
MOST = 1_000_000  # of all batches
CALIBRATED = "--calibrate error, in Python calibrate='error'"
"""How a scale is brought to its membranes, for those who type and for those who call."""


@dataclass(frozen=True)
class LayerStatistics:
    """One layer over all samples and steps.

    Attributes:
        name: qualified layer name.
        neurons: how many there are per sample.
        events: letters other than 0 per neuron and step.
        levels: the letters, ascending; empty where the layer has no alphabet.
        usage: share of each letter, in the order of ``levels``.
        membrane_quantiles: of the membrane after the reset, at `QUANTILES`, in the unit of the membrane.
    """

    name: str
    neurons: int
    events: float
    levels: tuple[float, ...]
    usage: tuple[float, ...]
    membrane_quantiles: tuple[float, ...]

    @property
    def silent(self) -> bool:
        """Fewer than 0.1 % of the emissions are events."""
        return self.events < SILENT

    @property
    def nearly_silent(self) -> bool:
        """Fewer than 2 % of the emissions are events, but at least 0.1 %."""
        return not self.silent and self.events < QUIET

    @property
    def saturated(self) -> bool:
        """More than 90 % of the emissions are the top letter."""
        return bool(self.usage) and self.usage[-1] > SATURATED

    @property
    def collapsed(self) -> bool:
        """One letter takes more than 99.9 % of the emissions."""
        return bool(self.usage) and max(self.usage) > COLLAPSED

    def findings(self) -> list[str]:
        """What is wrong with the layer, one sentence each; empty when nothing is."""
        found = []
        if self.silent:
            found.append(
                f"layer {self.name} is silent: {100 * self.events:.2f} % of its emissions are events; lower its scale "
                f"({CALIBRATED}) or the rate penalty"
            )
        if self.nearly_silent:
            spoken = [level for level, share in zip(self.levels, self.usage, strict=True) if level and share]
            alone = len(spoken) == 1 and len(self.levels) > 2
            found.append(
                f"layer {self.name} is nearly silent: {100 * self.events:.2f} % of its emissions are events"
                f"{f', all of them the letter {spoken[0]:g}' if alone else ''}; lower its scale ({CALIBRATED}) or the "
                "rate penalty"
            )
        if self.saturated:
            found.append(
                f"layer {self.name} is saturated: {100 * self.usage[-1]:.1f} % of its emissions are the top letter; "
                f"raise its scale ({CALIBRATED}) or take more levels"
            )
        if self.collapsed and not self.silent:
            top = self.usage.index(max(self.usage))
            found.append(
                f"layer {self.name} has collapsed: {100 * self.usage[top]:.2f} % of its emissions are the letter "
                f"{self.levels[top]:g}; calibrate its scale ({CALIBRATED})"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form, the three flags included."""
        flags = {"silent": self.silent, "saturated": self.saturated, "collapsed": self.collapsed}
        return {**asdict(self), **flags}


class _Sums:
    """Sums of one layer over batches."""

    def __init__(self) -> None:
        self.emissions = 0
        self.neurons = 0
        self.events = 0.0
        self.levels: tuple[float, ...] = ()
        self.usage: Tensor | None = None
        self.membranes: list[Tensor] = []

    def add(self, seen: Observation) -> None:
        spikes = seen.outputs
        self.emissions += spikes.numel()
        self.neurons = spikes[0, 0].numel()
        self.events += float(torch.count_nonzero(spikes))
        if isinstance(seen.layer, SpikingNeuron):
            self.levels = seen.layer.alphabet.levels
            usage = letter_usage(spikes, seen.layer, channel_axis=2).double() * spikes.numel()
            self.usage = usage if self.usage is None else self.usage + usage
        flat = seen.membranes.flatten()
        self.membranes.append(thinned(flat, SAMPLED).float())

    def statistics(self, name: str) -> LayerStatistics:
        kept = thinned(torch.cat(self.membranes), MOST)
        quantiles = torch.quantile(kept, torch.tensor(QUANTILES, device=kept.device))
        usage = () if self.usage is None else tuple((self.usage / self.emissions).tolist())
        return LayerStatistics(
            name, self.neurons, self.events / self.emissions, self.levels, usage, tuple(quantiles.tolist())
        )


@torch.no_grad()
def layer_statistics(network: Network, batches: Iterable[Tensor]) -> list[LayerStatistics]:
    """Statistics of every stateful layer, in evaluation mode.

    Args:
        network: left in the mode it was in.
        batches: network inputs ``[T, B, ...]``.

    Raises:
        DataError: there is no batch.
    """
    sums: dict[str, _Sums] = {}
    with evaluating(network):
        for x in batches:
            network.run(x, observer=lambda seen: sums.setdefault(seen.name, _Sums()).add(seen))
    if not sums and any(True for _ in network.stateful_layers()):
        raise DataError("layer statistics need at least one batch, got none")
    return [part.statistics(name) for name, part in sums.items()]
