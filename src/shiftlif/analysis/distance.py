"""How far two distributions on a line are apart: the earth mover's distance (Wasserstein-1)."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftlif.errors import DataError


def earth_movers_distance(p: Tensor, q: Tensor, positions: Tensor) -> float:
    """Least work that turns one distribution into another: mass times the way it is moved.

    On a line it is the area between the two cumulative distributions,
    ``sum_i |P_i - Q_i| (x_{i+1} - x_i)`` (as used for firing distributions in arXiv:2604.14487).

    Args:
        p: masses or counts ``[n]``, normalised here.
        q: as ``p``.
        positions: where they lie, ascending ``[n]``, for example the letters' values.

    Returns:
        The distance in the unit of ``positions``; 0 only for equal distributions (where positions differ).

    Raises:
        DataError: shapes differ, a mass is negative or not finite, all are 0, or positions do not ascend.
    """
    p, q, x = (values.detach().double() for values in (p, q, positions))
    if p.ndim != 1 or not p.shape == q.shape == x.shape or len(x) == 0:
        raise DataError(
            f"earth mover's distance: p, q and positions are {tuple(p.shape)}, {tuple(q.shape)} and "
            f"{tuple(x.shape)}, expected the same length [n] of at least 1"
        )
    for name, mass in (("p", p), ("q", q)):
        if not torch.isfinite(mass).all() or (mass < 0).any() or mass.sum() == 0:
            raise DataError(f"earth mover's distance: {name} must be finite, at least 0 and not all 0")
    if not torch.isfinite(x).all() or (x[1:] < x[:-1]).any():
        raise DataError("earth mover's distance: positions must be finite and ascend; sort them first")
    gaps = (p / p.sum() - q / q.sum()).cumsum(0).abs()[:-1]
    return float((gaps * x.diff()).sum())


def sample_distance(a: Tensor, b: Tensor) -> float:
    """`earth_movers_distance` of two sets of numbers, each of which weighs the same within its set.

    Args:
        a: numbers of any shape, for example the rates of a layer's neurons.
        b: as ``a``; the counts may differ.

    Raises:
        DataError: one of them is empty or holds a number that is not finite.
    """
    a, b = a.detach().double().flatten(), b.detach().double().flatten()
    if not len(a) or not len(b):
        raise DataError(f"earth mover's distance needs numbers, got sets of {len(a)} and {len(b)}")
    positions, index = torch.unique(torch.cat([a, b]), return_inverse=True)
    counts = [torch.bincount(part, minlength=len(positions)) for part in index.split([len(a), len(b)])]
    return earth_movers_distance(counts[0], counts[1], positions)
