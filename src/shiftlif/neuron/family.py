"""The family as a table: each neuron's source, its equation, and whether an integer program can compute it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from shiftlif.neuron.complementary import CLIF
from shiftlif.neuron.gated import GLIF
from shiftlif.neuron.members import (
    IF,
    LIF,
    NILIF,
    PLIF,
    QBLIF,
    TLIF,
    BurstLIF,
    IntLIF,
    QuantReLU,
    ShiftLIF,
    SignedShiftLIF,
)
from shiftlif.neuron.modules import SpikingNeuron
from shiftlif.neuron.parallel import PSN

RELU_REFUSAL = "its outputs are real numbers, not letters; train QuantReLU instead, which compiles"
_LEAK = "tau must be 1, a power of two or inf"
_MECHANISM = ("run", "step", "parameters_for", "effective_scale", "decay", "tau")


@dataclass(frozen=True)
class Member:
    """One neuron of the family.

    Attributes:
        neuron: makes one.
        source: where it was published.
        equation: what it computes, in the letters of SPEC 2.
        compiles: ``exactly``, ``on condition`` or ``refused``.
        note: the condition and how to meet it, or the reason of the refusal.
    """

    neuron: Callable[..., nn.Module]
    source: str
    equation: str
    compiles: Literal["exactly", "on condition", "refused"]
    note: str


FAMILY: dict[str, Member] = {
    "LIF": Member(
        LIF,
        "Gerstner and Kistler, Spiking Neuron Models (2002), ch. 4",
        "S = s [H >= s]; V = H - S, or V = 0 where S > 0",
        "exactly",
        _LEAK,
    ),
    "IF": Member(IF, "LIF without leak", "H = V + I; S = s [H >= s]; V = H - S", "exactly", ""),
    "PLIF": Member(
        PLIF,
        "arXiv:2007.05785",
        "LIF with 1/tau = sigmoid(w), w learned",
        "on condition",
        "the learned tau must be a power of two; call round_tau() on the neuron and fine-tune",
    ),
    "CLIF": Member(
        CLIF,
        "arXiv:2402.04663",
        "M = M sigmoid(H / tau) + q; V = H - q (s + sigmoid(M)), q = S / s",
        "refused",
        CLIF.refusal,
    ),
    "GLIF": Member(
        GLIF,
        "arXiv:2210.13768",
        "U = k U - (1 - alpha) tau_lin + (1 - beta (1 - g_t)) I - gamma k U S - (1 - gamma) v_re S; "
        "k = 1 - alpha (1 - tau); S = [U >= v_th]",
        "refused",
        GLIF.refusal,
    ),
    "PSN": Member(
        PSN, "arXiv:2304.12760", "H = W I + b over all steps; S = s [H >= s]", "refused", PSN.refusal
    ),
    "TLIF": Member(
        TLIF,
        "arXiv:2312.06372",
        "S = s ([H >= s] - [H < -s]); V = 0 where S is not 0, or V = H - S",
        "exactly",
        _LEAK,
    ),
    "IntLIF": Member(
        IntLIF,
        "I-LIF, arXiv:2407.20708",
        "S = clip(floor(H + 1/2), 0, L); V = H - S",
        "exactly",
        _LEAK,
    ),
    "NILIF": Member(
        NILIF,
        "NI-LIF, arXiv:2411.16061",
        "S = clip(floor(H + 1/2), 0, L) / L; V = H - L S",
        "exactly",
        _LEAK,
    ),
    "QBLIF": Member(
        QBLIF,
        "arXiv:2604.25688",
        "S = s clip(floor(H / s + 1/2), 0, L), s learned; V = H - S",
        "exactly",
        _LEAK,
    ),
    "BurstLIF": Member(
        BurstLIF,
        "arXiv:2204.13271",
        "H = V + I; S = s min(floor(H / s), L) where H >= 0; V = H - S",
        "exactly",
        _LEAK,
    ),
    "ShiftLIF": Member(
        ShiftLIF,
        "arXiv:2605.01866",
        "S = s Q(H / s), Q the nearest of 0, 2^-K, ..., 1/2, 1; V = H - S",
        "exactly",
        _LEAK,
    ),
    "SignedShiftLIF": Member(
        SignedShiftLIF,
        "ShiftLIF with its letters mirrored (ours)",
        "S = s Q(H / s), Q the nearest of 0, ±2^-K, ..., ±1/2, ±1; V = H - S",
        "exactly",
        _LEAK,
    ),
    "ReLU": Member(nn.ReLU, "non-spiking opponent", "y = max(I, 0)", "refused", RELU_REFUSAL),
    "QuantReLU": Member(
        QuantReLU,
        "LSQ, arXiv:1902.08153; non-spiking opponent",
        "y = s clip(floor(I / s + 1/2), 0, 2^bits - 1), s learned; no memory",
        "exactly",
        "8 bits reach 127",
    ),
}
"""Every member by the name that a configuration uses."""

NEURONS: dict[str, Callable[..., nn.Module]] = {name: member.neuron for name, member in FAMILY.items()}
"""Names a configuration file may use."""


def options_of(neuron: Callable[..., nn.Module]) -> dict[str, Any]:
    """What may be given to a member's class by name, with the defaults: its own parameters, then those it passes on.

    What a class gives its base by position (its alphabet) is not for its user to give again.
    """
    options: dict[str, Any] = {}
    own = True
    for cls in neuron.__mro__ if isinstance(neuron, type) else ():
        if "__init__" not in vars(cls):
            continue
        parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]
        for p in parameters:
            if p.kind is p.KEYWORD_ONLY or (own and p.kind is not p.VAR_KEYWORD):
                options.setdefault(p.name, p.default)
        own = False
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return options


def refusal(layer: nn.Module) -> str | None:
    """Why a layer cannot become part of an integer program because of its dynamics; None where nothing is in the way.

    A class that changes the mechanism is refused, whoever wrote it: the program would compute another neuron.
    """
    if isinstance(layer, nn.ReLU):
        return RELU_REFUSAL
    if not isinstance(layer, SpikingNeuron):
        return None
    if layer.refusal:
        return layer.refusal
    changed = [name for name in _MECHANISM if getattr(type(layer), name) is not getattr(SpikingNeuron, name)]
    if changed:
        return (
            f"it defines {', '.join(changed)} itself, and a program computes the steps of SpikingNeuron; use a member "
            "of the family that compiles"
        )
    return None


def as_markdown() -> str:
    """The table of docs/neurons.md."""
    rows = ["| name | equation | source | compiles |", "|---|---|---|---|"]
    for name, member in FAMILY.items():
        verdict = member.compiles + (f": {member.note}" if member.note else "")
        rows.append(f"| `{name}` | `{member.equation}` | {member.source} | {verdict} |")
    return "\n".join(rows) + "\n"
