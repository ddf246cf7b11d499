"""The members of the family that are the mechanism with an alphabet and defaults, and nothing else (SPEC 2).

Where each comes from, its equation and whether it compiles: `shiftlif.neuron.family` and docs/neurons.md.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from shiftlif.alphabet import MAX_L, Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.errors import ConfigurationError
from shiftlif.neuron.modules import SCALE_RANGE, SpikingNeuron
from shiftlif.surrogate import ATan, Rectangle, Surrogate


class LIF(SpikingNeuron, defaults={"surrogate": ATan()}):
    """The binary neuron; ``scale`` is its threshold and its spike's height.

    Its surrogate is ATan unless given: with one boundary a bump there trains better than ReLSG-ET's range.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(Binary(), **self.with_settings(options))


class IF(LIF, fixed={"tau": math.inf, "decay_input": False, "learnable_tau": False}):
    """The binary neuron without leak."""


class PLIF(LIF, fixed={"learnable_tau": True}):
    """The binary neuron that learns its time constant, one per layer (arXiv:2007.05785)."""


class TLIF(
    SpikingNeuron,
    defaults={"surrogate": ATan(), "reset": "hard", "decay_input": False, "learnable_scale": True},
):
    """Letters -1, 0 and 1 with hard reset (arXiv:2312.06372); ``scale`` is threshold and amplitude.

    The published neuron learns the amplitude alone. That is the same network: an amplitude of s in front of weights
    is a scale of s with input currents s times as large.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(Ternary(), **self.with_settings(options))


class ShiftLIF(SpikingNeuron, defaults={"learnable_scale": True}):
    """Letters ``{0, 2^-K, ..., 1/2, 1}`` times s: a synapse is a shift and an add (arXiv:2605.01866).

    Args:
        K: exponent of the smallest letter, 0 to 6.
        placement: of the boundaries, see `PowerOfTwo`.
        signed: letters of both signs.
        options: those of `SpikingNeuron`.

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    def __init__(
        self, K: int = 3, placement: str = "nearest", *, signed: bool = False, **options: Any
    ) -> None:
        super().__init__(PowerOfTwo(K, placement, signed=signed), **self.with_settings(options))


class SignedShiftLIF(ShiftLIF):
    """Letters ``{0, ±2^-K, ..., ±1/2, ±1}`` times s; parameters as for `ShiftLIF`."""

    def __init__(self, K: int = 3, placement: str = "nearest", **options: Any) -> None:
        super().__init__(K, placement, signed=True, **options)


class QBLIF(SpikingNeuron, defaults={"learnable_scale": True, "scale": 0.5}):
    """Counts ``0 ... L`` times a learnable scale that is absorbed after training (arXiv:2604.25688).

    Args:
        L: the largest count, 1 to 127.
        placement: of the boundaries, see `Uniform`.
        options: those of `SpikingNeuron`.

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    def __init__(self, L: int = 4, placement: str = "nearest", **options: Any) -> None:
        super().__init__(Uniform(L, placement), **self.with_settings(options))


class IntLIF(SpikingNeuron):
    """Counts ``0 ... L`` with a fixed scale of 1 (I-LIF, arXiv:2407.20708); parameters as for `QBLIF`."""

    def __init__(self, L: int = 4, placement: str = "nearest", **options: Any) -> None:
        super().__init__(Uniform(L, placement), **self.with_settings(options))


class NILIF(IntLIF):
    """Counts divided by L, ``0, 1/L, ..., 1`` (NI-LIF, arXiv:2411.16061): `IntLIF` measured in units of 1/L.

    Its membrane and spikes are those of `IntLIF` divided by L: currents are divided first, the scale is 1/L.
    Parameters are those of `IntLIF`.
    """

    def __init__(self, L: int = 4, placement: str = "nearest", **options: Any) -> None:
        unit = 1 / L if isinstance(L, int) and L > 0 else 1.0  # another L is refused by its alphabet
        super().__init__(L, placement, **{"scale": unit, "input_gain": unit, **options})


class BurstLIF(SpikingNeuron, defaults={"tau": math.inf, "decay_input": False}):
    """At most L spikes a step, ``min(floor(V / s), L)``, without leak (burst neuron, arXiv:2204.13271)."""

    def __init__(self, L: int = 5, **options: Any) -> None:
        super().__init__(Uniform(L, "floor"), **self.with_settings(options))


class QuantReLU(
    SpikingNeuron,
    defaults={"learnable_scale": True, "surrogate": Rectangle()},
    fixed={"tau": 1.0, "decay_input": False},
):
    """The quantised ReLU of LSQ (arXiv:1902.08153): no memory, no spikes in time; the opponent, meant for T = 1.

    ``s round(clip(I / s, 0, 2^bits - 1))``, which is `Uniform` with tau = 1 and the straight-through rectangle.

    Args:
        bits: 1 to 8; 8 bits reach 127, since a letter is a signed byte.
        scale: initial step s; None is LSQ's ``2 E|x| / sqrt(Q)`` for the rectified normal current that batch
            normalisation gives, E|x| = 1 / sqrt(2 pi).
        channels: see `SpikingNeuron`, as for those that follow.
        learnable_scale: whether s is trained.
        scale_power_of_two: round s to a power of two.
        scale_range: s is kept inside.
        surrogate: pseudo-derivative; None is the straight-through rectangle.

    Raises:
        ConfigurationError: a parameter is out of its range.
    """

    def __init__(
        self,
        bits: int = 4,
        *,
        scale: float | None = None,
        channels: int | None = None,
        learnable_scale: bool = True,
        scale_power_of_two: bool = False,
        scale_range: tuple[float, float] = SCALE_RANGE,
        surrogate: Surrogate | None = None,
    ) -> None:
        if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 8:
            raise ConfigurationError(f"QuantReLU: bits must be a whole number from 1 to 8, got {bits!r}")
        largest = min(2**bits - 1, MAX_L)
        options: dict[str, Any] = {
            "scale": 2 / math.sqrt(2 * math.pi * largest) if scale is None else scale,
            "channels": channels,
            "learnable_scale": learnable_scale,
            "scale_power_of_two": scale_power_of_two,
            "scale_range": scale_range,
        }
        if surrogate is not None:
            options["surrogate"] = surrogate
        super().__init__(Uniform(largest), **self.with_settings(options))


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
