"""Events and synaptic operations of any network, spiking or not, by the counting rules of `shiftlif.program.cost`.

The same count serves float networks that no program exists for, so that neurons are compared like with like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shiftlif.errors import DataError
from shiftlif.network import Network, Observation, evaluating
from shiftlif.quantize import IntegerReadout, QuantizedSynapse
from shiftlif.quantize.absorb import SYNAPSES
from shiftlif.training.synaptic import connections

ZERO = 1e-6
"""What is smaller than this share of a layer's largest input is the rounding of a sum that cancelled."""


@dataclass(frozen=True)
class LayerOperations:
    """One layer with weights, averaged per inference.

    Attributes:
        name: qualified layer name.
        events: inputs other than zero that arrive.
        synaptic_operations: events times connections, counted exactly (borders, stride, groups).
        multiply_accumulates: connections, what a dense evaluation computes.
    """

    name: str
    events: float
    synaptic_operations: float
    multiply_accumulates: float


@dataclass(frozen=True)
class Operations:
    """What an inference of a network costs, all steps added.

    A layer that sees the same frame at every step is counted once, as the integer program computes it.

    Attributes:
        layers: one entry per Linear or Conv layer, in order.
        emitted: outputs other than zero of every neuron (or activation) layer, by name.
        neurons: how many neurons those layers have together.
        steps: T.
        samples: what the averages are over.
    """

    layers: tuple[LayerOperations, ...]
    emitted: dict[str, float]
    neurons: int
    steps: int
    samples: int

    @property
    def totals(self) -> dict[str, float]:
        """Emitted events, synaptic operations and multiply-accumulates per inference."""
        return {
            "events": sum(self.emitted.values()),
            "synaptic_operations": sum(layer.synaptic_operations for layer in self.layers),
            "multiply_accumulates": sum(layer.multiply_accumulates for layer in self.layers),
        }

    @property
    def events_per_neuron_step(self) -> float:
        """Events emitted per neuron and step; 0 without neurons."""
        return sum(self.emitted.values()) / (self.neurons * self.steps) if self.neurons else 0.0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        rest = {"events_per_neuron_step": self.events_per_neuron_step, "samples": self.samples}
        return {**self.totals, **rest, "layers": [asdict(layer) for layer in self.layers]}


class _Sums:
    """Sums of one layer over batches: ``arrived`` counts each input position ``[C, ...]``."""

    def __init__(self) -> None:
        self.arrived: Tensor | None = None
        self.evaluations = 0


@torch.no_grad()
def count_operations(network: Network, batches: Iterable[Tensor]) -> Operations:
    """What an inference costs, averaged over the samples of the batches.

    Args:
        network: float, absorbed or prepared; counted in evaluation mode and left in the mode it was in.
        batches: network inputs ``[T, B, ...]``; of `shiftlif.network.direct_code` where one frame is shown
            at every step.

    Raises:
        DataError: there is no sample.
        CompileError: a convolution pads unevenly.
    """
    sums: dict[str, _Sums] = {}
    emitted: dict[str, float] = {}
    sizes: dict[str, int] = {}
    samples = steps = 0

    def emit(name: str, outputs: Tensor, neurons: int) -> None:
        emitted[name] = emitted.get(name, 0.0) + float(torch.count_nonzero(outputs))
        sizes[name] = neurons

    def observe(seen: Observation) -> None:
        if not isinstance(seen.layer, IntegerReadout):  # it only adds up
            emit(seen.name, seen.outputs, seen.outputs[0, 0].numel())

    with evaluating(network), _watched(network, sums, emit):
        for x in batches:
            steps, samples = len(x), samples + x.shape[1]
            network(x, observe)
    if samples == 0:
        raise DataError("operations are counted over samples, got none; pass at least one batch")
    synapses = {name: layer for name, layer in network.named_layers() if name in sums}
    layers = tuple(_layer(name, synapses[name], entry, samples) for name, entry in sums.items())
    averages = {name: count / samples for name, count in emitted.items()}
    return Operations(layers, averages, sum(sizes.values()), steps, samples)


@contextmanager
def _watched(
    network: Network, sums: dict[str, _Sums], emit: Callable[[str, Tensor, int], None]
) -> Iterator[None]:
    """Inside the block, what arrives at layers with weights and what leaves a plain ReLU is counted."""
    handles = []
    for name, layer in network.named_layers():
        if isinstance(layer, (*SYNAPSES, QuantizedSynapse)):

            def arrive(_: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                x = inputs[0]  # [T B, C, ...], or [B, C, ...] where every step sees the same
                entry = sums.setdefault(name, _Sums())
                arrived = (x.abs() > ZERO * x.abs().max()).sum(0, dtype=torch.int64)
                entry.arrived = arrived if entry.arrived is None else entry.arrived + arrived
                entry.evaluations += len(x)

            handles.append(layer.register_forward_pre_hook(arrive))
        elif isinstance(layer, nn.ReLU):  # it has no state, so the network does not observe it

            def leave(_: nn.Module, inputs: tuple[Tensor, ...], y: Tensor, name: str = name) -> None:
                emit(name, y, y[0].numel())

            handles.append(layer.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layer(name: str, layer: nn.Module, sums: _Sums, samples: int) -> LayerOperations:
    assert sums.arrived is not None
    arrived = sums.arrived.cpu().double()
    fan_out = connections(layer, tuple(arrived.shape))
    return LayerOperations(
        name,
        float(arrived.sum()) / samples,
        float((arrived * fan_out).sum()) / samples,
        float(fan_out.sum()) * sums.evaluations / samples,
    )
