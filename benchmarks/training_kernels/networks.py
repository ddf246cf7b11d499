"""The edge networks of shiftlif and their twins in SpikingJelly, layer by layer with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.training_kernels.contenders import spikingjelly_lif
from benchmarks.training_kernels.timing import Record
from shiftlif import Network, ShiftLIF, direct_code, readout
from shiftlif.kernels import use
from shiftlif.models import MODELS
from shiftlif.neuron import LIF, SpikingNeuron


class Sample(NamedTuple):
    """What a network is trained on.

    Attributes:
        shape: one sample, channels first.
        classes: how many.
        like: the data set whose shape it is.
    """

    shape: tuple[int, ...]
    classes: int
    like: str


SAMPLES = {
    "dense": Sample((9, 128), 6, "uci_har"),
    "conv1d": Sample((40, 49), 12, "gsc12, log-mel"),
    "conv2d": Sample((1, 28, 28), 10, "fashion_mnist"),
}
NEURONS: dict[str, Callable[[], nn.Module]] = {
    "LIF": LIF,
    "ShiftLIF": lambda: ShiftLIF(K=3),
    "ReLU": nn.ReLU,
}


class Trained(NamedTuple):
    """A network as a contender.

    Attributes:
        forward: an input to class scores ``[B, classes]``: ``[B, ...]`` for ``direct``, ``[T, B, ...]`` else.
        parameters: what the optimizer trains.
        module: the network.
    """

    forward: Callable[[Tensor], Tensor]
    parameters: list[nn.Parameter]
    module: nn.Module


def network(model: str, neuron: str) -> Network:
    """One of shiftlif's edge networks for its sample."""
    sample = SAMPLES[model]
    return MODELS[model](sample.shape, sample.classes, NEURONS[neuron])


def ours(net: Network, steps: int, direct: bool, kernels: str = "auto") -> Trained:
    """A shiftlif network; with ``direct`` the same frame is shown at every step."""

    def forward(x: Tensor) -> Tensor:
        with use(kernels):
            return readout(net(direct_code(x, steps) if direct else x))

    return Trained(forward, _trained(net.parameters()), net)


def _twin_layer(layer: nn.Module) -> Any:
    from spikingjelly.activation_based import layer as sj

    if isinstance(layer, SpikingNeuron):
        return spikingjelly_lif()
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        return getattr(sj, type(layer).__name__)(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            padding=layer.padding,
            bias=layer.bias is not None,
        )
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return getattr(sj, type(layer).__name__)(layer.num_features)
    if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d):
        return getattr(sj, type(layer).__name__)(layer.kernel_size)
    if isinstance(layer, nn.Linear):
        return sj.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    if isinstance(layer, nn.Flatten):
        return sj.Flatten()
    if isinstance(layer, nn.Dropout):
        return sj.Dropout(layer.p)
    raise TypeError(f"no SpikingJelly counterpart of {type(layer).__name__}")


def spikingjelly(net: Network, steps: int, direct: bool) -> Trained:
    """The twin of a network of LIF neurons: multi-step layers, frames repeated, states reset before each call."""
    from spikingjelly.activation_based import functional

    layers = list(net.layers.values())
    twin = nn.Sequential(*(_twin_layer(layer) for layer in layers))
    functional.set_step_mode(twin, "m")
    with torch.no_grad():
        for layer, copy in zip(layers, twin, strict=True):
            if not isinstance(layer, SpikingNeuron):
                copy.load_state_dict(layer.state_dict())

    def forward(x: Tensor) -> Tensor:
        functional.reset_net(twin)
        frames = x.unsqueeze(0).repeat(steps, *(1,) * x.ndim) if direct else x
        scores: Tensor = twin(frames)
        return scores.mean(0)

    return Trained(forward, _trained(twin.parameters()), twin)


def _trained(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.requires_grad]


def inputs(model: str, steps: int, batch: int, direct: bool) -> tuple[Tensor, Tensor]:
    """Random samples of the model's shape and their classes."""
    sample = SAMPLES[model]
    lead = (batch,) if direct else (steps, batch)
    return torch.randn(*lead, *sample.shape), torch.randint(sample.classes, (batch,))


def step(trained: Trained, x: Tensor, target: Tensor) -> Callable[[], None]:
    """One training step: forward, cross entropy, backward, Adam."""
    optimizer = torch.optim.Adam(trained.parameters, lr=1e-3)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(trained.forward(x), target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return run


def without_dropout(module: nn.Module) -> None:
    """Switch dropout off, so that two networks can be compared while they train."""
    for layer in module.modules():
        if "Dropout" in type(layer).__name__:
            layer.eval()


def agreement(model: str, steps: int, batch: int, direct: bool) -> Record:
    """How far the logits of a network and its twin are apart, in training mode without dropout.

    In float64 they have to be equal to rounding. In float32 one rounding at a threshold changes a spike, so that a
    sample's logits may differ; the share of samples with logits within 1e-4 is given.
    """
    torch.manual_seed(0)
    net = network(model, "LIF")
    pair = ours(net, steps, direct), spikingjelly(net, steps, direct)
    x, _ = inputs(model, steps, batch, direct)
    for trained in pair:
        without_dropout(trained.module)
    with torch.no_grad():
        a, b = (trained.forward(x) for trained in pair)
        for trained in pair:
            trained.module.double()
        exact_a, exact_b = (trained.forward(x.double()) for trained in pair)
    return {
        "float64_difference": (exact_a - exact_b).abs().max().item(),
        "float32_difference": (a - b).abs().max().item(),
        "float32_equal_samples": ((a - b).abs().amax(1) < 1e-4).float().mean().item(),
    }
