"""The scale at the start, from one batch (SPEC 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.network.container import Network, Observation, require_network
from shiftlif.network.distribution import Distribution, best_scale
from shiftlif.neuron import SpikingNeuron, integrate

METHODS = ("quantile", "error")
SAMPLED = 20_000  # membranes looked at per scale entry


class LayerCalibration(NamedTuple):
    """What calibration chose for one neuron layer.

    Attributes:
        name: qualified layer name.
        scale: chosen scales, ``[1]`` or ``[C]``.
        usage: share of each letter, ``[n_levels]``, after the choice.
        collapsed: whether one letter takes more than 99.9 % of all emissions.
    """

    name: str
    scale: Tensor
    usage: Tensor
    collapsed: bool


def letter_usage(spikes: Tensor, neuron: SpikingNeuron, channel_axis: int) -> Tensor:
    """Share of each letter among spikes, ``[n_levels]``.

    Args:
        spikes: of any shape.
        neuron: which sent them.
        channel_axis: which of their axes is the channel.
    """
    scale = neuron.effective_scale().detach()
    shape = [1] * spikes.ndim
    if neuron.channels is not None:
        shape[channel_axis] = neuron.channels
    index = letter_indices(spikes / scale.view(shape), neuron.alphabet.levels)
    return (
        torch.bincount(index.flatten(), minlength=neuron.alphabet.n_levels).to(spikes.dtype) / spikes.numel()
    )


def letter_indices(q: Tensor, levels: Sequence[float]) -> Tensor:
    """The place of each letter in its alphabet, int64, the shape of ``q``; letters are near ``levels``, to rounding."""
    table = torch.tensor(levels, dtype=q.dtype, device=q.device)
    return torch.bucketize(q.contiguous(), (table[1:] + table[:-1]) / 2)


def observe(network: Network, x: Tensor, name: str) -> Observation:
    """What the layer of that name did while ``network`` was called with x ``[T, B, ...]``."""
    seen: list[Observation] = []
    network.run(x, observer=lambda o: seen.append(o) if o.name == name else None)
    return seen[0]


def pre_emission(currents: Tensor, neuron: SpikingNeuron) -> Tensor:
    """H of the neuron at every step, ``[T, B, ...]``, for currents ``[T, B, ...]``, from the zero state."""
    membranes = neuron.run(currents, None, last=False, record=True)[2]
    assert membranes is not None  # asked for
    before = torch.cat([torch.zeros_like(membranes[:1]), membranes[:-1]])
    parameters = neuron.parameters_for(membranes.ndim - 1)
    return torch.stack([integrate(i, v, parameters) for i, v in zip(currents, before, strict=True)])


def thinned(values: Tensor, most: int) -> Tensor:
    """At most so many entries of the last axis of values ``[..., N]``, drawn with a fixed seed; all where N is no more.

    A fixed stride would not do: where it is a multiple of a layer's size, it sees one neuron only.
    """
    n = values.shape[-1]
    if n <= most:
        return values
    index = torch.randint(n, (most,), generator=torch.Generator().manual_seed(0)).sort().values
    return values[..., index.to(values.device)]


def sampled_rows(h: Tensor, neuron: SpikingNeuron) -> Tensor:
    """Membranes by scale entry, ``[1, N]`` or ``[C, N]`` of H ``[T, B, C, ...]``; `thinned` where N is large."""
    rows = h.reshape(1, -1) if neuron.channels is None else h.transpose(0, 2).reshape(neuron.channels, -1)
    return thinned(rows, SAMPLED)


def distributions(h: Tensor, neuron: SpikingNeuron) -> list[Distribution]:
    """`sampled_rows` of H ``[T, B, C, ...]`` as distributions, one per scale entry of the neuron."""
    rows = sampled_rows(h, neuron).detach().cpu().numpy()
    return [Distribution.of(row, signed=neuron.alphabet.signed) for row in rows]


def least_error_scales(rows: list[Distribution], neuron: SpikingNeuron) -> Tensor:
    """The neuron's scales of least error for rows from `distributions`, ``[1]`` or ``[C]``, in its ``scale_range``."""
    low, high = neuron.scale_range
    found = [
        best_scale(row, neuron.alphabet, low=low, high=high, power_of_two=neuron.scale_power_of_two)
        for row in rows
    ]
    return neuron.scale.new_tensor(found)


def _choose(h: Tensor, neuron: SpikingNeuron, method: str, quantile: float) -> Tensor:
    """Scales ``[1]`` or ``[C]`` for membranes H ``[T, B, C, ...]``."""
    if method == "error":
        return least_error_scales(distributions(h, neuron), neuron)
    rows = sampled_rows(h, neuron)
    positive = rows.abs() if neuron.alphabet.signed else rows.clamp(min=0)
    reached = torch.stack([torch.quantile(row, quantile) for row in positive]).clamp(min=1e-6)
    return (reached / neuron.alphabet.levels[-1]).clamp(*neuron.scale_range)


@torch.no_grad()
def calibrate(
    network: Network, x: Tensor, *, method: str = "quantile", quantile: float = 0.99, rounds: int = 2
) -> list[LayerCalibration]:
    """Set every neuron's scale from one batch, so that its alphabet covers its membrane.

    Layers are set front to back, each seeing its predecessors already calibrated; a layer's own reset
    depends on its scale, so each is set ``rounds`` times.

    Args:
        network: changed in place (scales only); batch statistics are used but not updated.
        x: one batch ``[T, B, *input_shape]``.
        method: ``quantile`` (the given quantile of the positive membrane maps to the top letter) or
            ``error`` (minimum squared quantisation error).
        quantile: for ``quantile``, in (0, 1].
        rounds: passes per layer.

    Returns:
        One `LayerCalibration` per neuron layer whose scale may be chosen; look at ``collapsed``.

    Raises:
        ConfigurationError: unknown method or a quantile out of range.
        NetworkError: the batch does not fit the network, is empty, or is not finite.
    """
    require_network(network)
    if method not in METHODS or not 0 < quantile <= 1:
        raise ConfigurationError(
            f"method must be one of {METHODS} and 0 < quantile <= 1, got {method!r}, {quantile!r}"
        )
    if x.numel() == 0 or not torch.isfinite(x).all():
        raise NetworkError("calibration needs a batch of finite values, got an empty or non-finite one")
    report: list[LayerCalibration] = []
    with batch_statistics(network):
        for name, neuron in network.stateful_layers():
            if not isinstance(neuron, SpikingNeuron) or not neuron.calibrates:
                continue
            currents = observe(network, x, name).currents
            for _ in range(rounds):
                neuron.scale.copy_(_choose(pre_emission(currents, neuron), neuron, method, quantile))
            usage = letter_usage(neuron(currents), neuron, channel_axis=2)
            report.append(
                LayerCalibration(name, neuron.effective_scale().clone(), usage, bool(usage.max() > 0.999))
            )
    return report


@contextmanager
def batch_statistics(network: Network) -> Iterator[None]:
    """Normalise by the batch, as in training, but drop nothing and leave running averages and modes as they were."""
    modes = {module: module.training for module in network.modules()}
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = {norm: norm.momentum for norm in norms}
    seen = {norm: norm.num_batches_tracked.clone() for norm in norms if norm.num_batches_tracked is not None}
    network.train()
    for norm in norms:
        norm.momentum = 0.0
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.training = False
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        with torch.no_grad():
            for norm, count in seen.items():
                norm.num_batches_tracked = count
        for module, mode in modes.items():
            module.training = mode
