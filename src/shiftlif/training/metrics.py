"""Figures of merit, all from one confusion matrix."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """How well classes were told apart; every figure is 0 to 1 but the loss.

    Attributes:
        accuracy: share of right answers.
        balanced_accuracy: mean over the classes that occur of the share of right answers.
        macro_f1: mean over the classes that occur (as label or answer) of the F1 score.
        loss: mean cross-entropy in nats.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    loss: float

    def to_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def confusion(predicted: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """How often each label (row) got each answer (column): int64 ``[n_classes, n_classes]``."""
    return torch.bincount(labels * n_classes + predicted, minlength=n_classes**2).view(n_classes, n_classes)


def scores(matrix: Tensor, loss: float) -> Scores:
    """`Scores` of a confusion matrix and a mean loss."""
    counts = matrix.double()
    right, labelled, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    occurs, seen = labelled > 0, (labelled + answered) > 0
    return Scores(
        accuracy=float(right.sum() / counts.sum()),
        balanced_accuracy=float((right[occurs] / labelled[occurs]).mean()),
        macro_f1=float((2 * right[seen] / (labelled + answered)[seen]).mean()),
        loss=loss,
    )
