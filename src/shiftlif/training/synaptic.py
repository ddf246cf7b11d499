"""Synaptic operations during training, and a penalty on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shiftlif.errors import ConfigurationError
from shiftlif.network import Network, Residual, StatefulLayer
from shiftlif.neuron import SpikingNeuron
from shiftlif.program import Conv, Linear
from shiftlif.program.cost import fan_out
from shiftlif.quantize import QuantizedSynapse
from shiftlif.quantize.absorb import SYNAPSES
from shiftlif.quantize.prepare import convolution_geometry


def connections(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """How many weights each input position ``[C, ...]`` of a Linear or Conv layer meets, borders included.

    Args:
        layer: Linear, Conv1d, Conv2d or a `shiftlif.quantize.QuantizedSynapse`.
        shape: of one sample at the layer's input.

    Returns:
        float64 ``[C, ...]``.
    """
    assert isinstance(layer, (*SYNAPSES, QuantizedSynapse))
    geometry: Any = layer.geometry if isinstance(layer, QuantizedSynapse) else convolution_geometry(layer)
    # The program's operation with this layer's connections; what its weights are does not matter.
    weight = np.zeros(tuple(layer.weight.shape), np.int8)
    operation = (
        Linear("layer", "input", weight) if geometry is None else Conv("layer", "input", weight, **geometry)
    )
    return torch.from_numpy(fan_out(operation, shape).astype(np.float64))


class SynapticPenalty:
    """Synaptic operations per step relative to the connections of the network, with a gradient.

    1 is as many operations a step as a non-spiking network of the shape has multiply-accumulates. Layers before the
    first neuron see the data and are left out of both: no training makes them cheaper.

    The value is the exact count. Counting has no derivative, so the gradient is that of the arriving letters
    relative to the layer's largest one, weighted alike: pushing operations down makes letters smaller, where they
    lead to many connections first, until they vanish. Letters of both signs are measured in units of their scale: a
    smaller scale makes spikes smaller but lowers the boundaries too, and without a silent side nothing keeps such a
    layer from sending outermost letters only. Where all letters are positive the scale is left to the task: a price
    that raises it costs more accuracy than operations.

    Args:
        network: float or prepared.

    Raises:
        ConfigurationError: no layer with weights follows a neuron.
    """

    def __init__(self, network: Network) -> None:
        self._layers: dict[nn.Module, tuple[nn.Module, ...]] = {}  # and the neurons whose letters reach them
        self._find(network.layers, ())
        if not self._layers:
            raise ConfigurationError(
                "a penalty on synaptic operations needs a layer with weights behind a neuron; this network has none"
            )
        self._connections: dict[nn.Module, Tensor] = {}  # in the inputs' dtype and on their device
        self._totals: dict[nn.Module, float] = {}

    def _find(self, layers: nn.ModuleDict, neurons: tuple[nn.Module, ...]) -> tuple[nn.Module, ...]:
        """Note the layers with weights that letters reach; the neurons whose letters leave the last one."""
        for layer in layers.values():
            if isinstance(layer, Residual):
                neurons = self._find(layer.body, neurons) + self._find(layer.shortcut, neurons)
            elif isinstance(layer, (*SYNAPSES, QuantizedSynapse)):
                if neurons:
                    self._layers[layer] = neurons
            elif isinstance(layer, SpikingNeuron | StatefulLayer):
                neurons = (layer,)
        return neurons

    @contextmanager
    def watch(self) -> Iterator[list[Tensor]]:
        """Inside the block a call of the network fills the list; `value` makes the penalty of it."""
        seen: list[Tensor] = []
        handles = [
            layer.register_forward_pre_hook(lambda layer, inputs: seen.append(self._arriving(layer, *inputs)))
            for layer in self._layers
        ]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()

    def value(self, seen: list[Tensor], x: Tensor) -> Tensor:
        """The penalty of what the call on ``x [T, B, ...]`` left in the list, a scalar."""
        total = sum(self._totals[layer] for layer in self._layers)
        return torch.stack(seen).sum() / (x.shape[0] * x.shape[1] * total)

    def _arriving(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Operations that the inputs ``[T B, C, ...]`` cause, with the gradient of their relative size."""
        weights = self._connections.get(layer)
        if weights is None or weights.device != x.device or weights.dtype != x.dtype:
            exactly = connections(layer, tuple(x.shape[1:]))
            self._totals[layer] = float(exactly.sum())
            weights = self._connections[layer] = exactly.to(x.device, x.dtype)
        top = x.detach().abs().max().clamp(min=torch.finfo(x.dtype).tiny)
        size = (x.abs() / (top * _relative_scale(self._layers[layer], x)) * weights).sum()
        exact = ((x.detach() != 0).sum(0) * weights).sum()
        return size + (exact - size).detach()


def _relative_scale(neurons: tuple[nn.Module, ...], x: Tensor) -> Tensor:
    """Ones, for the value, with the derivative of the scale relative to itself, for the channels of ``x [B, C, ...]``.

    Of neurons with letters of both signs only; where letters of several neurons meet, the mean of theirs.
    """
    signed = [n for n in dict.fromkeys(neurons) if isinstance(n, SpikingNeuron) and n.alphabet.signed]
    ones = [scale / scale.detach() for scale in (neuron.effective_scale() for neuron in signed)]
    # Flattened, a channel is as many neighbours as it had positions.
    wide = [one if len(one) == 1 else one.repeat_interleave(x.shape[1] // len(one)) for one in ones]
    if not wide:
        return x.new_ones(1)
    return (sum(wide, start=x.new_zeros(1)) / len(wide)).view(-1, *(1,) * (x.ndim - 2))
