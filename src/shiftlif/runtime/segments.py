"""How many digit planes can be summed in 16 bits, as cores do that add several sums at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.runtime.plan import Int8, Synapse

LIMIT16 = 2**15 - 1


def segment(synapse: Synapse) -> int:
    """For ``sl_synapse``: at least 1, at most its planes."""
    summed = _summed(synapse.stored) if synapse.packed else synapse.rows
    return planes_within(_largest_chunk(summed, synapse.chunk), synapse.planes)


def planes_within(weights: int, planes: int) -> int:
    """How many digits may be summed up in 16 bits: no two neighbours are set, so k of them make at most 2^(k + 1) / 3.

    Args:
        weights: the largest sum of magnitudes of an output's weights within one chunk.
        planes: digits in all.
    """
    return max(k for k in range(1, planes + 1) if k == 1 or weights * (2 ** (k + 1) // 3) <= LIMIT16)


def _summed(stored: Int8) -> npt.NDArray[np.int64]:
    """What is summed of packed rows instead of weights: bytes, their lower halves, and the difference of the two."""
    whole = stored.astype(np.int64)
    half = whole & 15
    return np.concatenate((whole, half, whole - half), axis=-1)


def _largest_chunk(rows: npt.NDArray[Any], chunk: int) -> int:
    """The largest sum of magnitudes of an output's weights in so many rows, wherever they begin."""
    flat = np.abs(rows.astype(np.int64)).reshape(rows.shape[0], -1, rows.shape[-1])
    sums = np.pad(flat.cumsum(axis=1), ((0, 0), (1, 0), (0, 0)))
    return int((sums[:, chunk:] - sums[:, :-chunk]).max())
