"""The spiking network as PyTorch and SpikingJelly simulate it: float32, evaluation mode, batch normalisation folded."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from benchmarks.engine.names import COMPILED, FUSED, LAYERS, SPIKINGJELLY, STEP_LOOP
from benchmarks.training_kernels import networks
from benchmarks.training_kernels.timing import Run
from shiftlif import LIF
from shiftlif.kernels import use
from shiftlif.models import MODELS
from shiftlif.network import Network, direct_code, readout
from shiftlif.training import Run as TrainedRun


def layer_by_layer(network: Network, steps: int) -> Callable[[Tensor], Tensor]:
    """Scores of frames ``[B, ...]``: each layer over all steps, what is the same at every step once."""
    return lambda x: readout(network(direct_code(x, steps)))


def step_by_step(network: Network, steps: int) -> Callable[[Tensor], Tensor]:
    """The same with the loop over time outside, as a stream comes."""

    def forward(x: Tensor) -> Tensor:
        y, state = network.step(x)
        for _ in range(steps - 1):
            more, state = network.step(x, state)
            y = y + more
        return y / steps

    return forward


def _called(forward: Callable[[Tensor], Any], x: Tensor, kernels: str) -> Run:
    def run() -> object:
        with torch.inference_mode(), use(kernels):
            return forward(x)

    return run


def simulations(network: Network, steps: int, x: Tensor) -> dict[str, Run]:
    """PyTorch's ways to the scores of ``x [B, ...]`` by contender.

    Args:
        network: absorbed, in evaluation mode.
        steps: T.
        x: real inputs.
    """
    torch._dynamo.reset()
    whole = layer_by_layer(network, steps)
    return {
        LAYERS: _called(whole, x, "reference"),
        FUSED: _called(whole, x, "auto"),
        STEP_LOOP: _called(step_by_step(network, steps), x, "reference"),
        COMPILED: _called(torch.compile(whole, dynamic=False), x, "reference"),
    }


def spikingjelly(run: TrainedRun, steps: int, x: Tensor) -> dict[str, Run]:
    """SpikingJelly's network of the same shape with its LIF, untrained; nothing where it is not installed."""
    if find_spec("spikingjelly") is None:
        return {}
    torch.manual_seed(0)
    width = {} if run.config.width is None else {"width": run.config.width}
    net = MODELS[run.config.model](run.sample_shape, len(run.classes), LIF, **width)
    twin = networks.spikingjelly(net, steps, direct=True)
    twin.module.eval()
    return {SPIKINGJELLY: _called(twin.forward, x, "auto")}
