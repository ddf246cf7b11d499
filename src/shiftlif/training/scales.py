"""What neurons have learnt about themselves: scales and time constants, as figures of an epoch."""

from __future__ import annotations

import torch

from shiftlif.network import Network
from shiftlif.neuron import SpikingNeuron


@torch.no_grad()
def learned_figures(network: Network) -> dict[str, float]:
    """Scales and time constants that are trained, by name; nothing for those that are fixed.

    Returns:
        ``scale/<layer>``, as it is used (inside its range, a power of two where asked for), the mean over channels;
        ``scale_low/<layer>`` and ``scale_high/<layer>``, where it is one per channel; ``tau/<layer>`` in steps.
    """
    found: dict[str, float] = {}
    for name, neuron in network.stateful_layers():
        if not isinstance(neuron, SpikingNeuron):
            continue
        if neuron.learnable_scale:
            scale = neuron.effective_scale()
            found[f"scale/{name}"] = float(scale.mean())
            if neuron.channels is not None:
                found[f"scale_low/{name}"] = float(scale.min())
                found[f"scale_high/{name}"] = float(scale.max())
        if neuron.decay_logit is not None:
            found[f"tau/{name}"] = neuron.tau
    return found
