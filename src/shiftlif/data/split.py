"""Take a validation part out of the training part; the test part never chooses anything.

One mechanism serves all cases: samples that must stay together form an *atom*, atoms are walked in seeded
order within *strata*, and each stratum gives atoms away until its quota is reached:

| case                        | atom                                   | stratum         |
| --------------------------- | -------------------------------------- | --------------- |
| three or more groups        | a group (joined by identical samples)  | all samples     |
| two groups                  | identical samples                      | class and group |
| no groups, or a single one  | identical samples                      | class           |

With two groups only (csi_har: two training subjects) a whole-group split would give half of the data away and
train on one subject, so both subjects appear on both sides and validation accuracy is optimistic there.
No atom is given away when that would leave a class without a training sample.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import DataError

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
MIN_GROUPS = 3  # with fewer, the split goes through the groups


def split_validation(
    y: Array,
    groups: Array | None = None,
    fraction: float = 0.15,
    seed: int = 0,
    *,
    samples: Array | None = None,
    part: str = "validation",
) -> tuple[Indices, Indices]:
    """Split indices of the training part into training and validation.

    Args:
        y: labels ``[N]``, integers.
        groups: subject, speaker or recording of each sample ``[N]``; with three or more distinct values
            whole groups move.
        fraction: share of the samples to give to validation, between 0 and 1; whole groups may exceed it.
        seed: order in which atoms are given away; independent of any training seed.
        samples: the samples ``[N, ...]``; when given, exact repeats stay on one side.
        part: what the messages call the second part.

    Returns:
        Ascending indices ``(train, validation)``, disjoint and together complete; both not empty, and every
        class that occurs is in train.

    Raises:
        DataError: when lengths differ, the fraction is out of range or nothing can be given away.
    """
    if not 0 < fraction < 1:
        raise DataError(
            f"{part} split: fraction is {fraction}, expected a number between 0 and 1, such as 0.15"
        )
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{part} split: labels are {y.dtype} {y.shape}, expected integers [N]")
    for what, values in (("groups", groups), ("samples", samples)):
        if values is not None and len(values) != len(y):
            raise DataError(f"{part} split: {len(values)} {what} for {len(y)} labels; give one per label")
    if len(y) < 2:
        raise DataError(f"{part} split: {len(y)} sample(s), expected at least 2; add samples")
    labels = np.unique(y, return_inverse=True)[1]
    atoms = identical_samples(samples) if samples is not None else np.arange(len(y))
    ids = np.unique(groups, return_inverse=True)[1] if groups is not None else np.zeros(len(y), np.int64)
    n_groups = int(ids.max()) + 1
    if n_groups >= MIN_GROUPS:
        atoms, strata = _joined(ids, atoms), np.zeros(len(y), np.int64)
    else:
        strata = labels * n_groups + ids
    given = _give_away(labels, atoms, strata, fraction, np.random.default_rng(seed))
    if not given.any():
        unit = "group" if n_groups >= MIN_GROUPS else "sample"
        counts = f"{len(y)} samples, {int(labels.max()) + 1} classes"
        if groups is None:
            advice = f"({counts}); add samples: a class needs at least two different ones"
        else:
            advice = f"({counts}, {n_groups} groups); add samples, or leave the groups out"
        raise DataError(
            f"{part} split: no {unit} can leave the training part without taking the last one of a class "
            f"{advice}"
        )
    return np.flatnonzero(~given), np.flatnonzero(given)


def identical_samples(x: Array) -> Indices:
    """A number for each sample ``[N]``; two samples share it exactly when their bytes are equal."""
    digests = [blake2b(np.ascontiguousarray(sample).data, digest_size=16).digest() for sample in x]
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], dtype=np.int64)


def _joined(first: Indices, second: Indices) -> Indices:
    """Connected components: samples that share a value in either labelling share a component."""
    parent = list(range(int(first.max()) + 1))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    seen: dict[int, int] = {}
    for node, atom in zip(first.tolist(), second.tolist(), strict=True):
        parent[root(node)] = root(seen.setdefault(atom, node))
    return np.array([root(node) for node in first.tolist()], dtype=np.int64)


def _give_away(
    labels: Indices, atoms: Indices, strata: Indices, fraction: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    given = np.zeros(len(labels), bool)
    left = np.bincount(labels)
    _, first, inverse = np.unique(atoms, return_index=True, return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    for stratum, size in zip(*np.unique(strata, return_counts=True), strict=True):
        quota = max(1, round(fraction * int(size)))
        taken = 0
        for atom in rng.permutation(np.flatnonzero(strata[first] == stratum)):
            if taken >= quota:
                break
            lost = np.bincount(labels[members[atom]], minlength=len(left))
            if np.any((lost > 0) & (left <= lost)):
                continue
            left = left - lost
            given[members[atom]] = True
            taken += len(members[atom])
    return given
