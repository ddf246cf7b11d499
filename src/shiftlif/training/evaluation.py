"""Scores of a network on a part of a data set, without a trainer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from shiftlif.network import Network, evaluating, readout
from shiftlif.training.batches import Data
from shiftlif.training.metrics import Scores, confusion, scores
from shiftlif.training.progress import Report, counted


def inputs(data: Data, part: str, batch_size: int = 256) -> Iterator[Tensor]:
    """Network inputs ``[T, B, C, ...]`` of a part, batch by batch, in order."""
    for frames, _ in data.loader(part, batch_size):
        yield data.present(frames)


def subsample(data: Data, part: str, most: int) -> tuple[Tensor, Tensor]:
    """One batch ``[T, B, C, ...]`` and its labels ``[B]``: at most so many samples, evenly spread over a part."""
    held = data.parts[part]
    chosen = torch.linspace(0, len(held) - 1, min(most, len(held))).round().long()
    return data.present(held.x[chosen]), held.y[chosen]


@torch.no_grad()
def predict(
    network: Network, data: Data, part: str, batch_size: int = 256, *, report: Report | None = None
) -> Tensor:
    """Class scores ``[N, classes]`` of a part of ``data``, in evaluation mode, on the network's device.

    Args:
        network: what is asked.
        data: the samples, see `Data`.
        part: ``train``, ``val`` or ``test``.
        batch_size: samples of a call; it changes no score.
        report: told how many samples are done.
    """
    device = next(network.parameters()).device
    batches = inputs(data, part, batch_size)
    if report is not None:
        batches = counted(batches, report, len(data.parts[part]))
    with evaluating(network):
        found = [readout(network(x.to(device))) for x in batches]
    return torch.cat(found).cpu()


def evaluate(
    network: Network, data: Data, part: str, batch_size: int = 256, *, report: Report | None = None
) -> Scores:
    """`Scores` of what `predict` gives, with the same arguments, on ``train``, ``val`` or ``test``."""
    logits, labels = predict(network, data, part, batch_size, report=report), data.parts[part].y
    return scores(
        confusion(logits.argmax(1), labels, len(data.classes)), float(F.cross_entropy(logits, labels))
    )
