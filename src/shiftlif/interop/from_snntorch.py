"""Import of networks trained with snnTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from shiftlif.interop.layers import (
    ImportedNeuron,
    Layers,
    Library,
    belongs_to,
    binary_neuron,
    import_network,
    refusal,
)
from shiftlif.network import Network

_PACKAGE = "snntorch"


def from_snntorch(net: Layers, input_shape: tuple[int, ...]) -> Network:
    """The `Network` that computes what a feed-forward snnTorch network of ``Leaky`` neurons computes.

    ``Leaky`` resets a step late. With ``subtract`` its membrane is ``U' = beta U + I - theta S``, S the spike that U
    emitted, which is ``beta (U - (theta / beta) S) + I``: the soft reset of `SpikingNeuron` with ``decay_input=False``,
    ``1 - 1/tau = beta`` and ``reset_gain = 1 / beta``. With ``zero`` it is ``beta (1 - S) U + I``, a hard reset.

    A spike of height 1 (or ``graded_spikes_factor``) at threshold theta becomes ``theta q``, and the next weights take
    the quotient. snnTorch spikes above the threshold, a neuron here from it on: they differ where a membrane equals
    its threshold. A last spiking layer gets a Linear read-out with one weight for each neuron, so that the mean over
    time of the outputs is the rate. The surrogate is ATan, whatever the original's was.

    Args:
        net: ``nn.Sequential`` of layers and ``Leaky(init_hidden=True)``, or, of a model with a loop of its own, the
            layers in the order in which it calls them: ``[m.fc1, m.lif1, m.fc2, m.lif2]``. It is not changed.
        input_shape: shape of one sample, channels first.

    Returns:
        A network in evaluation mode, in the precision and on the device of ``net``; outputs ``[T, N, ...]`` of
        ``[T, N, *input_shape]`` equal the original's up to rounding.

    Raises:
        NetworkError: a layer has no counterpart; the message names it. Or the layers do not fit ``input_shape``.
    """
    return import_network(net, input_shape, Library(_PACKAGE, (), _neuron, "Leaky"))


def _neuron(path: str, layer: nn.Module) -> ImportedNeuron | None:
    if not belongs_to(layer, _PACKAGE) or type(layer).__name__ != "Leaky":
        return None
    leaky: Any = layer
    _check(path, leaky)
    beta = _number(path, leaky, "beta")
    threshold = _number(path, leaky, "threshold")
    height = _number(path, leaky, "graded_spikes_factor")
    beta = min(max(beta, 0.0), 1.0)  # as its forward does
    options: dict[str, Any] = {"reset": "hard", "detach_reset": True}
    if leaky.reset_mechanism == "subtract":
        if beta == 0:
            raise refusal(path, layer, "beta 0 with reset 'subtract' keeps nothing but the reset; use 'zero'")
        options = {"reset": "soft", "reset_gain": 1 / beta, "detach_reset": True}
    return binary_neuron(
        path, layer, threshold=threshold, decay=1 - beta, height=height, decay_input=False, **options
    )


def _check(path: str, leaky: Any) -> None:
    """Refuse what is not a binary neuron with a state of its own."""
    if not hasattr(leaky, "reset_delay"):
        raise refusal(path, leaky, "it comes from an snnTorch older than 1.0, whose resets differ")
    if leaky.reset_mechanism == "none":
        raise refusal(
            path,
            leaky,
            "reset_mechanism 'none' has no counterpart; if it is a read-out, leave it out: the mean over time of the "
            "Linear layer before it gives the scores",
        )
    if leaky.reset_mechanism == "subtract" and not leaky.reset_delay:
        raise refusal(
            path,
            leaky,
            "reset_delay=False with reset 'subtract' compares a membrane that is still above its threshold with "
            "twice the threshold; use reset_delay=True",
        )
    if leaky.inhibition or leaky.state_quant:
        option = "inhibition" if leaky.inhibition else "state_quant"
        raise refusal(path, leaky, f"{option} has no counterpart; train without it")
    around = torch.tensor([-1.0, -0.01, 0.01, 1.0], device=leaky.threshold.device)
    if leaky.spike_grad(around).tolist() != [0.0, 0.0, 1.0, 1.0]:
        raise refusal(path, leaky, "its spike_grad does not emit 0 below and 1 above the threshold")


def _number(path: str, leaky: Any, name: str) -> float:
    values: torch.Tensor = getattr(leaky, name).detach().double().flatten()
    if len(values) == 0 or bool((values != values[0]).any()):
        raise refusal(path, leaky, f"{name} differs from neuron to neuron; use one for the layer")
    return float(values[0])
