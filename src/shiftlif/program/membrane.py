"""Intervals of a neuron's membrane: the recurrence of `operations.Neuron` on sets instead of values.

All functions work per channel on int64 arrays and never under-estimate. One step maps an interval
[low, high] of membranes after reset to

    pre  = leak([low, high]) + current          (the leak v - (v >> m) is monotone)
    post = hull over letters k of (pre intersected with [theta_k, theta_{k+1} - 1]) - reset_k

and the reachable set grows by ``post`` until nothing changes or ``max_steps`` steps have been made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shiftlif.program.operations import Neuron

Int64 = npt.NDArray[np.int64]
EXACT_STEPS = 1024  # after that many steps a closed form bounds what is still growing
FAR = np.int64(2**62)


class Interval(NamedTuple):
    """Closed intervals per channel: int64 ``low <= high``, both ``[C]``."""

    low: Int64
    high: Int64

    @property
    def magnitude(self) -> int:
        """The largest absolute value of any channel."""
        return max(abs(int(self.low.min())), abs(int(self.high.max())))

    def hull(self, other: Interval) -> Interval:
        """The smallest intervals that hold both."""
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def plus(self, other: Interval) -> Interval:
        """Sums of independent members."""
        return Interval(self.low + other.low, self.high + other.high)

    def scaled(self, shift: int, bias: Int64 | int = 0) -> Interval:
        """``(n << shift) + bias``."""
        return Interval((self.low << shift) + bias, (self.high << shift) + bias)

    def per_step(self, steps: int) -> Interval:
        """Sums of 0 to ``steps`` members."""
        return Interval(np.minimum(self.low * steps, 0), np.maximum(self.high * steps, 0))


class MembraneRange(NamedTuple):
    """What a neuron can reach: membrane before emission, after reset, and the letters."""

    before: Interval
    after: Interval
    letters: Interval


class _Pieces(NamedTuple):
    """Per channel and letter: the membranes that emit it, what a soft reset subtracts, which ones clear."""

    first: Int64
    last: Int64
    resets: Int64
    clears: npt.NDArray[np.bool_]

    def take(self, channels: npt.NDArray[np.bool_]) -> _Pieces:
        return _Pieces(self.first[channels], self.last[channels], self.resets[channels], self.clears)


def _pieces(neuron: Neuron) -> _Pieces:
    thresholds = neuron.thresholds.astype(np.int64)
    edge = np.full((thresholds.shape[0], 1), FAR)
    hard = neuron.reset == "hard"
    resets = np.zeros_like(neuron.resets, dtype=np.int64) if hard else neuron.resets.astype(np.int64)
    return _Pieces(
        np.concatenate([-edge, thresholds], axis=1),
        np.concatenate([thresholds - 1, edge], axis=1),
        resets,
        (neuron.letters != 0) & hard,
    )


def leak(values: Int64, leak_shift: int | None) -> Int64:
    """``v - (v >> leak_shift)``; unchanged without a leak."""
    if leak_shift is None:
        return values
    leaked: Int64 = values - (values >> leak_shift)
    return leaked


def _reached(before: Interval, pieces: _Pieces) -> tuple[Int64, Int64, npt.NDArray[np.bool_]]:
    low = np.maximum(before.low[:, None], pieces.first)
    high = np.minimum(before.high[:, None], pieces.last)
    return low, high, low <= high


def _step(
    after: Interval, current: Interval, leak_shift: int | None, pieces: _Pieces
) -> tuple[Interval, Interval]:
    """Membranes before emission and after reset, one step on."""
    before = Interval(leak(after.low, leak_shift), leak(after.high, leak_shift)).plus(current)
    low, high, reachable = _reached(before, pieces)
    low = np.where(pieces.clears, 0, low - pieces.resets)
    high = np.where(pieces.clears, 0, high - pieces.resets)
    reset = Interval(np.where(reachable, low, FAR).min(axis=1), np.where(reachable, high, -FAR).max(axis=1))
    return before, reset


def _grown_high(high: Int64, current: Int64, leak_shift: int | None, pieces: _Pieces, steps: int) -> Int64:
    """An upper bound of ``high >= 0`` after ``steps`` more steps; the smallest of three sound ones.

    1. A step adds at most ``rise = current + max(-reset)``, and a leak only pulls towards 0 from above.
    2. A letter below the top one leaves less than its upper threshold, a constant; only the top letter grows.
    3. With a leak, ``rise << m`` is invariant: leaking it takes exactly ``rise`` away.
    """
    rise = np.maximum(0, current - pieces.resets.min(axis=1))
    bound: Int64 = high + steps * rise
    if leak_shift is not None:
        bound = np.minimum(bound, np.maximum(high, rise << leak_shift))
    used = pieces.first[:, :-1] <= pieces.last[:, :-1]
    left = np.where(pieces.clears[:-1], 0, pieces.last[:, :-1] - pieces.resets[:, :-1])
    ceiling = np.where(used, left, -FAR).max(axis=1)
    top = np.zeros_like(current) if pieces.clears[-1] else np.maximum(0, current - pieces.resets[:, -1])
    by_top: Int64 = np.minimum(bound, np.maximum(np.maximum(high, ceiling), 0) + steps * top)
    return by_top


def _mirrored(pieces: _Pieces) -> _Pieces:
    flipped = (-pieces.last[:, ::-1], -pieces.first[:, ::-1], -pieces.resets[:, ::-1], pieces.clears[::-1])
    return _Pieces(*flipped)


def _grow(
    after: Interval, current: Interval, leak_shift: int | None, pieces: _Pieces, steps: int
) -> Interval:
    high = _grown_high(after.high, current.high, leak_shift, pieces, steps)
    # The floor of the leak rounds towards minus infinity: from below it pulls towards 0 by at least as much
    # as the mirror image, so the mirrored bound holds.
    low = -_grown_high(-after.low, -current.low, leak_shift, _mirrored(pieces), steps)
    return Interval(np.minimum(low, after.low), np.maximum(high, after.high))


def membrane_range(neuron: Neuron, current: Interval, max_steps: int) -> MembraneRange:
    """Everything the neuron can reach from a membrane of 0 within ``max_steps`` steps.

    Args:
        neuron: the tables.
        current: ``(x << current_shift) + bias``, per channel.
        max_steps: at least 1.
    """
    pieces = _pieces(neuron)
    zero = np.zeros(neuron.bias.shape[0], np.int64)
    after, before = Interval(zero.copy(), zero.copy()), current
    moving = np.ones(zero.shape, np.bool_)
    for _ in range(min(max_steps, EXACT_STEPS)):
        part = Interval(after.low[moving], after.high[moving])
        flow = Interval(current.low[moving], current.high[moving])
        _, reset = _step(part, flow, neuron.leak_shift, pieces.take(moving))
        grown = part.hull(reset)
        changed = (grown.low != part.low) | (grown.high != part.high)
        before = Interval(leak(after.low, neuron.leak_shift), leak(after.high, neuron.leak_shift)).plus(
            current
        )
        after.low[moving], after.high[moving] = grown
        moving[moving] = changed
        if not moving.any():
            break
    rest = max_steps - EXACT_STEPS
    if rest > 0 and moving.any():
        part = Interval(after.low[moving], after.high[moving])
        flow = Interval(current.low[moving], current.high[moving])
        wide = _grow(part, flow, neuron.leak_shift, pieces.take(moving), rest)
        after.low[moving], after.high[moving] = wide
        before = Interval(leak(after.low, neuron.leak_shift), leak(after.high, neuron.leak_shift)).plus(
            current
        )
    _, _, reachable = _reached(before, pieces)
    values = neuron.letters.astype(np.int64)
    return MembraneRange(
        before,
        after,
        Interval(np.where(reachable, values, FAR).min(axis=1), np.where(reachable, values, -FAR).max(axis=1)),
    )
