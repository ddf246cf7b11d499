"""The scale at the start, from one batch (SPEC 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.network.container import Network, Observation, require_network
from shiftlif.neuron import SpikingNeuron, integrate, letters

METHODS = ("quantile", "error")


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
    """Share of each letter among spikes, ``[n_levels]``."""
    scale = neuron.effective_scale().detach()
    shape = [1] * spikes.ndim
    if neuron.channels is not None:
        shape[channel_axis] = neuron.channels
    q = spikes / scale.view(shape)
    levels = torch.tensor(neuron.alphabet.levels, dtype=q.dtype, device=q.device)
    # Letters are exact up to the rounding of the division: bucket at the midpoints.
    index = torch.bucketize(q.contiguous(), (levels[1:] + levels[:-1]) / 2)
    return torch.bincount(index.flatten(), minlength=len(levels)).to(q.dtype) / q.numel()


def _observe(network: Network, x: Tensor, name: str) -> Observation:
    """What the layer of that name did during one call."""
    seen: list[Observation] = []
    network.run(x, observer=lambda o: seen.append(o) if o.name == name else None)
    return seen[0]


def _pre_emission(observation: Observation, neuron: SpikingNeuron) -> Tensor:
    """H at every step ``[T, B, ...]``, from the membranes after the step before."""
    membranes = observation.membranes
    before = torch.cat([torch.zeros_like(membranes[:1]), membranes[:-1]])
    parameters = neuron.parameters_for(membranes.ndim - 1)
    return torch.stack(
        [integrate(i, v, parameters) for i, v in zip(observation.currents, before, strict=True)]
    )


def _choose(h: Tensor, neuron: SpikingNeuron, method: str, quantile: float) -> Tensor:
    """Scales ``[1]`` or ``[C]`` for membranes H ``[T, B, C, ...]``."""
    rows = h.reshape(1, -1) if neuron.channels is None else h.transpose(0, 2).reshape(neuron.channels, -1)
    rows = rows[:, :: max(1, rows.shape[1] // 20_000)]
    top = neuron.alphabet.levels[-1]
    positive = rows.abs() if neuron.alphabet.signed else rows.clamp(min=0)
    by_quantile = torch.stack([torch.quantile(row, quantile) for row in positive]).clamp(min=1e-6) / top
    if method == "quantile":
        return by_quantile
    # Minimum quantisation error: a grid of candidate scales around the quantile, per scale entry.
    factors = torch.logspace(-2, 1, 25, base=2.0, dtype=h.dtype, device=h.device)
    errors = []
    for factor in factors:
        s = (by_quantile * factor).unsqueeze(1)
        errors.append(((positive - s * letters(positive / s, neuron.alphabet)) ** 2).mean(1))
    return by_quantile * factors[torch.stack(errors).argmin(0)]


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
        One `LayerCalibration` per neuron layer; look at ``collapsed``.

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
    modes = {module: module.training for module in network.modules()}
    momenta = _freeze_batch_statistics(network)
    report: list[LayerCalibration] = []
    try:
        for name, neuron in network.stateful_layers():
            if not isinstance(neuron, SpikingNeuron):
                continue
            for _ in range(rounds):
                seen = _observe(network, x, name)
                neuron.scale.copy_(_choose(_pre_emission(seen, neuron), neuron, method, quantile))
                neuron.scale.clamp_(*neuron.scale_range)
            spikes = neuron.run(_observe(network, x, name).currents, None)[0]
            usage = letter_usage(spikes, neuron, channel_axis=2)
            report.append(
                LayerCalibration(name, neuron.effective_scale().clone(), usage, bool(usage.max() > 0.999))
            )
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode
    return report


def _freeze_batch_statistics(network: Network) -> dict[nn.modules.batchnorm._BatchNorm, float | None]:
    """Normalise by the batch (training mode, nothing dropped) without updating the running averages."""
    network.train()
    momenta: dict[nn.modules.batchnorm._BatchNorm, float | None] = {}
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            momenta[module] = module.momentum
            module.momentum = 0.0
        elif isinstance(module, nn.modules.dropout._DropoutNd):
            module.training = False
    return momenta
