"""Shapes inside a network, found by running it once on zeros."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from shiftlif.errors import NetworkError
from shiftlif.network import Network, direct_code, evaluating
from shiftlif.neuron import SpikingNeuron


def layer_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shape of one sample at the input of each layer without time, by qualified name.

    Raises:
        NetworkError: the layers do not fit each other or the input shape.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    handles = []
    for name, layer in network.named_layers():
        if isinstance(layer, SpikingNeuron):
            continue

        def record(_: nn.Module, inputs: tuple[Any, ...], __: Any, name: str = name) -> None:
            shapes[name] = tuple(inputs[0].shape[1:])

        handles.append(layer.register_forward_hook(record))
    parameter = next(network.parameters(), torch.zeros(1))
    try:
        with evaluating(network), torch.no_grad():
            network(direct_code(parameter.new_zeros(2, *network.input_shape), 1))
    except RuntimeError as error:
        raise NetworkError(
            f"the layers do not fit an input of shape {network.input_shape}: {error}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return shapes
