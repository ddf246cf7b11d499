"""Import of networks trained with SpikingJelly."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from shiftlif.errors import NetworkError
from shiftlif.interop.layers import (
    ImportedNeuron,
    Layers,
    Library,
    belongs_to,
    binary_neuron,
    import_network,
    refusal,
)
from shiftlif.interop.spikingjelly import Node
from shiftlif.interop.surrogates import translated
from shiftlif.network import Network
from shiftlif.neuron import IF, PLIF

_PACKAGE = "spikingjelly"


def from_spikingjelly(net: Layers, input_shape: tuple[int, ...]) -> Network:
    """The `Network` that computes what a SpikingJelly network computes.

    Its layers may be torch's or SpikingJelly's wrappers of them, its neurons ``LIFNode``, ``IFNode``,
    ``ParametricLIFNode``, ``SimpleLIFNode``, ``SimpleIFNode`` and the nodes of `shiftlif.interop.spikingjelly`, in
    either step mode. A spike of height 1 at threshold theta becomes ``theta q``, and the next weights are divided by
    theta. A hard reset to ``v_reset`` becomes one to 0, with the threshold ``theta - v_reset``: SpikingJelly's nodes
    start at ``v_reset`` and leak towards it, so ``v - v_reset`` is a membrane that rests at 0. Its ``Simple`` nodes
    start at 0 whatever ``v_reset`` is: they are imported with ``v_reset`` 0 or None.

    A network that ends in a spiking layer gets a Linear read-out with one weight for each neuron (or for each that a
    ``VotingLayer`` lets vote for a class), so that the mean over time of the outputs is the rate, as it was.

    Args:
        net: ``nn.Sequential``, nested as may be, or the layers in order. It is not changed.
        input_shape: shape of one sample, channels first.

    Returns:
        A network in evaluation mode, in the precision and on the device of ``net``; outputs ``[T, N, ...]`` of
        ``[T, N, *input_shape]`` equal the original's up to rounding.

    Raises:
        NetworkError: a layer has no counterpart; the message names it. Or the layers do not fit ``input_shape``.
    """
    supported = "LIFNode, IFNode, ParametricLIFNode and the nodes of shiftlif.interop.spikingjelly"
    containers = ("SeqToANNContainer", "MultiStepContainer", "StepModeContainer")
    return import_network(net, input_shape, Library(_PACKAGE, containers, _neuron, supported))


def _neuron(path: str, layer: nn.Module) -> ImportedNeuron | None:
    if isinstance(layer, Node):
        return _own(path, layer)
    kind = type(layer).__name__.removeprefix("Simple")
    if not belongs_to(layer, _PACKAGE) or kind not in ("LIFNode", "IFNode", "ParametricLIFNode"):
        return None
    node: Any = layer
    rest = 0.0 if node.v_reset is None else float(node.v_reset)
    if rest != 0 and kind != type(layer).__name__:
        raise refusal(
            path,
            layer,
            f"it starts at 0 and resets to v_reset {node.v_reset}, where a neuron here starts where it resets to; use "
            f"{kind}, or v_reset 0 or None",
        )
    threshold = float(node.v_threshold) - rest
    if not 0 < threshold < math.inf:
        raise refusal(path, layer, f"its threshold {node.v_threshold} must lie above v_reset {node.v_reset}")
    if not getattr(node.surrogate_function, "spiking", True):
        raise refusal(
            path, layer, "its surrogate function emits no spikes; call set_spiking_mode(True) on it"
        )
    options: dict[str, Any] = {
        "threshold": threshold,
        "reset": "soft" if node.v_reset is None else "hard",
        "detach_reset": node.detach_reset,
        "surrogate": translated(node.surrogate_function, threshold),
    }
    if kind == "IFNode":
        return binary_neuron(path, layer, kind=IF, decay=0.0, **options)
    if kind == "LIFNode":
        return binary_neuron(path, layer, decay=1 / node.tau, decay_input=node.decay_input, **options)
    logit = node.w.detach()
    decay = float(torch.sigmoid(logit.double()))
    imported = binary_neuron(path, layer, kind=PLIF, decay=decay, decay_input=node.decay_input, **options)
    with torch.no_grad():
        imported.neuron.decay_logit.copy_(logit)  # type: ignore[union-attr]
    return imported


def _own(path: str, node: Node) -> ImportedNeuron:
    neuron = copy.deepcopy(node.neuron)
    scale = neuron.effective_scale().detach()
    if not node.unit_spikes:
        return ImportedNeuron(neuron, float(scale.double().flatten()[0]))
    if bool((scale != scale.flatten()[0]).any()):
        raise NetworkError(
            f"layer {path} ({node.kind} node) has a threshold for each channel and spikes of height 1, which cannot "
            "be imported; use one threshold for the layer, or a multi-level node, whose spikes have their scale"
        )
    return ImportedNeuron(neuron, 1.0)
