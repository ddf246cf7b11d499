"""What training minimises, as pure functions of class scores."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from shiftlif.network import readout


def classification_loss(
    outputs: Tensor, labels: Tensor, *, smoothing: float = 0.0, per_step: float = 0.0
) -> Tensor:
    """Cross-entropy of the mean over time, or of every step.

    ``(1 - w) CE(mean_t o_t, y) + w mean_t CE(o_t, y)``; the second term is the temporal efficient training loss of
    arXiv:2202.11946, without its term that pulls outputs towards a constant.

    Args:
        outputs: ``[T, B, classes]``.
        labels: class numbers ``[B]``.
        smoothing: share of each target that is spread evenly over the classes.
        per_step: w, 0 to 1. With T = 1 the terms are equal.
    """
    steps = len(outputs)
    loss = F.cross_entropy(readout(outputs), labels, label_smoothing=smoothing)
    if per_step == 0 or steps == 1:
        return loss
    each = F.cross_entropy(outputs.flatten(0, 1), labels.repeat(steps), label_smoothing=smoothing)
    return (1 - per_step) * loss + per_step * each


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``tau^2 KL(softmax(teacher / tau) || softmax(student / tau))``, the mean over the batch (arXiv:1503.02531).

    Args:
        student: class scores ``[B, classes]``.
        teacher: class scores ``[B, classes]``; no gradient flows into them.
        temperature: tau > 0.
    """
    wanted = F.log_softmax(teacher.detach() / temperature, 1)
    given = F.log_softmax(student / temperature, 1)
    return F.kl_div(given, wanted, reduction="batchmean", log_target=True) * temperature**2
