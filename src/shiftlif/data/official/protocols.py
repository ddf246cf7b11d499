"""Which samples train, choose and test: the two protocols, and the splits that need nothing but labels.

- ``ours``: the test part is touched once. Validation is the official one where there is one, else it is taken out of
  the training part by ``split_validation``, whole subjects at a time where subjects are known.
- ``soul``: as in the SOUL benchmark of the ShiftLIF authors' group: two halves, and the test half is also the
  validation part, so it chooses the epoch. Its accuracies are optimistic; it exists for comparison with published ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.raw import TEST_FRACTION, TEST_SEED
from shiftlif.data.split import split_validation

PROTOCOLS = ("ours", "soul")
TRAIN, VALIDATION, TEST = 0, 1, 2
Parts = npt.NDArray[np.int8]


def random_fifth(labels: npt.NDArray[Any]) -> Parts:
    """Every fifth sample of each class tests, drawn under a fixed seed, whoever it was recorded from (SOUL)."""
    _, test = split_validation(labels, None, TEST_FRACTION, TEST_SEED, part="test")
    part = np.full(len(labels), TRAIN, np.int8)
    part[test] = TEST
    return part


def last_tenth(labels: npt.NDArray[Any]) -> Parts:
    """The last tenth of each class tests (at least one sample); samples are in the order of their file numbers."""
    part = np.full(len(labels), TRAIN, np.int8)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        part[members[len(members) - max(1, round(len(members) / 10)) :]] = TEST
    return part
