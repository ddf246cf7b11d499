"""Quantisation-aware fine-tuning of a prepared network: the same loop, a small learning rate."""

from __future__ import annotations

from shiftlif.errors import ConfigurationError
from shiftlif.network import Network
from shiftlif.training.batches import Data
from shiftlif.training.config import TrainingConfig
from shiftlif.training.loop import Trained, train
from shiftlif.training.progress import Stages


def finetune(
    prepared: Network,
    data: Data,
    config: TrainingConfig,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    progress: bool | Stages = True,
) -> Trained:
    """Train a prepared network in place and leave it at its best epoch.

    Args:
        prepared: from `shiftlif.quantize.prepare`; its forward takes the float inputs of training.
        data: see `shiftlif.training.batches.make_data`.
        config: of the run; its augmentation, penalties, batch size and seed are used again.
        epochs: None is ``config.qat_epochs``.
        learning_rate: None is ``config.qat_learning_rate``.
        progress: as for `shiftlif.training.loop.train`.

    Raises:
        ConfigurationError: there is no epoch to train.
    """
    chosen = config.qat_epochs if epochs is None else epochs
    if chosen < 1:
        raise ConfigurationError(
            f"fine-tuning needs at least one epoch, got {chosen}; set qat_epochs or --qat-epochs"
        )
    rate = config.qat_learning_rate if learning_rate is None else learning_rate
    stage = config.model_copy(
        update={"epochs": chosen, "learning_rate": rate, "scale_learning_rate": None, "patience": None}
    )
    return train(prepared, data, stage, progress=progress, stage="fine-tuning")
