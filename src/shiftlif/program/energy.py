"""What an inference would cost in nanojoules, by three published models (SPEC 8, docs/energy.md).

The counts are those of `shiftlif.program.cost`, the prices those of `ENERGY_CONSTANTS`. The figures:

- ``naive``: what papers on spiking networks usually quote: 0.9 pJ for every synaptic operation, 4.6 pJ for
  every multiplication and addition, both of float32; the direct-coded first layer multiplies. For comparison only.
- ``arithmetic``: the integer operations that are computed, neuron updates included; 45 nm.
- ``memory``: arithmetic (22 nm) and data, event by event: every synaptic operation fetches its weight, every
  event is routed; a direct-coded layer, which no event drives, moves its frame densely and reads a weight once.
- ``memory_reuse``: arithmetic (22 nm) and data, dense: every weight is read once per inference, every value is
  moved, 0 or not.
- ``memory_best``: the cheaper of the two, for the network as a whole.

These are models of hardware that does not exist, good for ratios. They are not measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from shiftlif.errors import ConfigurationError
from shiftlif.program.cost import Cost, LayerCost
from shiftlif.program.energy_constants import constants_with

KINDS = ("spiking", "dense", "dense_zero_skipping")
FIGURES = ("naive", "arithmetic", "memory", "memory_reuse")
KIB = 1024
PICO_PER_NANO = 1000.0


@dataclass(frozen=True)
class Picojoules:
    """An energy and where it goes.

    Attributes:
        arithmetic: operations.
        weights: weights read.
        state: membranes and read-out sums, read and written between steps, and the tables of neurons, every step.
        activations: letters or values moved to where they are used.
    """

    arithmetic: float = 0.0
    weights: float = 0.0
    state: float = 0.0
    activations: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.arithmetic + self.weights + self.state + self.activations

    def __add__(self, other: Picojoules) -> Picojoules:
        return Picojoules(
            *(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True))
        )

    def to_dict(self) -> dict[str, float]:
        """The parts and their total."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True)
class LayerEnergy:
    """One operation per inference.

    Attributes:
        name: the operation.
        kind: its kind.
        figures: by name, see `FIGURES`.
    """

    name: str
    kind: str
    figures: Mapping[str, Picojoules]


@dataclass(frozen=True)
class Energy:
    """One inference of a network.

    Attributes:
        kind: how it is evaluated, see `energy`.
        layers: one entry per operation, in program order.
    """

    kind: str
    layers: tuple[LayerEnergy, ...]

    def total(self, figure: str) -> Picojoules:
        """One of `FIGURES` over all layers."""
        return sum((layer.figures[figure] for layer in self.layers), Picojoules())

    @property
    def nanojoules(self) -> dict[str, float]:
        """Every figure in nJ per inference, with ``memory_best``."""
        found = {figure: self.total(figure).total / PICO_PER_NANO for figure in FIGURES}
        return {**found, "memory_best": min(found["memory"], found["memory_reuse"])}

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form: totals in nJ, parts in pJ."""
        return {
            "kind": self.kind,
            "nanojoules": self.nanojoules,
            "picojoules": {figure: self.total(figure).to_dict() for figure in FIGURES},
            "layers": [
                {"name": layer.name, "kind": layer.kind}
                | {figure: layer.figures[figure].to_dict() for figure in FIGURES}
                for layer in self.layers
            ],
        }


class Comparison(NamedTuple):
    """One figure of two networks, in nJ; ``ratio`` is None where the opponent's is 0."""

    figure: str
    spiking: float
    opponent: float
    ratio: float | None


def energy(
    cost: Cost,
    kind: str = "spiking",
    *,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    constants: Mapping[str, float] | None = None,
) -> Energy:
    """Nanojoules per inference, by every figure and layer.

    Args:
        cost: of `shiftlif.program.measure`.
        kind: ``spiking``: shifts and adds as the program computes them. ``dense``: a non-spiking network (the
            program of a quantised ReLU at one step) whose every connection is a multiplication and an addition.
            ``dense_zero_skipping``: the same, but a value of 0 costs nothing.
        weight_bits: of every weight; None: as compiled.
        activation_bits: of every value that is not the program's input; None: as measured.
        constants: values that replace `ENERGY_CONSTANTS`, by name; derived ones do not follow.

    Raises:
        ConfigurationError: an unknown kind or constant, bits below 1 or above 32, or several steps of a network
            that is said not to spike.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"energy kind is {kind!r}, expected one of {', '.join(KINDS)}")
    if kind != "spiking" and cost.steps != 1:
        raise ConfigurationError(
            f"energy kind is {kind!r}, but the cost is of {cost.steps} steps; a network without spikes runs once: "
            "measure it with steps=1, or take the kind 'spiking'"
        )
    for name, bits in (("weight_bits", weight_bits), ("activation_bits", activation_bits)):
        if bits is not None and (isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 32):
            raise ConfigurationError(f"{name} is {bits!r}, expected a whole number from 1 to 32, or None")
    prices = constants_with(constants)
    layers = []
    for layer in cost.layers:
        widths = _Widths(
            weight_bits or layer.weight_bits,
            *(
                bits if layer.direct or activation_bits is None else activation_bits
                for bits in (layer.input_bits, layer.event_bits, layer.value_bits)
            ),
        )
        layers.append(LayerEnergy(layer.name, layer.kind, _figures(layer, kind, widths, prices)))
    return Energy(kind, tuple(layers))


def compare(spiking: Energy, opponent: Energy) -> tuple[Comparison, ...]:
    """Both networks by every figure; a ratio below 1 means that the spiking network needs less."""
    ours, theirs = spiking.nanojoules, opponent.nanojoules
    return tuple(
        Comparison(
            figure, ours[figure], theirs[figure], ours[figure] / theirs[figure] if theirs[figure] else None
        )
        for figure in ours
    )


class _Widths(NamedTuple):
    weight: int
    code: int
    event: int
    value: int


class _Work(NamedTuple):
    """Operations per inference; ``products`` of a weight and a value."""

    adds: float = 0.0
    compares: float = 0.0
    weight_shifts: float = 0.0
    wide_shifts: float = 0.0
    products: float = 0.0


def _figures(layer: LayerCost, kind: str, widths: _Widths, prices: dict[str, float]) -> dict[str, Picojoules]:
    work = _work(layer, kind)
    at22 = _arithmetic(work, widths, prices, "accumulate", "accumulate", "_22nm")
    return {
        "naive": Picojoules(_naive(layer, kind, prices)),
        "arithmetic": Picojoules(_arithmetic(work, widths, prices, "add32", "compare32", "")),
        "memory": Picojoules(at22, *_moved(layer, kind, widths, prices, reuse=False)),
        "memory_reuse": Picojoules(at22, *_moved(layer, kind, widths, prices, reuse=True)),
    }


def _performed(layer: LayerCost, kind: str) -> float:
    """Connections of a synapse that are evaluated, per inference."""
    return layer.dense_operations if kind == "dense" else layer.synaptic_operations


def _work(layer: LayerCost, kind: str) -> _Work:
    synapse = layer.weight_bits > 0
    if kind == "spiking":
        shifts = {"weight_shifts" if synapse else "wide_shifts": layer.shifts}
        return _Work(layer.adds, layer.compares, **shifts)
    if synapse:
        return _Work(adds=_performed(layer, kind), products=_performed(layer, kind))
    if layer.kind == "Neuron":
        # A clipped ReLU has evenly spaced thresholds: one add for the bias, and for every bit of its
        # result one add that makes the threshold and one comparison with it.
        thresholds = round(layer.compares / layer.values_written) if layer.values_written else 0
        bits = thresholds.bit_length()
        return _Work(adds=(1 + bits) * layer.values_written, compares=bits * layer.values_written)
    if layer.kind == "Accumulate" and layer.evaluations == 1:
        return _Work(adds=layer.values_written)  # the bias; there is no sum over time
    return _Work(layer.adds, layer.compares, wide_shifts=layer.shifts)


def _arithmetic(
    work: _Work, widths: _Widths, prices: dict[str, float], add: str, compare: str, node: str
) -> float:
    # A multiplier of a x b bits grows with a b: Horowitz' 32 and 8 bits differ by 15.5, and 32 x 32 / 64 is 16.
    # A value of one bit selects the weight and multiplies nothing.
    product = prices["multiply8" + node] * widths.weight * widths.value / 64 if widths.value > 1 else 0.0
    return (
        work.adds * prices[add]
        + work.compares * prices[compare]
        + work.weight_shifts * prices["shift16" + node]
        + work.wide_shifts * prices["shift32" + node]
        + work.products * product
    )


def _naive(layer: LayerCost, kind: str, prices: dict[str, float]) -> float:
    multiply_accumulate = prices["float_multiply"] + prices["float_add"]
    if kind == "spiking" and not layer.direct:
        return layer.synaptic_operations * prices["float_add"]
    return multiply_accumulate * (layer.dense_operations if layer.direct else _performed(layer, kind))


def _moved(
    layer: LayerCost, kind: str, widths: _Widths, prices: dict[str, float], *, reuse: bool
) -> tuple[float, float, float]:
    """Picojoules of weights, state and activations."""
    weights = activations = 0.0
    if layer.weight_bits:
        stored = 8 * layer.weight_bytes * widths.weight / layer.weight_bits
        once = reuse or layer.direct
        weights = stored if once else _performed(layer, kind) * widths.weight
        weights *= _storage(stored / 8, prices)
        if once or kind == "dense":
            activations = layer.values_read * widths.code * prices["move_dense"]
        else:
            activations = layer.events * widths.event * prices["move_event"]
    return weights, _state(layer, kind, prices), activations * prices["hops"]


def _state(layer: LayerCost, kind: str, prices: dict[str, float]) -> float:
    if layer.kind == "Neuron" and kind != "spiking":
        # a bias and the distance of its thresholds; a non-spiking neuron keeps nothing
        kept, tables = 0.0, 8 * layer.channels
    else:
        # The first step finds zeros and the last one leaves nothing to be read: T - 1 reads and writes.
        kept, tables = layer.state_bytes_moved * (1 - 1 / layer.evaluations), layer.table_bytes
    return 8 * (
        kept * _storage(layer.state_bytes, prices) + tables * layer.evaluations * _storage(tables, prices)
    )


def _storage(size: float, prices: dict[str, float]) -> float:
    """pJ per bit read or written in the smallest memory of so many bytes."""
    for limit, name in ((8 * KIB, "sram_8k"), (32 * KIB, "sram_32k"), (1024 * KIB, "sram_1m")):
        if size <= limit:
            return prices[name]
    return prices["dram"]
