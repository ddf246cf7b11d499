"""How much of the loss's gradient reaches each layer's currents at each time step, per surrogate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.network import Network, Observation, batch_statistics, readout, require_network
from shiftlif.neuron import SpikingNeuron
from shiftlif.surrogate import SURROGATES, Surrogate


class GradientRow(NamedTuple):
    """The gradient that reaches one layer's currents at one step.

    Attributes:
        surrogate: its name in configuration files, else its class.
        alpha: its steepness; None where it has none.
        layer: qualified layer name.
        step: from 0.
        norm: Euclidean norm over the layer's units of d(loss of a sample)/d(current), root mean square over samples.
        ratio: the norm over that of the last neuron layer at the same step; None where the latter is 0.
        share: of units and samples whose gradient is not exactly 0.
    """

    surrogate: str
    alpha: float | None
    layer: str
    step: int
    norm: float
    ratio: float | None
    share: float


def surrogates_named(names: Sequence[str], alphas: Sequence[float] = ()) -> list[Surrogate]:
    """Every named surrogate at every alpha; at its default where there is none, or where it has no alpha.

    Raises:
        ConfigurationError: a name is unknown, or an alpha is not positive and finite.
    """
    found: list[Surrogate] = []
    for name in names:
        if name not in SURROGATES:
            raise ConfigurationError(f"there is no surrogate {name!r}; choose among {', '.join(SURROGATES)}")
        kind = SURROGATES[name]
        steep = "alpha" in inspect.signature(kind).parameters
        found += [kind(alpha=alpha) for alpha in alphas] if steep and alphas else [kind()]
    return found


def name_of(surrogate: Surrogate) -> str:
    """Its name in configuration files; a periodic one says so; the class of one that is not the package's own."""
    for name, kind in SURROGATES.items():
        if type(surrogate) is kind:
            return f"{name} periodic" if getattr(surrogate, "periodic", False) else name
    return type(surrogate).__name__


def gradient_flow(
    network: Network,
    x: Tensor,
    labels: Tensor,
    surrogates: Sequence[Surrogate],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[GradientRow]:
    """Gradients of the cross-entropy of the mean read-out with respect to every neuron layer's currents.

    All neurons are given each surrogate in turn. Letters do not depend on it, so every surrogate sees the same forward
    pass. Normalisation uses batch statistics, as in training; dropout is off, so the numbers repeat.

    Args:
        network: left as it was: surrogates, gradients of parameters, running averages and mode.
        x: one batch ``[T, B, *input_shape]``.
        labels: class indices ``[B]``.
        surrogates: to compare.
        progress: called with (surrogates done, surrogates in all), first with none done.

    Returns:
        One row for each surrogate, layer and step, in this order; the layers in the order of computation.

    Raises:
        NetworkError: the network has no neuron, or the labels do not fit the batch.
    """
    require_network(network)
    neurons = [n for _, n in network.stateful_layers() if isinstance(n, SpikingNeuron)]
    if not neurons:
        raise NetworkError("the network has no spiking neuron, so no surrogate; pass one with neurons")
    if labels.shape != x.shape[1:2]:
        raise NetworkError(f"labels must be [B] = [{x.shape[1]}] for this batch, got {tuple(labels.shape)}")
    rows: list[GradientRow] = []
    with batch_statistics(network), _own_surrogates_afterwards(neurons):
        for done, surrogate in enumerate(surrogates):
            if progress is not None:
                progress(done, len(surrogates))
            for neuron in neurons:
                neuron.surrogate = surrogate
            rows += _rows(surrogate, current_gradients(network, x, labels))
    return rows


@contextmanager
def _own_surrogates_afterwards(neurons: Sequence[SpikingNeuron]) -> Iterator[None]:
    own = [neuron.surrogate for neuron in neurons]
    try:
        yield
    finally:
        for neuron, surrogate in zip(neurons, own, strict=True):
            neuron.surrogate = surrogate


def current_gradients(network: Network, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """d(sum of the samples' losses)/d(currents), ``[T, B, ...]`` by neuron layer, in the network's present mode.

    What the rest of the network makes of a layer's spikes gives dLoss/dSpikes; the layer alone, run again, turns it
    into dLoss/dCurrents. So a current that is the same at every step, which the network computes once, has a gradient
    for every step too.
    """
    seen: list[Observation] = []
    with torch.enable_grad():
        # A fresh leaf: gradients flow even where every parameter is frozen.
        outputs = network(x.detach().requires_grad_(), seen.append)
        loss = F.cross_entropy(readout(outputs), labels, reduction="sum")
        layers = [(o, o.layer) for o in seen if isinstance(o.layer, SpikingNeuron)]
        upstream = torch.autograd.grad(loss, [o.outputs for o, _ in layers], allow_unused=True)
        found: dict[str, Tensor] = {}
        for (o, neuron), reached in zip(layers, upstream, strict=True):
            currents = o.currents.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
            if reached is None:  # nothing reads this layer
                found[o.name] = torch.zeros_like(currents)
                continue
            (found[o.name],) = torch.autograd.grad(neuron(currents), currents, reached)
    return found


def _rows(surrogate: Surrogate, gradients: dict[str, Tensor]) -> list[GradientRow]:
    norms = {name: g.flatten(2).norm(dim=2).square().mean(1).sqrt().tolist() for name, g in gradients.items()}
    shares = {name: (g != 0).flatten(1).double().mean(1).tolist() for name, g in gradients.items()}
    last = norms[next(reversed(norms))]
    name, alpha = name_of(surrogate), getattr(surrogate, "alpha", None)
    return [
        GradientRow(name, alpha, layer, t, norm, norm / last[t] if last[t] > 0 else None, shares[layer][t])
        for layer, steps in norms.items()
        for t, norm in enumerate(steps)
    ]


class LayerFlow(NamedTuple):
    """The rows of one surrogate and layer as one.

    Attributes:
        surrogate, alpha, layer: as in `GradientRow`.
        norm: over all steps.
        ratio: over that of the last neuron layer; None where the latter is 0.
        steps: the norms of the steps.
        share: mean over the steps.
    """

    surrogate: str
    alpha: float | None
    layer: str
    norm: float
    ratio: float | None
    steps: tuple[float, ...]
    share: float

    @property
    def label(self) -> str:
        """Surrogate and alpha."""
        return self.surrogate if self.alpha is None else f"{self.surrogate} {self.alpha:g}"


def by_layer(rows: Sequence[GradientRow]) -> list[LayerFlow]:
    """`GradientRow`s with their steps taken together, in the same order."""
    groups: dict[tuple[str, float | None, str], list[GradientRow]] = {}
    for row in rows:
        groups.setdefault(row[:3], []).append(row)
    norms = {key: sum(row.norm**2 for row in group) ** 0.5 for key, group in groups.items()}
    last = {key[:2]: norm for key, norm in norms.items()}
    return [
        LayerFlow(
            *key,
            norms[key],
            norms[key] / last[key[:2]] if last[key[:2]] > 0 else None,
            tuple(row.norm for row in group),
            sum(row.share for row in group) / len(group),
        )
        for key, group in groups.items()
    ]
