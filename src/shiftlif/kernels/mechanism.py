"""The neuron as a fused kernel is told about it: tables and numbers, no Python callables."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shiftlif.alphabet import Alphabet
from shiftlif.surrogate import ATan, Rectangle, ReLSGET, SuperSpike, Surrogate, Triangle

SURROGATE_NAMES = ("relsget", "relsget_periodic", "rectangle", "atan", "triangle", "superspike")
"""What the kernels know, in the order of their enumeration (csrc/problem.hpp)."""

_NAMED: dict[type, Callable[..., tuple[str, float]]] = {
    ReLSGET: lambda s: ("relsget_periodic" if s.periodic else "relsget", s.alpha),
    Rectangle: lambda s: ("rectangle", 1.0),
    ATan: lambda s: ("atan", s.alpha),
    Triangle: lambda s: ("triangle", s.alpha),
    SuperSpike: lambda s: ("superspike", s.alpha),
}


class Mechanism(NamedTuple):
    """One neuron without its tensors (SPEC 1 to 3).

    Attributes:
        levels: ``q_0 < ... < q_L``.
        boundaries: ``b_1 < ... < b_L``.
        surrogate: one of `SURROGATE_NAMES`.
        alpha: its steepness.
        decay_input: ``H = V + (I - V) / tau`` rather than ``(1 - 1/tau) V + I``.
        hard_reset: ``V = H (1 - S / s)`` rather than ``V = H - S``.
        detach_reset: the spike in the reset carries no gradient.
    """

    levels: tuple[float, ...]
    boundaries: tuple[float, ...]
    surrogate: str
    alpha: float
    decay_input: bool
    hard_reset: bool
    detach_reset: bool


def mechanism_of(
    alphabet: Alphabet,
    surrogate: Surrogate,
    decay_input: bool,
    reset: str,
    detach_reset: bool,
    reset_gain: float = 1.0,
) -> Mechanism | str:
    """The kernels' description of a neuron, or why they have none; fields as `shiftlif.neuron.NeuronParameters`."""
    named = _NAMED.get(type(surrogate))
    if named is None:
        return "the surrogate is not one of shiftlif's own, so its derivative is known to Python only"
    if reset == "hard" and alphabet.signed:
        return f"the kernels clear a membrane for the letters 0 and 1 only, not for {alphabet.name}"
    if reset_gain != 1:
        return f"the kernels subtract the spike itself, this neuron subtracts {reset_gain:g} times it"
    name, alpha = named(surrogate)
    return Mechanism(
        alphabet.levels, alphabet.boundaries, name, alpha, decay_input, reset == "hard", detach_reset
    )
