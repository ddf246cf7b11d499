"""Absorption: every scale goes into weights, so synapses see letters only (SPEC 5).

``W S = (s W) q``: a neuron's scale s multiplies the next layer's weights and divides its own input
weights and bias, which its input gain multiplies. Batch normalisation folds first, the divisor of
average pooling goes the way of a scale, dropout disappears.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shiftlif.errors import CompileError
from shiftlif.network import Network, Residual, require_network
from shiftlif.neuron import SpikingNeuron, refusal
from shiftlif.quantize.pooling import AVERAGE, MAXIMUM, SumPool, pooling_window
from shiftlif.quantize.shapes import layer_shapes

SYNAPSES = (nn.Linear, nn.Conv1d, nn.Conv2d)
Synapse = nn.Linear | nn.Conv1d | nn.Conv2d
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_DROPPED = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)


@dataclass
class _Wire:
    """What travels between two layers: letters times ``unit``, or the current of ``synapse``."""

    unit: Tensor  # [1] or one value per channel
    synapse: Synapse | None = None
    pooled: bool = False  # whether the current was pooled since it left the synapse


def absorb(network: Network) -> Network:
    """A copy whose every scale is 1, equal to the original in evaluation mode.

    Equal up to float rounding; bit for bit when there is no batch normalisation and every scale is a
    power of two. The original is not changed.

    Args:
        network: trained; evaluation statistics of its batch normalisation are used.

    Returns:
        A network of Linear and Conv layers with bias, `SumPool`, max pooling, Flatten, `Residual` and
        neurons with scale 1, in evaluation mode, with the names of the original layers.

    Raises:
        CompileError: a layer cannot be absorbed; the message names it and says what to use instead.
    """
    require_network(network)
    _check_dynamics(network)
    seen: dict[int, str] = {}
    for name, layer in network.named_layers():
        if id(layer) in seen:
            raise CompileError(
                f"layer {name} is the same object as layer {seen[id(layer)]}: weights used twice cannot absorb "
                "two scales; build one layer for each place"
            )
        seen[id(layer)] = name
    result = copy.deepcopy(network).eval()
    shapes = layer_shapes(result)
    with torch.no_grad():
        dtype = next((p.dtype for p in result.parameters()), torch.float32)
        device = next((p.device for p in result.parameters()), torch.device("cpu"))
        wire = _absorb_layers(result.layers, "", _Wire(torch.ones(1, dtype=dtype, device=device)), shapes)
    if not isinstance(wire.synapse, nn.Linear) or wire.pooled:
        last = list(network.layers)[-1]
        raise CompileError(
            f"layer {last} ends the network, but only a Linear read-out can: a neuron's scale would have no weights "
            "behind it to go into; add a Linear layer"
        )
    result.requires_grad_(True)
    for _, layer in result.stateful_layers():
        if isinstance(layer, SpikingNeuron):
            layer.scale.requires_grad_(False)
    return result


def absorb_scales_to_weights(model: Network) -> Network:
    """`absorb` in place, under the name of the description this project started from; returns ``model``.

    Call it once, after training: it changes ``model`` itself.
    """
    absorbed = absorb(model)
    model.layers = absorbed.layers
    return model.eval()


def check_absorbed(network: Network) -> None:
    """Raise a CompileError naming the first layer that still holds a scale."""
    _check_dynamics(network)
    for name, layer in network.named_layers():
        if isinstance(layer, SpikingNeuron):
            scale = layer.effective_scale().detach()
            if layer.learnable_scale or layer.input_gain != 1 or bool((scale != 1).any()):
                raise CompileError(
                    f"layer {name} still holds a scale ({scale.flatten()[0].item():g}); call absorb(network) first"
                )
        elif isinstance(layer, (*_NORMS, *AVERAGE)):
            raise CompileError(
                f"layer {name} ({type(layer).__name__}) is not folded into weights; call absorb(network) first"
            )


def _check_dynamics(network: Network) -> None:
    for name, layer in network.named_layers():
        reason = refusal(layer)
        if reason is not None:
            raise CompileError(f"layer {name} ({type(layer).__name__}) cannot be compiled: {reason}")


def _absorb_layers(
    layers: nn.ModuleDict, prefix: str, wire: _Wire, shapes: dict[str, tuple[int, ...]]
) -> _Wire:
    for name, layer in list(layers.items()):
        path = prefix + name
        if isinstance(layer, SYNAPSES):
            wire = _absorb_synapse(path, layer, wire)
        elif isinstance(layer, _NORMS):
            if wire.synapse is None or wire.pooled:
                raise CompileError(
                    f"layer {path} ({type(layer).__name__}) must directly follow a Linear or Conv layer to be folded"
                )
            _fold_batch_norm(path, layer, wire.synapse)
            del layers[name]
        elif isinstance(layer, SpikingNeuron):
            wire = _absorb_neuron(path, layer, wire)
        elif isinstance(layer, (*AVERAGE, SumPool)):
            if not isinstance(layer, SumPool):
                kernel, stride = pooling_window(path, layer, shapes[path][1:])
                layers[name] = SumPool(kernel, stride)
                _scale_wire(wire, 1.0 / math.prod(kernel))
            wire.pooled = True
        elif isinstance(layer, MAXIMUM):
            pooling_window(path, layer, shapes[path][1:])
            wire.pooled = True
        elif isinstance(layer, nn.Flatten):
            if layer.start_dim != 1 or layer.end_dim != -1:
                raise CompileError(f"layer {path}: only Flatten(start_dim=1, end_dim=-1) can be compiled")
            if len(wire.unit) > 1:
                wire.unit = wire.unit.repeat_interleave(math.prod(shapes[path][1:]))
            wire.pooled = True
        elif isinstance(layer, Residual):
            wire = _absorb_residual(path, layer, wire, shapes)
        elif isinstance(layer, _DROPPED):
            del layers[name]
        else:
            raise CompileError(
                f"layer {path} ({type(layer).__name__}) cannot be compiled; use Linear, Conv1d, Conv2d, BatchNorm, "
                "AvgPool, MaxPool, Flatten, Dropout, Residual and shiftlif neurons"
            )
    return wire


def _scale_wire(wire: _Wire, factor: float) -> None:
    if wire.synapse is None:
        wire.unit = wire.unit * factor
    else:
        # The bias is summed over the window as often as the divisor says, so it shrinks as well.
        wire.synapse.weight.mul_(factor)
        if wire.synapse.bias is not None:
            wire.synapse.bias.mul_(factor)


def _absorb_synapse(path: str, layer: Synapse, wire: _Wire) -> _Wire:
    if wire.synapse is not None:
        raise CompileError(
            f"layer {path} ({type(layer).__name__}) follows another layer with weights: its input would be a current "
            "of many bits, not letters; put a neuron between them"
        )
    if not isinstance(layer, nn.Linear) and layer.padding_mode != "zeros":
        raise CompileError(
            f"layer {path}: padding_mode {layer.padding_mode!r} cannot be compiled; use 'zeros'"
        )
    unit = wire.unit
    if len(unit) > 1 and not isinstance(layer, nn.Linear):
        # Channel c of the input is column c % (C / groups) of the weights of group c // (C / groups).
        per_group = layer.in_channels // layer.groups
        rows = unit.view(layer.groups, per_group).repeat_interleave(layer.out_channels // layer.groups, dim=0)
        layer.weight.mul_(rows.view(layer.out_channels, per_group, *(1,) * (layer.weight.ndim - 2)))
    else:
        layer.weight.mul_(unit)
    if layer.bias is None:
        layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))
    return _Wire(torch.ones_like(unit[:1]), layer)


def _fold_batch_norm(path: str, norm: nn.BatchNorm1d | nn.BatchNorm2d, synapse: Synapse) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise CompileError(f"layer {path}: batch normalisation without running statistics cannot be folded")
    factor = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        factor = factor * norm.weight
    synapse.weight.mul_(factor.view(-1, *(1,) * (synapse.weight.ndim - 1)))
    assert synapse.bias is not None  # _absorb_synapse gave it one
    synapse.bias.copy_((synapse.bias - norm.running_mean) * factor)
    if norm.bias is not None:
        synapse.bias.add_(norm.bias)


def _absorb_neuron(path: str, neuron: SpikingNeuron, wire: _Wire) -> _Wire:
    if wire.synapse is None:
        raise CompileError(
            f"layer {path} ({type(neuron).__name__}) has no weights before it that could take its scale; "
            "put a Linear or Conv layer before it"
        )
    scale = neuron.effective_scale().detach().clone()
    synapse = wire.synapse
    divisor = scale / neuron.input_gain
    synapse.weight.div_(divisor.view(-1, *(1,) * (synapse.weight.ndim - 1)))
    assert synapse.bias is not None
    synapse.bias.div_(divisor)
    neuron.input_gain = 1.0
    neuron.scale = nn.Parameter(torch.ones_like(scale[:1]), requires_grad=False)
    neuron.channels = None
    neuron.scale_power_of_two = False
    neuron.scale_range = (min(1.0, neuron.scale_range[0]), max(1.0, neuron.scale_range[1]))
    return _Wire(scale)


def _absorb_residual(path: str, layer: Residual, wire: _Wire, shapes: dict[str, tuple[int, ...]]) -> _Wire:
    if wire.synapse is not None:
        raise CompileError(f"layer {path}: a residual block must start from letters; put a neuron before it")
    body = _absorb_layers(layer.body, path + ".", _Wire(wire.unit), shapes)
    shortcut = _absorb_layers(layer.shortcut, path + ".shortcut.", _Wire(wire.unit), shapes)
    if body.synapse is not None or shortcut.synapse is not None:
        raise CompileError(
            f"layer {path}: both branches must end in letters before they are added; end each with a neuron"
        )
    ratio = torch.log2(body.unit / shortcut.unit)
    exponent = int(ratio.flatten()[0].round())
    if bool((ratio != exponent).any()):
        raise CompileError(
            f"layer {path}: the branches' scales {body.unit.flatten()[0].item():g} and "
            f"{shortcut.unit.flatten()[0].item():g} must differ by a power of two for their letters to be added by "
            "shifts; use scale_power_of_two=True for the neurons that end the branches (one scale per layer)"
        )
    low = min(exponent, 0)
    layer.shifts = (layer.shifts[0] + exponent - low, layer.shifts[1] - low)
    unit = body.unit / 2.0 ** (exponent - low)
    return _Wire(unit if len(unit) >= len(shortcut.unit) else shortcut.unit / 2.0**-low)
