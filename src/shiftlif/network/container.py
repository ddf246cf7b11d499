"""A container in which torch layers and neurons stand side by side, over ``[T, B, ...]``.

Layers without time (Linear, Conv, BatchNorm, pooling, ...) see time and batch folded into one axis;
neurons see the sequence. The container keeps no membrane: a call starts from the zero state, and
streaming passes the state explicitly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shiftlif.errors import NetworkError
from shiftlif.neuron import SpikingNeuron

State = dict[str, Tensor]
"""Membranes ``[B, ...]`` by neuron name."""


class StatefulLayer(nn.Module):
    """A layer with a state: called with ``(currents [T, B, ...], state [B, ...] or None)``.

    Subclasses define ``run`` like `SpikingNeuron.run`: ``(outputs, last state, states [T, B, ...])``.
    """

    def run(self, currents: Tensor, membrane: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs ``[T, B, ...]``, last state ``[B, ...]``, states after each step ``[T, B, ...]``.

        Args:
            currents: ``[T, B, ...]``.
            membrane: the state ``[B, ...]`` before the first step; None is the zero state.

        Raises:
            NetworkError: always, here; a layer defines its own.
        """
        raise NetworkError(f"{type(self).__name__} must define run(currents, membrane)")


class Observation(NamedTuple):
    """What one stateful layer did during a call.

    Attributes:
        name: qualified layer name.
        layer: the module.
        currents: its input ``[T, B, ...]``.
        outputs: spikes ``[T, B, ...]``.
        record: computes `membranes`.
    """

    name: str
    layer: nn.Module
    currents: Tensor
    outputs: Tensor
    record: Callable[[], Tensor]

    @property
    def membranes(self) -> Tensor:
        """State after each step ``[T, B, ...]``; a neuron computes it when it is asked for."""
        return self.record()


class _Wire(NamedTuple):
    """What runs between layers: ``values [T, B, ...]``, or ``[1, B, ...]`` for the same at each of ``steps``."""

    values: Tensor
    steps: int

    def sequence(self) -> Tensor:
        """``[T, B, ...]``."""
        return self.values.expand(self.steps, *self.values.shape[1:])


Observer = Callable[[Observation], None]


class Residual(nn.Module):
    """``body(x) + shortcut(x)``; without a shortcut, ``body(x) + x``.

    Args:
        body: layers of the main branch, in order (positional).
        shortcut: layers of the other branch; empty is the identity.
    """

    def __init__(self, *body: nn.Module, shortcut: tuple[nn.Module, ...] = ()) -> None:
        super().__init__()
        self.body = name_layers(body)
        self.shortcut = name_layers(shortcut)
        # A branch's letters are multiplied by 2**shift, so that branches whose units differ by a
        # power of two can be added after their scales were absorbed.
        self.shifts = (0, 0)


def name_layers(layers: tuple[nn.Module, ...] | Mapping[str, nn.Module]) -> nn.ModuleDict:
    """Name unnamed layers by kind and running number: ``conv1, batchnorm1, shiftlif1, ...``."""
    if isinstance(layers, Mapping):
        return nn.ModuleDict(layers)
    named: dict[str, nn.Module] = {}
    counts: dict[str, int] = {}
    for position, layer in enumerate(layers):
        if not isinstance(layer, nn.Module):
            raise NetworkError(f"layer {position} is a {type(layer).__name__}, expected a torch module")
        kind = type(layer).__name__.lower().removesuffix("1d").removesuffix("2d")
        counts[kind] = counts.get(kind, 0) + 1
        named[f"{kind}{counts[kind]}"] = layer
    return nn.ModuleDict(named)


def direct_code(x: Tensor, steps: int) -> Tensor:
    """Present the same frame x at every step: ``[B, ...] -> [T, B, ...]``.

    The time axis is a view with stride 0, which the container recognises: layers before the first
    neuron see one frame and are computed once.

    Raises:
        NetworkError: ``steps`` is below 1.
    """
    if steps < 1:
        raise NetworkError(f"T must be at least 1, got {steps}")
    return x.unsqueeze(0).expand(steps, *x.shape)


def _wire(x: Tensor) -> _Wire:
    return _Wire(x[:1] if x.stride(0) == 0 else x, len(x))


def _fold(path: str, layer: nn.Module, wire: _Wire) -> _Wire:
    """Apply a layer without time; what is constant is computed once."""
    x = wire.values
    y: Tensor = layer(x.flatten(0, 1))
    if not isinstance(y, Tensor):
        raise NetworkError(
            f"layer {path} ({type(layer).__name__}) returned a {type(y).__name__}, expected one tensor; "
            "recurrent layers do not belong in a spiking network: its neurons hold the state"
        )
    return _Wire(y.view(*x.shape[:2], *y.shape[1:]), wire.steps)


def _advance(
    path: str, layer: SpikingNeuron | StatefulLayer, wire: _Wire, membrane: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor | None, Callable[[], Tensor]]:
    """Outputs ``[T, B, ...]`` and, to ``keep``, the last state of a layer, and what computes its membranes."""
    try:
        if isinstance(layer, SpikingNeuron):
            y, last, _ = layer.run(wire.values, membrane, steps=wire.steps, last=keep)
            return y, last, lambda: _recorded(layer, wire, membrane)
        y, final, membranes = layer.run(wire.sequence(), membrane)
        return y, final, lambda: membranes
    except NetworkError as error:
        raise NetworkError(f"layer {path}: {error}") from None


def _recorded(neuron: SpikingNeuron, wire: _Wire, membrane: Tensor | None) -> Tensor:
    membranes = neuron.run(wire.values, membrane, steps=wire.steps, last=False, record=True)[2]
    if membranes is None:
        raise NetworkError(f"{type(neuron).__name__}.run recorded no membranes")
    return membranes


class Network(nn.Module):
    """Layers applied in order over ``[T, B, ...]``.

    Args:
        layers: torch modules and neurons, or one mapping from name to module.
        input_shape: shape of one sample, channels first: ``(C,)``, ``(C, L)`` or ``(C, H, W)``.

    Example:
        >>> net = Network(nn.Linear(8, 4), ShiftLIF(), nn.Linear(4, 2), input_shape=(8,))
        >>> net(direct_code(torch.zeros(5, 8), steps=4)).shape
        torch.Size([4, 5, 2])
    """

    def __init__(self, *layers: nn.Module | Mapping[str, nn.Module], input_shape: tuple[int, ...]) -> None:
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            self.layers = name_layers(layers[0])
        else:
            self.layers = name_layers(layers)  # type: ignore[arg-type]
        if not self.layers:
            raise NetworkError("a network needs at least one layer")
        if not input_shape or any(not isinstance(n, int) or n < 1 for n in input_shape):
            raise NetworkError(f"input_shape must be positive whole numbers (C, ...), got {input_shape!r}")
        self.input_shape = tuple(input_shape)

    def forward(self, x: Tensor, observer: Observer | None = None) -> Tensor:
        """Outputs ``[T, B, ...]`` of a sequence ``[T, B, *input_shape]``, from the zero state.

        Args:
            x: ``[T, B, *input_shape]``.
            observer: called with an `Observation` for every stateful layer, in order.

        Raises:
            NetworkError: the input's rank or sample shape is wrong, or there is no step.
        """
        self._check_input(x)
        return self._run_layers(self.layers, "", _wire(x), None, None, observer).sequence()

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One step of streaming: ``x [B, *input_shape]`` and the state so far (None: zero state)."""
        y, state = self.run(x.unsqueeze(0), state)
        return y[0], state

    def run(
        self, x: Tensor, state: State | None = None, observer: Observer | None = None
    ) -> tuple[Tensor, State]:
        """A sequence call with explicit state.

        Args:
            x: ``[T, B, *input_shape]``.
            state: membranes by neuron name, or None for the zero state.
            observer: called with an `Observation` for every stateful layer, in order.

        Returns:
            Outputs ``[T, B, ...]`` and the state after the last step.

        Raises:
            NetworkError: the input's rank or sample shape is wrong, there is no step, or the state
                does not belong to this network or this batch size.
        """
        self._check_input(x)
        known = {name for name, _ in self.stateful_layers()}
        if state is not None and (not isinstance(state, Mapping) or state.keys() != known):
            held = sorted(state) if isinstance(state, Mapping) else f"a {type(state).__name__}"
            raise NetworkError(
                f"state holds {held} but this network's neurons are {sorted(known)}; "
                "pass the state that step() returned, or None"
            )
        new_state: State = {}
        y = self._run_layers(self.layers, "", _wire(x), state, new_state, observer)
        return y.sequence(), new_state

    def _check_input(self, x: Tensor) -> None:
        if x.ndim != len(self.input_shape) + 2 or tuple(x.shape[2:]) != self.input_shape:
            raise NetworkError(
                f"input must be [T, B, {', '.join(map(str, self.input_shape))}], got {tuple(x.shape)}; "
                "use direct_code(x, steps) for a batch without a time axis"
            )
        if len(x) < 1:
            raise NetworkError("T must be at least 1, got an empty sequence")

    def _run_layers(
        self,
        layers: nn.ModuleDict,
        prefix: str,
        wire: _Wire,
        state: State | None,
        new_state: State | None,
        observer: Observer | None,
    ) -> _Wire:
        for name, layer in layers.items():
            path = prefix + name
            if isinstance(layer, SpikingNeuron | StatefulLayer):
                before = None if state is None else state[path]
                y, last, record = _advance(path, layer, wire, before, new_state is not None)
                if new_state is not None and last is not None:
                    new_state[path] = last
                if observer is not None:
                    observer(Observation(path, layer, wire.sequence(), y, record))
                wire = _Wire(y, wire.steps)
            elif isinstance(layer, Residual):
                a = self._run_layers(layer.body, path + ".", wire, state, new_state, observer).values
                b = self._run_layers(
                    layer.shortcut, path + ".shortcut.", wire, state, new_state, observer
                ).values
                if a.shape[1:] != b.shape[1:]:
                    raise NetworkError(
                        f"layer {path}: the branches give {tuple(a.shape[2:])} and {tuple(b.shape[2:])} "
                        "per sample; give the shortcut layers that make them equal"
                    )
                wire = _Wire(a * 2 ** layer.shifts[0] + b * 2 ** layer.shifts[1], wire.steps)
            else:
                wire = _fold(path, layer, wire)
        return wire

    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        """Every layer with its qualified name, in the order of computation, `Residual` after its branches."""
        yield from _walk(self.layers, "")

    def stateful_layers(self) -> Iterator[tuple[str, nn.Module]]:
        """Every neuron (or other layer with a state) with its qualified name."""
        for name, layer in self.named_layers():
            if isinstance(layer, SpikingNeuron | StatefulLayer):
                yield name, layer

    @property
    def n_parameters(self) -> int:
        """How many trained numbers the network holds."""
        return sum(math.prod(p.shape) for p in self.parameters() if p.requires_grad)


def require_network(model: object) -> None:
    """Raise a NetworkError that says how to make a `Network` unless ``model`` is one."""
    if not isinstance(model, Network):
        raise NetworkError(
            f"expected a shiftlif Network, got {type(model).__name__}; "
            "put its layers, in order, into Network(*layers, input_shape=(channels, ...))"
        )


def _walk(layers: nn.ModuleDict, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in layers.items():
        if isinstance(layer, Residual):
            yield from _walk(layer.body, f"{prefix}{name}.")
            yield from _walk(layer.shortcut, f"{prefix}{name}.shortcut.")
        yield prefix + name, layer


def readout(outputs: Tensor) -> Tensor:
    """Class scores ``[B, classes]`` of outputs ``[T, B, classes]``: the mean over time."""
    return torch.mean(outputs, dim=0)
