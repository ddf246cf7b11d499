"""Every neuron of the package as a node of a SpikingJelly network.

``ShiftLIFNode(K=3, tau=2.0)`` stands where ``neuron.LIFNode(tau=2.0)`` stood: input ``[T, N, *]`` with
``step_mode="m"`` or ``[N, *]`` with ``"s"``, a membrane ``v`` that is kept until ``reset()``, and SpikingJelly's names.
There is a name ``<kind>Node`` for every entry of `shiftlif.neuron.NEURONS`; each is `Node` with that kind.

SpikingJelly is never imported. Where it has been by the time a node is built, the node is a ``MemoryModule`` too, as
its ``functional.reset_net`` and ``set_step_mode`` expect.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.interop.surrogates import translated
from shiftlif.neuron import LIF, NEURONS, SpikingNeuron, options_of

_RENAMED = {"scale": "v_threshold", "reset": "v_reset", "surrogate": "surrogate_function"}
_ZERO = 0.0  # the membrane before the first step, as SpikingJelly writes it


class Node(nn.Module):
    """A neuron with SpikingJelly's conventions.

    A binary neuron emits 1 at ``v_threshold``, as SpikingJelly's nodes do. Any other emits ``s q``, its scale times a
    letter, because a learnable scale is trained through its spikes; ``v_threshold`` is the scale it starts from.

    Args:
        kind: an entry of `shiftlif.neuron.NEURONS`.
        tau: time constant; None leaves the neuron's default (2; IF has no leak).
        decay_input: whether the leak divides the input too; None leaves the neuron's default (True for most).
        v_threshold: initial scale; None leaves the neuron's default (1 for most, QBLIF 0.5).
        v_reset: None for a soft reset; 0.0 for a hard one, which neurons of one letter have. Left out, it is
            SpikingJelly's default of 0.0 for LIF, IF and PLIF, and the neuron's own for any other.
        surrogate_function: one of `shiftlif.surrogate` or of SpikingJelly; None leaves the neuron's default, which
            is not SpikingJelly's Sigmoid.
        detach_reset: leave the reset out of the gradient.
        step_mode: ``s`` or ``m``.
        store_v_seq: keep the membranes after each step in ``v_seq``, ``[T, N, *]``.
        options: of the neuron: K, L, placement, channels, learnable_scale, learnable_tau, ...

    Attributes:
        neuron: the neuron itself, whose parameters are this module's.
        v: the membrane ``[N, *]`` (a neuron with more state: ``[N, planes, *]``), or 0.0 before the first step.

    Raises:
        ConfigurationError: an unknown kind, or a parameter that this kind cannot have, or needs and was not given; the
            message lists what it takes.
    """

    neuron: SpikingNeuron
    _memories: dict[str, Any]

    def __new__(cls, *_: Any, **__: Any) -> Node:
        """An object of this class, joined with SpikingJelly's ``MemoryModule`` where that is loaded."""
        base = getattr(sys.modules.get("spikingjelly.activation_based.base"), "MemoryModule", None)
        joined: type[Node] = cls if base is None or issubclass(cls, base) else _joined(cls, base)  # type: ignore[arg-type]
        return super().__new__(joined)

    def __init__(
        self,
        kind: str,
        tau: float | None = None,
        decay_input: bool | None = None,
        v_threshold: float | None = None,
        v_reset: float | str | None = "default",
        surrogate_function: Callable[..., Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        for ours, theirs in _RENAMED.items():
            if ours in options:
                raise ConfigurationError(
                    f"{ours} is called {theirs} in a node; pass {theirs}={options[ours]!r}"
                )
        if kind not in NEURONS:
            raise ConfigurationError(f"kind must be one of {', '.join(NEURONS)}, got {kind!r}")
        given = {"tau": tau, "decay_input": decay_input, "scale": v_threshold, "reset": _reset(kind, v_reset)}
        options |= {name: value for name, value in given.items() if value is not None}
        if detach_reset:
            options["detach_reset"] = True
        neuron = _neuron(kind, options)
        binary = neuron.alphabet.levels == (0.0, 1.0)
        if surrogate_function is not None:
            threshold = float(neuron.effective_scale().detach().mean()) if binary else 1.0
            neuron.surrogate = translated(surrogate_function, threshold)
        # Its tables are this module's own, while it is not a child: helpers of SpikingJelly before 2.0 call `reset`
        # of every module that has one, and a neuron's `reset` is a word.
        self.__dict__["neuron"] = neuron
        for table in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[table] = neuron.__dict__[table]
        self.kind = kind
        self.unit_spikes = binary
        # Where a MemoryModule keeps a state, and what it resets to.
        for memories in ("_memories", "_memories_rv"):
            self.__dict__.setdefault(memories, {})["v"] = _ZERO
        self.step_mode = step_mode
        self.store_v_seq = store_v_seq
        self.v_seq: Tensor | None = None

    @property
    def v(self) -> Tensor | float:
        """The state that is kept between calls."""
        value: Tensor | float = self._memories["v"]
        return value

    @v.setter
    def v(self, value: Tensor | float) -> None:
        self._memories["v"] = value

    @property
    def step_mode(self) -> str:
        """``s``: a call is one step; ``m``: a call is a sequence."""
        return self._step_mode

    @step_mode.setter
    def step_mode(self, value: str) -> None:
        if value not in self.supported_step_mode():
            raise ConfigurationError(f"step_mode must be 's' or 'm', got {value!r}")
        self._step_mode = value

    def supported_step_mode(self) -> tuple[str, str]:
        """Both modes."""
        return ("s", "m")

    @property
    def v_threshold(self) -> float | Tensor:
        """The scale as it is used; one value per channel where the neuron has several."""
        scale = self.neuron.effective_scale().detach()
        return float(scale) if scale.numel() == 1 else scale

    @property
    def v_reset(self) -> float | None:
        """0.0 with a hard reset, None with a soft one."""
        return 0.0 if self.neuron.reset == "hard" else None

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of currents ``[T, N, *]`` (mode ``m``) or ``[N, *]`` (mode ``s``), from the membrane that was kept.

        Raises:
            NetworkError: the state belongs to an input of another shape.
        """
        currents = x if self.step_mode == "m" else x.unsqueeze(0)
        before = self.v if isinstance(self.v, Tensor) else None
        if before is not None and _sample_shape(before, currents.ndim - 1) != currents.shape[1:]:
            raise NetworkError(
                f"{self.kind} node: the state kept from the last call has shape {tuple(before.shape)}, the input of "
                f"one step {tuple(currents.shape[1:])} (step_mode={self.step_mode!r}); call "
                "functional.reset_net(net) before another batch"
            )
        spikes, last, membranes = self.neuron.run(currents, before, record=self.store_v_seq)
        if last is not None:
            self.v = last
        if membranes is not None:
            joins = self.step_mode == "s" and self.v_seq is not None
            self.v_seq = torch.cat([self.v_seq, membranes]) if joins else membranes  # type: ignore[list-item]
        if self.unit_spikes:
            spikes = self._in_units(spikes)
        return spikes if self.step_mode == "m" else spikes[0]

    def _in_units(self, spikes: Tensor) -> Tensor:
        """Letters 0 and 1 of spikes 0 and s, ``[T, N, C, ...]``."""
        scale = self.neuron.effective_scale()
        if scale.is_cpu and not scale.requires_grad and bool((scale == 1).all()):
            return spikes
        return spikes / (scale if scale.numel() == 1 else scale.view(1, 1, -1, *(1,) * (spikes.ndim - 3)))

    def reset(self) -> None:
        """Forget the membrane."""
        self.v = _ZERO
        self.v_seq = None

    def detach(self) -> None:
        """Keep the membrane's value and forget how it came about (truncated backpropagation)."""
        if isinstance(self.v, Tensor):
            self.v = self.v.detach()
        if self.v_seq is not None:
            self.v_seq = self.v_seq.detach()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Node:
        if isinstance(self.v, Tensor):
            self.v = fn(self.v)
        super()._apply(fn)  # type: ignore[no-untyped-call]
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # The joined class has no name of its own to be found by; a copy keeps values, not the graph behind them.
        state = dict(self.__dict__)
        value = self.v.detach() if isinstance(self.v, Tensor) else self.v
        state["_memories"] = {**self._memories, "v": value}
        state["v_seq"] = None if self.v_seq is None else self.v_seq.detach()
        return _blank, (), state

    def extra_repr(self) -> str:
        """What ``print(net)`` shows."""
        return f"{self.kind}, {self.neuron.extra_repr()}, v_reset={self.v_reset}, step_mode={self.step_mode}"


def _blank() -> Node:
    """A node without contents, for copies and files."""
    return Node.__new__(Node)


@functools.cache
def _joined(cls: Any, base: Any) -> Any:
    """One class for all nodes of a session."""
    return type(cls.__name__, (cls, base), {"__module__": cls.__module__})


def _sample_shape(state: Tensor, rank: int) -> torch.Size:
    """The shape ``[N, *]`` that a state belongs to: some neurons keep several planes behind the batch axis."""
    return state.shape[:1] + state.shape[1 + max(state.ndim - rank, 0) :]


def _neuron(kind: str, options: dict[str, Any]) -> SpikingNeuron:
    """The neuron of that kind; what it cannot be given is named as the node's parameter."""
    make = NEURONS[kind]
    if not (isinstance(make, type) and issubclass(make, SpikingNeuron)):
        raise ConfigurationError(f"{kind} is no spiking neuron and keeps nothing to reset; use it as it is")
    known = options_of(make)
    takes = ", ".join(_RENAMED.get(name, name) for name in known)
    unknown = [_RENAMED.get(name, name) for name in options if name not in known]
    if unknown:
        raise ConfigurationError(f"a {kind} node has no {', '.join(unknown)}; leave it out: it takes {takes}")
    try:
        return make(**options)
    except TypeError as error:  # one is missing or of another type
        raise ConfigurationError(f"a {kind} node cannot be made: {error}; it takes {takes}") from error


def _reset(kind: str, v_reset: float | str | None) -> str | None:
    """The reset by its name here, None for the neuron's own default."""
    if v_reset == "default":
        neuron = NEURONS[kind]
        return "hard" if isinstance(neuron, type) and issubclass(neuron, LIF) else None
    if v_reset is None:
        return "soft"
    if v_reset != 0:
        raise ConfigurationError(
            f"v_reset must be 0.0 (hard reset) or None (soft reset), got {v_reset!r}; "
            "a membrane that rests elsewhere is the same neuron with v_threshold - v_reset as its threshold"
        )
    return "hard"


def __getattr__(name: str) -> functools.partial[Node]:
    """``<kind>Node`` for every kind of `shiftlif.neuron.NEURONS`."""
    kind = name.removesuffix("Node")
    if kind == name or kind not in NEURONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return functools.partial(Node, kind)
