"""How long things took: percentiles of the last ones, the largest of all; memory stays bounded in a long stream."""

from __future__ import annotations

from collections import deque

import numpy as np

KEPT = 4096


class Latency:
    """Durations in seconds.

    Attributes:
        count: so many were added.
        largest: of all of them; 0 before the first.
    """

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=KEPT)
        self.count, self.largest = 0, 0.0

    def add(self, seconds: float) -> None:
        """One more duration."""
        self._last.append(seconds)
        self.count += 1
        self.largest = max(self.largest, seconds)

    def percentile(self, share: float) -> float:
        """The nearest-rank percentile (0 to 100) of the last `KEPT` durations; 0 before the first."""
        if not self._last:
            return 0.0
        return float(np.percentile(self._last, share, method="inverted_cdf"))
