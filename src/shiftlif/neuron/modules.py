"""The neuron as a torch module: the mechanism with its parameters (SPEC 2).

A module only holds parameters. It keeps no membrane between calls, so there is nothing to reset. The members of the
family (`shiftlif.neuron.members`) give it an alphabet and defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from shiftlif.alphabet import Alphabet, Binary, Ternary
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.neuron.step import NeuronParameters, sequence, step
from shiftlif.neuron.straight_through import straight_through
from shiftlif.surrogate import ReLSGET, Surrogate

SCALE_RANGE = (2.0**-8, 2.0**8)


class SpikingNeuron(nn.Module):
    """A leaky integrator that emits letters of an alphabet.

    ``H = V + (I - V) / tau`` (or ``(1 - 1/tau) V + I``), ``S = s Q(H / s)``, ``V = H - reset_gain S``.

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
        reset: ``soft`` or, for a Binary or Ternary alphabet, ``hard``: V = 0 where a spike was emitted.
        detach_reset: leave the reset out of the gradient.
        reset_gain: what a soft reset subtracts, in spikes. ``1 / (1 - 1 / tau)`` is the reset of a neuron that
            subtracts one step late, after the leak (snnTorch's ``Leaky``); such a neuron trains on the reference.
        input_gain: what currents are multiplied by first; absorbed into the weights like s.
        surrogate: pseudo-derivative g(u).

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    settings: ClassVar[Mapping[str, Any]] = {}
    """Options that the class sets where its user does not."""
    fixed: ClassVar[Mapping[str, Any]] = {}
    """Those of them that make it what it is: setting one to anything else is an error."""
    refusal: ClassVar[str] = ""
    """Why no integer program can compute this neuron; empty where one can."""
    calibrates: ClassVar[bool] = True
    """Whether `shiftlif.network.calibrate` may choose the scale."""

    def __init_subclass__(
        cls, *, defaults: Mapping[str, Any] | None = None, fixed: Mapping[str, Any] | None = None
    ) -> None:
        """A member of the family names what it sets: ``class IF(LIF, fixed={"tau": math.inf, ...})``."""
        super().__init_subclass__()
        cls.fixed = {**cls.fixed, **(fixed or {})}
        cls.settings = {**cls.settings, **(defaults or {}), **cls.fixed}

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
        reset_gain: float = 1.0,
        input_gain: float = 1.0,
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
        if reset == "hard" and not _has_hard_reset(alphabet):
            raise ConfigurationError(
                "hard reset is defined for the Binary alphabet (letters 0, 1) and the Ternary one (letters -1, 0, 1, "
                f"boundaries -1, 1), got {alphabet.name} with the boundaries {alphabet.boundaries}; use 'soft'"
            )
        if not 0 < reset_gain < math.inf or (reset == "hard" and reset_gain != 1):
            wanted = "1 with a hard reset" if reset == "hard" else "positive and finite"
            raise ConfigurationError(f"reset_gain must be {wanted}, got {reset_gain!r}")
        if not 0 < input_gain < math.inf:
            raise ConfigurationError(f"input_gain must be positive and finite, got {input_gain!r}")
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
        self.reset_gain = float(reset_gain)
        self.input_gain = float(input_gain)
        self.scale: Tensor = nn.Parameter(
            torch.full((1 if channels is None else channels,), float(scale)), requires_grad=learnable_scale
        )
        self.decay_logit: Tensor | None = None
        if learnable_tau:
            self.decay_logit = nn.Parameter(torch.tensor(-math.log(tau - 1)))
        self.register_buffer("fixed_decay", torch.tensor(1.0 / tau), persistent=True)
        self.fixed_decay: Tensor

    @classmethod
    def with_settings(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """``options`` completed by `settings`.

        Raises:
            ConfigurationError: an option contradicts what is fixed.
        """
        for name, value in cls.fixed.items():
            if options.get(name, value) != value:
                raise ConfigurationError(
                    f"{cls.__name__} has {name}={value!r} by definition, got {options[name]!r}; leave it out, or "
                    "take another neuron"
                )
        return {**cls.settings, **options}

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

    @torch.no_grad()
    def round_tau(self) -> float:
        """Fix tau at the nearest power of two, which a leak by shift needs, and return it; fine-tune afterwards.

        A neuron that subtracts one step late, after the leak (``decay_input=False`` and ``reset_gain`` equal to
        ``1 / (1 - 1 / tau)``, as `shiftlif.interop.from_snntorch` makes of ``Leaky``), stays one: its ``reset_gain``
        follows tau. Its tau becomes 2 at least, since tau 1 forgets the membrane before it is subtracted from.
        """
        tau = self.tau
        if not math.isinf(tau):
            late = self._subtracts_late()
            tau = 2.0 ** round(math.log2(tau))
            if late:
                tau = max(tau, 2.0)
                self.reset_gain = 1 / (1 - 1 / tau)
            self.decay_logit = None
            self.fixed_decay.fill_(1.0 / tau)
        return tau

    def _subtracts_late(self) -> bool:
        """Whether ``reset_gain`` is that of a reset after the leak, up to the rounding of the stored decay."""
        if self.decay_input or self.reset_gain == 1:
            return False
        tolerance = 1e-6 + torch.finfo(self.fixed_decay.dtype).eps
        return abs(1 - float(self.decay()) - 1 / self.reset_gain) <= tolerance

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
            self.reset_gain,
            self.input_gain,
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
        """`shiftlif.neuron.step` with this module's parameters; arrays ``[B, ...]``.

        Raises:
            NetworkError: membrane and current have different shapes.
        """
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


def _has_hard_reset(alphabet: Alphabet) -> bool:
    """Whether V = 0 after a spike is defined: no letter is larger than another, so nothing of H is left over.

    The gradient of a signed reset has its bumps at u = 1 and u = -1 (`shiftlif.neuron.step`), so the letters have to
    change there.
    """
    if alphabet.levels == Binary().levels:
        return True
    ternary = Ternary()
    return (alphabet.levels, alphabet.boundaries) == (ternary.levels, ternary.boundaries)
