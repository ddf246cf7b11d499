"""Whether class scores mean what they say: calibration error, likelihood and Brier score.

All take class scores as they are, through a softmax without temperature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from shiftlif.errors import DataError

BINS = 15


def expected_calibration_error(
    logits: Tensor, labels: Tensor, *, bins: int = BINS, adaptive: bool = False
) -> float:
    """Mean distance of confidence and accuracy over bins of confidence, weighted by samples (arXiv:1706.04599).

    Args:
        logits: class scores ``[N, classes]``.
        labels: ``[N]``.
        bins: how many; a sample's confidence is the largest softmax probability.
        adaptive: bins of equal count (arXiv:1904.01685, top label) instead of equal width; ``bins`` at most N.

    Returns:
        0 to 1.

    Raises:
        DataError: shapes do not fit, there is no sample, or ``bins`` is below 1.
    """
    _check(logits, labels)
    if bins < 1:
        raise DataError(f"calibration error: bins is {bins}, expected at least 1")
    confidence, answers = F.softmax(logits.double(), 1).max(1)
    surplus = (answers == labels).double() - confidence
    if adaptive:
        parts = surplus[confidence.argsort(stable=True)].tensor_split(min(bins, len(labels)))
        return float(sum(part.sum().abs() for part in parts)) / len(labels)
    # A bin is open below and closed above, so that a confidence of 1 lies in the last one.
    index = (torch.ceil(confidence * bins).long() - 1).clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64, device=surplus.device).index_add(0, index, surplus)
    return float(gaps.abs().sum()) / len(labels)


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """Mean ``-ln`` of the probability given to the right class, in nats; arguments as above.

    Raises:
        DataError: shapes do not fit or there is no sample.
    """
    _check(logits, labels)
    return float(F.cross_entropy(logits.double(), labels))


def brier_score(logits: Tensor, labels: Tensor) -> float:
    """Mean squared distance of the probabilities from the right answer, summed over classes: 0 (best) to 2.

    Raises:
        DataError: shapes do not fit or there is no sample.
    """
    _check(logits, labels)
    truth = F.one_hot(labels, logits.shape[1]).double()
    return float(((F.softmax(logits.double(), 1) - truth) ** 2).sum(1).mean())


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise DataError(
            f"class scores are {tuple(logits.shape)} and labels {tuple(labels.shape)}, expected [N, classes] "
            "and [N] with at least one sample"
        )
    if labels.is_floating_point() or int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
        raise DataError(f"labels must be whole numbers from 0 to {logits.shape[1] - 1}, one per sample")
