"""The learning rate over a run."""

from __future__ import annotations

import math


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """Factor of the learning rate at optimiser step ``step`` of ``total``.

    A straight line up over the first ``warmup`` share of the steps, then half a cosine down to 0.
    """
    rising = int(warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, total - rising))))
