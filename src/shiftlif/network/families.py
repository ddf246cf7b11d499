"""Alphabets that come in sizes: K of the power-of-two letters, L of the counts; and setting it layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shiftlif.alphabet import MAX_K, MAX_L, PLACEMENTS, Alphabet, PowerOfTwo, Uniform
from shiftlif.errors import ConfigurationError
from shiftlif.network.container import Network
from shiftlif.neuron import SpikingNeuron


class Family(NamedTuple):
    """Alphabets that differ by one number only.

    Attributes:
        size: what the number is called, ``K`` or ``L``.
        placement: of the boundaries.
        signed: whether letters below 0 exist.
    """

    size: str
    placement: str
    signed: bool

    def __call__(self, size: int) -> Alphabet:
        """The alphabet of that K or L.

        Raises:
            ConfigurationError: it is out of range, or the placement belongs to the other family.
        """
        build: Callable[..., Alphabet] = PowerOfTwo if self.size == "K" else Uniform
        return build(size, self.placement, signed=self.signed)

    def size_of(self, alphabet: Alphabet) -> int:
        """K or L of a member."""
        letters = sum(q > 0 for q in alphabet.levels)
        return letters - 1 if self.size == "K" else letters


def family_of(alphabet: Alphabet) -> Family | None:
    """The family that an alphabet belongs to; None for one of its own, such as ``Binary()``."""
    for size, largest in (("K", MAX_K), ("L", MAX_L)):
        for placement in PLACEMENTS:
            if size == "L" and placement == "log":
                continue
            family = Family(size, placement, alphabet.signed)
            number = family.size_of(alphabet)
            # The name is compared too: PowerOfTwo(0) and Uniform(1) have the same tables.
            if (0 if size == "K" else 1) <= number <= largest and family(number) == alphabet:
                return family
    return None


def set_levels(network: Network, sizes: Mapping[str, int]) -> None:
    """Give layers the alphabet of another K or L; their scales stay.

    Args:
        network: changed in place.
        sizes: K or L by qualified layer name; layers that are not named stay as they are.

    Raises:
        ConfigurationError: there is no neuron layer of that name, its alphabet has no K or L, or the number is out
            of range. Nothing was changed then.
    """
    neurons = {name: n for name, n in network.stateful_layers() if isinstance(n, SpikingNeuron)}
    chosen: dict[str, Alphabet] = {}
    for name, size in sizes.items():
        if name not in neurons:
            raise ConfigurationError(
                f"levels: there is no neuron layer {name!r}; this network's are {', '.join(neurons)}"
            )
        family = family_of(neurons[name].alphabet)
        if family is None or neurons[name].input_gain != 1:  # NILIF's gain belongs to the L it was built with
            raise ConfigurationError(
                f"levels: layer {name} ({type(neurons[name]).__name__}, {neurons[name].alphabet.name}) has no K or L "
                "that can be changed; leave the layer out, or use ShiftLIF, QBLIF or IntLIF"
            )
        try:
            chosen[name] = family(size)
        except ConfigurationError as error:
            raise ConfigurationError(f"levels: layer {name}: {error}") from None
    for name, alphabet in chosen.items():
        neurons[name].alphabet = alphabet
