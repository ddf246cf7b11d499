"""Networks of other libraries as a `Network`: what their imports share.

Layers are torch's own, or wrappers that a library derived from them under the same name. A library's neuron emits
spikes of some height (1) where a neuron here emits its scale s, its threshold; the next weights take the quotient.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.network import Network, direct_code
from shiftlif.neuron import LIF, SpikingNeuron
from shiftlif.neuron.modules import SCALE_RANGE

Layers = nn.Module | Sequence[nn.Module]
"""A network: ``nn.Sequential``, nested as may be, or its layers in order."""

_SYNAPSES = ("Linear", "Conv1d", "Conv2d")
_NORMS = ("BatchNorm1d", "BatchNorm2d")
_DROPPED = ("Dropout", "Dropout1d", "Dropout2d")
_POOLS = ("AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d")
_LAYERS = (*_SYNAPSES, *_NORMS, *_DROPPED, *_POOLS, "Flatten", "Identity")


class ImportedNeuron(NamedTuple):
    """A neuron with the original's letters, membranes and gradients.

    Attributes:
        neuron: emits its scale where the original emits ``height``.
        height: of the original's spike; the scale itself where the original emits what ``neuron`` emits.
    """

    neuron: SpikingNeuron
    height: float

    @property
    def gain(self) -> float:
        """What the weights behind the neuron are multiplied by."""
        scale = self.neuron.effective_scale().detach()
        return self.height / float(scale.double().flatten()[0])


class Library(NamedTuple):
    """What tells one library's networks from another's.

    Attributes:
        package: its top-level package, whose wrappers of torch layers count as torch's.
        containers: its classes that apply their children in order.
        neuron: the neuron that a layer is, None for a layer that is none; raises a NetworkError for one that has
            no counterpart.
        supported: its neurons, for messages.
    """

    package: str
    containers: tuple[str, ...]
    neuron: Callable[[str, nn.Module], ImportedNeuron | None]
    supported: str


def belongs_to(layer: object, package: str) -> bool:
    """Whether the class of ``layer`` was defined in that package."""
    return type(layer).__module__.split(".")[0] == package


def import_network(net: Layers, input_shape: tuple[int, ...], library: Library) -> Network:
    """The network of another library's layers, in evaluation mode; the original is not changed.

    Args:
        net: the layers.
        input_shape: shape of one sample, channels first.
        library: whose they are.

    Raises:
        NetworkError: a layer has no counterpart (named), or the layers do not fit the input shape.
    """
    leaves = list(_leaves(net, "", library))
    like = next((p for _, layer in leaves for p in layer.parameters()), torch.zeros(1))
    layers: list[nn.Module] = []
    gain, spiking, voters = 1.0, "", 1
    for path, layer in leaves:
        if voters > 1:
            raise NetworkError(f"layer {path} follows a VotingLayer, which can only be the last layer")
        imported = library.neuron(path, layer)
        if imported is not None:
            _refuse_gain(path, layer, gain, spiking)
            layers.append(imported.neuron.to(like.device, like.dtype))
            gain, spiking = imported.gain, path
            continue
        if type(layer).__name__ == "VotingLayer" and belongs_to(layer, library.package) and spiking:
            voters = int(layer.voting_size)  # type: ignore[arg-type]
            continue
        plain = _plain(path, layer, library)
        kind = type(plain).__name__
        if kind in _NORMS:
            _refuse_gain(path, layer, gain, spiking)
        if kind in _SYNAPSES:
            with torch.no_grad():
                plain.weight.mul_(gain)  # type: ignore[operator,union-attr]
            gain, spiking = 1.0, ""
        layers.append(plain)
    if not layers:
        raise NetworkError("the network has no layers")
    network = Network(*layers, input_shape=input_shape).eval()
    shape = _output_shape(network, like)
    if spiking:
        layers.append(_rate_readout(spiking, shape, gain, voters, like))
        network = Network(*layers, input_shape=input_shape).eval()
    return network


def _leaves(net: object, path: str, library: Library) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(net, list | tuple):
        children = [(str(i), child) for i, child in enumerate(net)]
    elif getattr(type(net), "forward", None) is nn.Sequential.forward or (
        type(net).__name__ in library.containers and belongs_to(net, library.package)
    ):
        children = list(net.named_children())  # type: ignore[attr-defined]
    elif isinstance(net, nn.Module):
        yield path, net
        return
    else:
        raise NetworkError(
            f"layer {path or 'net'} is a {type(net).__name__}, expected a torch module or a list of them"
        )
    for name, child in children:
        yield from _leaves(child, f"{path}.{name}" if path else name, library)


def refusal(path: str, layer: nn.Module, reason: str) -> NetworkError:
    """The error for a layer that cannot be imported."""
    return NetworkError(f"layer {path or 'net'} ({type(layer).__name__}) cannot be imported: {reason}")


def _refuse_gain(path: str, layer: nn.Module, gain: float, spiking: str) -> None:
    if gain != 1:
        raise refusal(
            path,
            layer,
            f"it follows the neuron {spiking} with no weights between them, and those would have to take the factor "
            f"{gain:g} from a spike of that neuron to its threshold; put a Linear or Conv layer between them",
        )


def _plain(path: str, layer: nn.Module, library: Library) -> nn.Module:
    """A copy of a torch layer, or of a wrapper of one, as torch's own class."""
    name = type(layer).__name__
    if name not in _LAYERS or not any(belongs_to(layer, p) for p in ("torch", "shiftlif", library.package)):
        reason = f"supported are nn.Sequential, {', '.join(_LAYERS)}, {library.supported}"
        if next(layer.children(), None) is not None:
            hint = "what its forward does cannot be read; pass its layers in order, as nn.Sequential or as a list"
            reason = f"{hint}; {reason}"
        raise refusal(path, layer, reason)
    if layer._forward_pre_hooks:
        raise refusal(
            path,
            layer,
            "it computes its weights in a hook (weight_norm, pruning); make them permanent first, for example with "
            "torch.nn.utils.remove_weight_norm",
        )
    cls: type[nn.Module] = getattr(nn, name)
    if not isinstance(layer, cls):
        return cls(layer.p)  # SpikingJelly's dropout, which keeps its mask over time, is no torch dropout
    copied = copy.deepcopy(layer)
    plain = cls.__new__(cls)
    plain.__dict__.update(copied.__dict__)
    plain.__dict__.pop("_step_mode", None)
    for hooks in (plain._forward_hooks, plain._backward_hooks):  # monitors of the original
        hooks.clear()
    return plain


def _output_shape(network: Network, like: Tensor) -> tuple[int, ...]:
    try:
        with torch.no_grad():
            y = network(direct_code(like.new_zeros(1, *network.input_shape), 1))
    except RuntimeError as error:
        raise NetworkError(
            f"the layers do not fit an input of shape {network.input_shape}: {error}"
        ) from error
    return tuple(y.shape[2:])


def _rate_readout(path: str, shape: tuple[int, ...], gain: float, voters: int, like: Tensor) -> nn.Linear:
    """Weights that make the mean over time of a last spiking layer the read-out: its rates, or votes of ``voters``."""
    if len(shape) != 1 or shape[0] < voters:
        raise NetworkError(
            f"layer {path} ends the network with spikes of shape {shape} per sample, expected one axis of at least "
            f"{voters}; add a Flatten layer"
        )
    classes = shape[0] // voters  # neurons that are left over do not vote
    readout = nn.Linear(shape[0], classes, bias=False, device=like.device, dtype=like.dtype)
    rows = torch.eye(classes, dtype=like.dtype, device=like.device).repeat_interleave(voters, dim=1)
    with torch.no_grad():
        readout.weight.zero_()
        readout.weight[:, : classes * voters] = rows * (gain / voters)
    return readout


def binary_neuron(
    path: str,
    layer: nn.Module,
    *,
    threshold: float,
    decay: float,
    height: float = 1.0,
    kind: Callable[..., SpikingNeuron] = LIF,
    **options: Any,
) -> ImportedNeuron:
    """A binary neuron with exactly these numbers, in float64.

    Args:
        path: of the layer, for messages.
        layer: the original.
        threshold: scale s.
        decay: ``1 / tau``, in [0, 1].
        height: of the original's spike.
        kind: LIF, IF or PLIF.
        options: further options of that neuron.

    Raises:
        NetworkError: no such neuron exists; the message names the layer.
    """
    if not 0 < threshold < math.inf:
        raise refusal(
            path, layer, f"its threshold lies {threshold:g} above its reset; it must be positive and finite"
        )
    if not 0 < height < math.inf:
        raise refusal(path, layer, f"its spikes have the height {height:g}; it must be positive and finite")
    low, high = SCALE_RANGE
    try:
        neuron = kind(
            scale=threshold,
            scale_range=(min(low, threshold), max(high, threshold)),
            tau=math.inf if decay == 0 else 1 / decay,
            **options,
        ).double()
    except ConfigurationError as error:
        raise refusal(path, layer, str(error)) from error
    with torch.no_grad():
        neuron.scale.fill_(threshold)
        neuron.fixed_decay.fill_(decay)
    return ImportedNeuron(neuron, height)
