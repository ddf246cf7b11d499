"""Neurons as torch modules: one mechanism, different alphabets and defaults (SPEC 2).

A module only holds parameters. It keeps no membrane between calls, so there is nothing to reset.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from shiftlif.alphabet import MAX_L, Alphabet, Binary, PowerOfTwo, Uniform
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.neuron.step import NeuronParameters, sequence, step
from shiftlif.neuron.straight_through import straight_through
from shiftlif.surrogate import ATan, ReLSGET, Surrogate

SCALE_RANGE = (2.0**-8, 2.0**8)


class SpikingNeuron(nn.Module):
    """A leaky integrator that emits letters of an alphabet.

    ``H = V + (I - V) / tau`` (or ``(1 - 1/tau) V + I``), ``S = s Q(H / s)``, ``V = H - S``.

    Args:
        alphabet: the letters Q.
        scale: initial s.
        tau: time constant in steps, >= 1; ``math.inf`` is a neuron without leak. It compiles to a
            shift when it is a power of two.
        channels: None for one scale per layer, else the length of the channel axis (axis 2 of
            ``[T, B, C, ...]``) for one scale per channel.
        learnable_scale: whether s is a parameter.
        scale_power_of_two: round s to a power of two (straight-through gradient).
        scale_range: s is kept inside (straight-through gradient).
        learnable_tau: learn 1/tau through a sigmoid, as PLIF does (arXiv:2007.05785).
        decay_input: whether the leak divides the input by tau too.
        reset: ``soft`` or, for a Binary alphabet, ``hard``.
        detach_reset: leave the reset out of the gradient.
        surrogate: pseudo-derivative g(u).

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        *,
        scale: float = 1.0,
        tau: float = 2.0,
        channels: int | None = None,
        learnable_scale: bool = False,
        scale_power_of_two: bool = False,
        scale_range: tuple[float, float] = SCALE_RANGE,
        learnable_tau: bool = False,
        decay_input: bool = True,
        reset: str = "soft",
        detach_reset: bool = False,
        surrogate: Surrogate | None = None,
    ) -> None:
        super().__init__()
        low, high = scale_range
        if not 0 < low <= scale <= high < math.inf:
            raise ConfigurationError(
                f"scale must lie in scale_range {scale_range} and be positive, got {scale!r}"
            )
        if not tau >= 1 or (learnable_tau and not 1 < tau < math.inf):
            wanted = (
                "above 1 and finite when learnable" if learnable_tau else "at least 1 (math.inf: no leak)"
            )
            raise ConfigurationError(f"tau must be {wanted}, got {tau!r}")
        if decay_input and math.isinf(tau):
            raise ConfigurationError("tau=inf with decay_input=True lets no input in; use decay_input=False")
        if reset not in ("soft", "hard"):
            raise ConfigurationError(f"reset must be 'soft' or 'hard', got {reset!r}")
        if reset == "hard" and alphabet.levels != (0.0, 1.0):
            raise ConfigurationError(
                f"hard reset is defined for the Binary alphabet, got {alphabet.name}; use 'soft'"
            )
        if channels is not None and channels < 1:
            raise ConfigurationError(f"channels must be at least 1 or None, got {channels!r}")
        if learnable_scale and scale_power_of_two and 2.0 ** math.floor(math.log2(high)) < low:
            raise ConfigurationError(f"scale_range {scale_range} holds no power of two")
        self.alphabet = alphabet
        self.surrogate: Surrogate = surrogate if surrogate is not None else ReLSGET()
        self.channels = channels
        self.scale_power_of_two = scale_power_of_two
        self.scale_range = (float(low), float(high))
        self.decay_input = decay_input
        self.reset = reset
        self.detach_reset = detach_reset
        self.scale: Tensor = nn.Parameter(
            torch.full((1 if channels is None else channels,), float(scale)), requires_grad=learnable_scale
        )
        self.decay_logit: Tensor | None = None
        if learnable_tau:
            self.decay_logit = nn.Parameter(torch.tensor(-math.log(tau - 1)))
        self.register_buffer("fixed_decay", torch.tensor(1.0 / tau), persistent=True)
        self.fixed_decay: Tensor

    def effective_scale(self) -> Tensor:
        """s as it is used: kept in ``scale_range`` and, where asked for, a power of two; ``[1]`` or ``[C]``."""
        low, high = self.scale_range
        if self._scale_lies_inside(low, high):
            return self.scale  # what the lines below would give, without an operation or a node of the graph
        used = self.scale.detach().clamp(low, high)
        if self.scale_power_of_two:
            exponent = torch.log2(used).round()
            used = torch.exp2(exponent.clamp(math.ceil(math.log2(low)), math.floor(math.log2(high))))
        return straight_through(self.scale, used)

    def _scale_lies_inside(self, low: float, high: float) -> bool:
        """Whether one CPU scale is used as it is; elsewhere looking would wait for a device or break a graph."""
        if self.channels is not None or self.scale_power_of_two or torch.compiler.is_compiling():
            return False
        return type(self.scale) is nn.Parameter and self.scale.is_cpu and low <= self.scale.item() <= high

    def decay(self) -> Tensor:
        """1 / tau, a scalar."""
        return self.fixed_decay if self.decay_logit is None else torch.sigmoid(self.decay_logit)

    @property
    def tau(self) -> float:
        """The time constant in steps (inf: no leak)."""
        decay = float(self.decay().detach())
        return math.inf if decay == 0 else 1.0 / decay

    @property
    def learnable_scale(self) -> bool:
        """Whether the scale is trained."""
        return self.scale.requires_grad

    def parameters_for(self, rank: int) -> NeuronParameters:
        """The parameters of a step on currents ``[B, C, ...]`` of the given rank."""
        scale = self.effective_scale()
        if self.channels is not None:
            scale = scale.view(1, -1, *(1,) * (rank - 2))
        return NeuronParameters(
            self.alphabet,
            self.surrogate,
            scale,
            self.decay(),
            self.decay_input,
            self.reset,
            self.detach_reset,
        )

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes ``[T, B, ...]`` of currents ``[T, B, ...]``, from the zero state."""
        return self.run(currents, None, last=False)[0]

    def run(
        self,
        currents: Tensor,
        membrane: Tensor | None,
        *,
        steps: int | None = None,
        last: bool = True,
        record: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """`shiftlif.neuron.sequence` with this module's parameters."""
        parameters = self.parameters_for(currents.ndim - 1)
        return sequence(currents, membrane, parameters, steps=steps, last=last, record=record)

    def step(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        """`shiftlif.neuron.step` with this module's parameters; arrays ``[B, ...]``."""
        if membrane.shape != current.shape:
            raise NetworkError(
                f"the membrane has shape {tuple(membrane.shape)}, the current {tuple(current.shape)}; "
                "pass the membrane that the step before returned, or zeros like the current"
            )
        return step(current, membrane, self.parameters_for(current.ndim))

    def extra_repr(self) -> str:
        """What ``print(network)`` shows."""
        return (
            f"{self.alphabet.name}, tau={self.tau:g}, decay_input={self.decay_input}, reset={self.reset}, "
            f"surrogate={self.surrogate}, learnable_scale={self.learnable_scale}"
        )


class ShiftLIF(SpikingNeuron):
    """Letters ``{0, 2^-K, ..., 1/2, 1}`` times s: a synapse is a shift and an add (arXiv:2605.01866)."""

    def __init__(
        self, K: int = 3, placement: str = "nearest", *, signed: bool = False, **options: Any
    ) -> None:
        super().__init__(PowerOfTwo(K, placement, signed=signed), **{"learnable_scale": True, **options})


class QBLIF(SpikingNeuron):
    """Counts ``0 ... L`` times a learnable scale that is absorbed after training (arXiv:2604.25688)."""

    def __init__(self, L: int = 4, placement: str = "nearest", **options: Any) -> None:
        super().__init__(Uniform(L, placement), **{"learnable_scale": True, "scale": 0.5, **options})


class IntLIF(SpikingNeuron):
    """Counts ``0 ... L`` with a fixed scale of 1 (I-LIF, arXiv:2407.20708)."""

    def __init__(self, L: int = 4, placement: str = "nearest", **options: Any) -> None:
        super().__init__(Uniform(L, placement), **options)


class LIF(SpikingNeuron):
    """The binary neuron; ``scale`` is its threshold and its spike's height.

    Its surrogate is ATan unless given: with one boundary a bump there trains better than ReLSG-ET's range.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(Binary(), **{"surrogate": ATan(), **options})


class ShiftLIFNeuron(SpikingNeuron):
    """The neuron under the names of the description this project started from.

    ``ShiftLIFNeuron(n_levels=4, tau=2.0, threshold=1.0)``; ``forward(x, v_prev)`` returns
    ``(spikes, v)``. It is ``Uniform(n_levels - 1)`` with a learnable scale kept in ``[2^-8, 1]`` and
    rounded to a power of two; for the power-of-two letters of ShiftLIF proper use `ShiftLIF`.

    Args:
        n_levels: number of letters, 0 included (2 to 128).
        tau: time constant in steps.
        threshold: twice the initial scale, in ``[2^-7, 2]``; 1.0 gives the sketch's initial 0.5.
        options: further options of `SpikingNeuron`.
    """

    def __init__(self, n_levels: int = 4, tau: float = 2.0, threshold: float = 1.0, **options: Any) -> None:
        if isinstance(n_levels, bool) or not isinstance(n_levels, int) or not 2 <= n_levels <= MAX_L + 1:
            raise ConfigurationError(
                f"n_levels must be a whole number from 2 to {MAX_L + 1}, got {n_levels!r}"
            )
        if not 2**-7 <= threshold <= 2:
            raise ConfigurationError(f"threshold must lie in [2^-7, 2], got {threshold!r}")
        defaults: dict[str, Any] = {
            "scale": threshold / 2,
            "learnable_scale": True,
            "scale_power_of_two": True,
            "scale_range": (2.0**-8, 1.0),
        }
        super().__init__(Uniform(n_levels - 1), tau=tau, **{**defaults, **options})
        self.n_levels = n_levels
        self.threshold = threshold

    def forward(self, x: Tensor, v_prev: Tensor | None = None) -> Any:
        """One step ``(x, v_prev) -> (spikes, v)``; without ``v_prev`` a sequence ``[T, B, ...] -> spikes``."""
        if v_prev is None:
            return super().forward(x)
        return self.step(x, v_prev)


NEURONS: dict[str, type[SpikingNeuron]] = {
    "ShiftLIF": ShiftLIF,
    "QBLIF": QBLIF,
    "IntLIF": IntLIF,
    "LIF": LIF,
}
"""Names a configuration file may use."""
