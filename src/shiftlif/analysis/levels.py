"""How many letters a layer needs: choosing K or L and the scale, and comparing alphabets on real membranes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet, PowerOfTwo, Uniform
from shiftlif.analysis.quantisation import Rendering, optimum, rendering
from shiftlif.errors import ConfigurationError, DataError, NetworkError
from shiftlif.network import (
    Distribution,
    Family,
    Network,
    Observation,
    batch_statistics,
    best_scale,
    distributions,
    evaluating,
    family_of,
    least_error_scales,
    observe,
    pre_emission,
    require_network,
    set_levels,
    thinned,
)
from shiftlif.neuron import SpikingNeuron

TOLERANCE = 0.05
"""Default of `choose_levels`: error beyond the best possible, as a share of the membrane's power."""
CANDIDATES = {"K": tuple(range(6)), "L": tuple(range(1, 7))}
"""Sizes tried unless others are given: both families have 2 to 7 letters then."""
ROUNDS = 2  # a layer's reset depends on its scale, so it is set and looked at as often as `calibrate` does


@dataclass(frozen=True)
class Candidate:
    """One size of a layer's alphabet.

    Attributes:
        size: K or L.
        rendering: its error, entropy and density at its best scale.
        bound: error of the Lloyd-Max quantiser with as many levels as the largest candidate has.
    """

    size: int
    rendering: Rendering
    bound: float

    @property
    def excess(self) -> float:
        """Error beyond ``bound``, as a share of the membrane's power."""
        power = self.rendering.power
        return (self.rendering.error - self.bound) / power if power > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {"size": self.size, "bound": self.bound, "excess": self.excess, **self.rendering.to_dict()}


@dataclass(frozen=True)
class LayerLevels:
    """What was chosen for one layer.

    Attributes:
        name: qualified layer name.
        family: of its alphabet: what ``size`` is called, placement, sign.
        size: the K or L chosen.
        candidates: in ascending order of their size.
    """

    name: str
    family: Family
    size: int
    candidates: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate:
        """The candidate of that size."""
        return next(c for c in self.candidates if c.size == self.size)

    @property
    def scale(self) -> tuple[float, ...]:
        """Of the chosen candidate."""
        return self.chosen.rendering.scale


def check_tolerance(tolerance: float) -> None:
    """Raise a ConfigurationError unless a tolerance is a share: 0 to 1."""
    if not 0 <= tolerance <= 1:
        raise ConfigurationError(
            f"tolerance must be 0 to 1, a share of the membrane's power (0.05 is 5 %), got {tolerance!r}"
        )


def recommend(candidates: Sequence[Candidate], tolerance: float) -> int:
    """The smallest size whose `Candidate.excess` is within the tolerance; else that of the least error.

    The bound is the Lloyd-Max optimum of the largest candidate's number of letters, not of the candidate's own: one
    letter beside 0 is optimal among its like at any membrane, so every layer would get it.

    Raises:
        ConfigurationError: the tolerance is not 0 to 1.
    """
    check_tolerance(tolerance)
    within = [c.size for c in candidates if c.excess <= tolerance]
    return min(within) if within else min(candidates, key=lambda c: c.excess).size


@torch.no_grad()
def choose_levels(
    network: Network,
    x: Tensor,
    *,
    candidates: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> list[LayerLevels]:
    """The smallest alphabet for each layer that renders its membrane nearly as well as possible.

    Front to back, as `shiftlif.network.calibrate` goes: a layer sees its predecessors with what was chosen for them,
    and every candidate sees the membrane that its own resets leave, at its scale of the least error. See `recommend`
    for the criterion. Batch statistics are used; dropout is off.

    Args:
        network: left as it was; `apply_levels` sets the choice.
        x: one batch ``[T, B, *input_shape]``.
        candidates: sizes to try, of K or L; None is `CANDIDATES`.
        tolerance: in shares of the membrane's power. A larger one gives fewer letters and fewer events.

    Raises:
        ConfigurationError: no layer has a K or L, a candidate is out of range, or the tolerance is not 0 to 1.
        NetworkError: the batch does not fit the network, is empty, or is not finite.
    """
    require_network(network)
    if x.numel() == 0 or not torch.isfinite(x).all():
        raise NetworkError("choosing levels needs a batch of finite values, got an empty or non-finite one")
    layers = [(name, n, family) for name, n in _calibrated(network) if (family := family_of(n.alphabet))]
    if not layers:
        raise ConfigurationError(
            "no layer has an alphabet with a K or L to choose; use ShiftLIF, QBLIF or IntLIF neurons"
        )
    before = [(neuron, neuron.alphabet, neuron.scale.clone()) for _, neuron, _ in layers]
    found: list[LayerLevels] = []
    try:
        with batch_statistics(network):
            for name, neuron, family in layers:
                currents, start = observe(network, x, name).currents, neuron.scale.clone()
                sizes = sorted(set(CANDIDATES[family.size] if candidates is None else candidates))
                most = family(sizes[-1]).n_levels if sizes else 0
                tried = tuple(_try(currents, neuron, start, family(size), size, most) for size in sizes)
                if not tried:
                    raise ConfigurationError("candidates must hold at least one size, got none")
                found.append(LayerLevels(name, family, recommend(tried, tolerance), tried))
                apply_levels(network, found[-1:])
    finally:
        for neuron, alphabet, scale in before:
            neuron.alphabet = alphabet
            neuron.scale.copy_(scale)
    return found


@torch.no_grad()
def apply_levels(network: Network, chosen: Iterable[LayerLevels]) -> None:
    """Set each layer's alphabet and scale to what was chosen, in place.

    Raises:
        ConfigurationError: the choice is not of this network's layers.
    """
    chosen = list(chosen)
    set_levels(network, {layer.name: layer.size for layer in chosen})
    neurons = dict(_calibrated(network))
    for layer in chosen:
        scale = neurons[layer.name].scale
        scale.copy_(scale.new_tensor(layer.scale))


def _calibrated(network: Network) -> list[tuple[str, SpikingNeuron]]:
    return [
        (name, n) for name, n in network.stateful_layers() if isinstance(n, SpikingNeuron) and n.calibrates
    ]


def _try(
    currents: Tensor, neuron: SpikingNeuron, start: Tensor, alphabet: Alphabet, size: int, most: int
) -> Candidate:
    """A candidate, calibrated as `shiftlif.network.calibrate` would from the scale ``start``."""
    neuron.alphabet = alphabet
    neuron.scale.copy_(start)
    for _ in range(ROUNDS):
        neuron.scale.copy_(least_error_scales(distributions(pre_emission(currents, neuron), neuron), neuron))
    rows = distributions(pre_emission(currents, neuron), neuron)
    return Candidate(size, rendering(rows, neuron.alphabet, neuron.scale.tolist()), optimum(rows, most))


@dataclass(frozen=True, eq=False)
class LayerComparison:
    """Alphabets of equally many letters on the membrane of one layer.

    Attributes:
        name: qualified layer name.
        alphabet: as trained.
        scale: its mean scale.
        membrane: pre-emission membranes H over the mean scale, ``[N]``; thinned.
        power_of_two: one candidate for each K, each at its best scale.
        uniform: the same with as many letters: L = K + 1.
        recommended: K.
    """

    name: str
    alphabet: Alphabet
    scale: float
    membrane: Distribution
    power_of_two: tuple[Candidate, ...]
    uniform: tuple[Candidate, ...]
    recommended: int

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form, without the membrane."""
        return {
            "name": self.name,
            "alphabet": self.alphabet.name,
            "scale": self.scale,
            "recommended_K": self.recommended,
            "power_of_two": [c.to_dict() for c in self.power_of_two],
            "uniform": [c.to_dict() for c in self.uniform],
        }


@torch.no_grad()
def compare_alphabets(
    network: Network,
    batches: Iterable[Tensor],
    *,
    exponents: Sequence[int] = CANDIDATES["K"],
    tolerance: float = TOLERANCE,
    progress: Callable[[int, int], None] | None = None,
) -> list[LayerComparison]:
    """Power-of-two against uniform letters on the membranes that a network has, in evaluation mode.

    The membranes are those before emission, with the resets of the letters the network was trained with. They are
    measured in units of the layer's scale, over all channels at once.

    Args:
        network: left in the mode it was in.
        batches: network inputs ``[T, B, ...]``.
        exponents: values of K.
        tolerance: for the recommended K, see `recommend`.
        progress: called with (layers done, layers in all), first with none done.

    Raises:
        DataError: there is no batch.
        ConfigurationError: an exponent is out of range, there is none, or the tolerance is not 0 to 1.
    """
    require_network(network)
    seen: dict[str, list[Tensor]] = {name: [] for name, _ in _calibrated(network)}

    def keep(o: Observation) -> None:
        if isinstance(o.layer, SpikingNeuron) and o.name in seen:
            scale = o.layer.parameters_for(o.currents.ndim - 1).scale
            u = (pre_emission(o.currents, o.layer) / scale).flatten()
            seen[o.name].append(thinned(u, SAMPLED).cpu())

    with evaluating(network):
        for x in batches:
            network.run(x, observer=keep)
    neurons = dict(_calibrated(network))
    found: list[LayerComparison] = []
    for name, parts in seen.items():
        if progress is not None:
            progress(len(found), len(seen))
        found.append(_compare(name, neurons[name], parts, sorted(set(exponents)), tolerance))
    return found


SAMPLED = 20_000  # membranes kept per layer and batch


def _compare(
    name: str, neuron: SpikingNeuron, parts: list[Tensor], exponents: list[int], tolerance: float
) -> LayerComparison:
    if not parts:
        raise DataError("comparing alphabets needs at least one batch, got none")
    if not exponents:
        raise ConfigurationError("exponents must hold at least one K, got none")
    signed = neuron.alphabet.signed
    u = torch.cat(parts).numpy()
    membrane = Distribution.of(u, signed=signed)
    family = family_of(neuron.alphabet)
    placement = family.placement if family is not None and family.size == "K" else "nearest"
    bound = optimum([membrane], PowerOfTwo(exponents[-1], signed=signed).n_levels)
    both: list[tuple[Candidate, ...]] = []
    for alphabets in (
        [(k, PowerOfTwo(k, placement, signed=signed)) for k in exponents],
        [(k + 1, Uniform(k + 1, signed=signed)) for k in exponents],
    ):
        rendered = [(size, rendering([membrane], a, [best_scale(membrane, a)])) for size, a in alphabets]
        both.append(tuple(Candidate(size, r, bound) for size, r in rendered))
    return LayerComparison(
        name,
        neuron.alphabet,
        float(neuron.effective_scale().mean()),
        Distribution.of(u, signed=True),
        both[0],
        both[1],
        recommend(both[0], tolerance),
    )
