"""How numbers, letters and layers are written in a report: for a person, without false precision."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from shiftlif.alphabet import Alphabet

MINUS = "\N{MINUS SIGN}"


def percent(share: float) -> str:
    """A share as ``12 %``, ``0.3 %`` or ``99.97 %``: exact at both ends, a whole number in between."""
    value = 100 * share
    distance = min(value, 100 - value)
    if distance <= 0:
        return f"{value:.0f} %"
    if distance < 0.01:
        return "under 0.01 %" if value < 50 else "over 99.99 %"
    return f"{value:.{2 if distance < 0.1 else 1 if distance < 1 else 0}f} %"


def accuracy(share: float) -> str:
    """A share of right answers, ``98.6 %``: always one digit, so that two can be compared."""
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """Three significant digits, or all digits of a large whole number, with thousands apart: ``0.0625``, ``12,300``."""
    if not math.isfinite(value):
        return "unbounded" if value > 0 else f"{MINUS}unbounded"
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}"
    return text.replace("-", MINUS)


def letter_name(letter: float) -> str:
    """A letter as a reader knows it: ``1/8``, ``3``, ``−1/2``."""
    return str(Fraction(letter).limit_denominator(2**20)).replace("-", MINUS)


def letter_names(alphabet: Alphabet) -> list[str]:
    """The names of all letters, ascending."""
    return [letter_name(q) for q in alphabet.levels]


def listing(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(count: int, word: str) -> str:
    """``1 neuron``, ``1,024 neurons``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def key_of(kind: str, position: int, name: str) -> str:
    """A key of ``[a-z0-9-]`` for what is said about the layer of that name, unique by its position."""
    return f"{kind}-{position}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}".strip("-")


def unit_name(position: int, shape: Sequence[int]) -> str:
    """The neuron at a position of a layer of shape ``(C, *spatial)``: ``neuron 7`` or ``channel 3 at (2, 5)``."""
    if len(shape) == 1:
        return f"neuron {position}"
    per_channel = math.prod(shape[1:])
    channel, rest = divmod(position, per_channel)
    place = []
    for size in reversed(shape[1:]):
        rest, at = divmod(rest, size)
        place.append(str(at))
    return f"channel {channel} at ({', '.join(reversed(place))})"
