"""The one training loop: Lightning's trainer around `Classification`, with one keeper of state.

Float training and quantisation-aware fine-tuning both go through `train`.
"""

from __future__ import annotations

import copy
import csv
import inspect
import io
import logging
import math
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from shiftlif.errors import ConfigurationError, DataError, ModelFileError
from shiftlif.network import Network
from shiftlif.program.storage import write_atomically
from shiftlif.training.batches import Data
from shiftlif.training.config import LARGEST_BATCH, TrainingConfig
from shiftlif.training.metrics import Scores
from shiftlif.training.progress import Report, Stages
from shiftlif.training.runs import HISTORY, LAST
from shiftlif.training.task import Classification
from shiftlif.training.teacher import load_teacher


@dataclass(frozen=True)
class Trained:
    """How training went; the network holds the weights of the best epoch.

    Attributes:
        best_epoch: counted from 1; highest validation accuracy, then lowest validation loss.
        epochs: how many were run.
        validation: scores of the best epoch.
        history: one row of figures per epoch.
        seconds_before: what the run had taken when it was interrupted, up to its last whole epoch; 0 for a new one.
    """

    best_epoch: int
    epochs: int
    validation: Scores
    history: tuple[dict[str, float], ...]
    seconds_before: float = field(default=0.0, compare=False)


class Keeper(Checkpoint):
    """Keeps the history and the best epoch, stops early, and writes what a run folder holds.

    It is the only thing that writes during training. Every file is written beside and renamed, the
    checkpoint to resume from last, so a run that is killed at any moment can be resumed.

    Args:
        folder: the run folder; None keeps everything in memory.
        patience: epochs without a better one before training stops; None never stops.
        started: when the run, or this part of it, began, by ``time.perf_counter``; None: now.
    """

    def __init__(self, folder: Path | None, patience: int | None, started: float | None = None) -> None:
        self.folder = folder
        self.patience = patience
        self.started = time.perf_counter() if started is None else started
        self.seconds_before = 0.0
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}

    @property
    def best_row(self) -> dict[str, float]:
        """Figures of the best epoch."""
        return self.history[self.best_epoch - 1]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this; the best weights are part of it, so resuming needs one file."""
        return {
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "seconds": self.seconds_before + time.perf_counter() - self.started,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.history = list(state_dict["history"])
        self.best_epoch = int(state_dict["best_epoch"])
        self.best_weights = dict(state_dict["best_weights"])
        self.seconds_before = float(state_dict.get("seconds", 0.0))  # earlier versions kept none

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note the epoch, keep the best, write the files, and stop where patience is over."""
        assert isinstance(pl_module, Classification)
        row = {"epoch": float(len(self.history) + 1), **pl_module.figures()}
        if not math.isfinite(row["train/loss"] + row["val/loss"]):
            raise ConfigurationError(
                f"training diverged: in epoch {len(self.history) + 1} the loss is {row['train/loss']} on the "
                f"training part and {row['val/loss']} on the validation part; lower learning_rate"
            )
        self.history.append(row)
        improved = self.best_epoch == 0 or _rank(row) > _rank(self.best_row)
        if improved:
            self.best_epoch = len(self.history)
            self.best_weights = {
                name: value.detach().cpu().clone() for name, value in pl_module.network.state_dict().items()
            }
        self._stop_when_over(trainer)
        if self.folder is not None:
            self._write(trainer, self.folder)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """A resumed run that had stopped early does not go on."""
        self._stop_when_over(trainer)

    def _stop_when_over(self, trainer: lightning.Trainer) -> None:
        if self.patience is not None and len(self.history) - self.best_epoch >= self.patience:
            trainer.should_stop = True

    def _write(self, trainer: lightning.Trainer, folder: Path) -> None:
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        if not trainer.is_global_zero:
            return
        write_atomically(folder / HISTORY, history_csv(self.history))
        stream = io.BytesIO()
        torch.save(checkpoint, stream)
        write_atomically(folder / LAST, stream.getvalue())


class TrainingReport(lightning.Callback):
    """Reports every batch of all epochs, with the epoch and the best validation accuracy so far as a note.

    Args:
        report: of the stage; only the first process of several calls it.
        keeper: of the history.
    """

    def __init__(self, report: Report, keeper: Keeper) -> None:
        self.report = report
        self.keeper = keeper

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Where a resumed run begins."""
        self._tell(trainer, 0)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """One more."""
        self._tell(trainer, batch_idx + 1)

    def _tell(self, trainer: lightning.Trainer, of_epoch: int) -> None:
        epochs, batches = trainer.max_epochs, int(trainer.num_training_batches)
        if not trainer.is_global_zero or epochs is None:
            return
        note = f"epoch {min(trainer.current_epoch + 1, epochs)}/{epochs}"
        if self.keeper.history:
            note += f", {100 * max(row['val/accuracy'] for row in self.keeper.history):.1f} %"
        self.report(trainer.current_epoch * batches + of_epoch, epochs * batches, note)


def _rank(row: dict[str, float]) -> tuple[float, float]:
    return row["val/accuracy"], -row["val/loss"]


def history_csv(history: list[dict[str, float]]) -> bytes:
    """The rows as CSV text, one column per figure; a cell is empty where an epoch has no such figure.

    A run that an earlier version began may have fewer figures in its first epochs.
    """
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{**row, "epoch": int(row["epoch"])} for row in history])
    return text.getvalue().encode()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice about workers, loggers and devices out of the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def train(
    network: Network,
    data: Data,
    config: TrainingConfig,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | Stages = True,
    stage: str = "training",
    started: float | None = None,
) -> Trained:
    """Train a network in place and leave it, in evaluation mode on the CPU, at its best epoch.

    Args:
        network: float or prepared.
        data: see `shiftlif.training.batches.make_data`.
        config: epochs, rates, penalties, devices and seed.
        folder: an existing run folder to write to; None writes nothing.
        resume: continue from the folder's last checkpoint, where there is one.
        progress: show Lightning's progress bar, or report to whoever shows stages.
        stage: what the report is called.
        started: when the run began, by ``time.perf_counter``; None: now.

    Raises:
        ConfigurationError: the accelerator or the devices are not there, or the teacher does not fit the data.
        DataError: training gave a loss that is not finite, or the checkpoint is unusable.
        ModelFileError: the folder cannot be written.
        KeyboardInterrupt: training was interrupted; the last whole epoch is in the folder.
    """
    task = Classification(
        network,
        config,
        present=data.present,
        n_classes=len(data.classes),
        temporal=data.temporal,
        teacher=None if config.teacher is None else load_teacher(config.teacher, data),
    )
    keeper = Keeper(folder, config.patience, started)
    with _quiet():
        trainer = _trainer(config, keeper, folder, progress, stage)
        last = None if folder is None or not resume or not (folder / LAST).is_file() else folder / LAST
        if last is not None:
            _check_checkpoint(last)
        loaders = data.training_loader(config.batch_size or LARGEST_BATCH, config.seed), data.loader("val")
        with _interrupts_as_usual(trainer):
            trainer.fit(task, *loaders, ckpt_path=None if last is None else str(last), **_ONLY_WEIGHTS)
    if not keeper.history:
        raise DataError("training ended before its first epoch did; run it again")
    network.load_state_dict(keeper.best_weights)
    network.cpu().eval()
    best = keeper.best_row
    return Trained(
        keeper.best_epoch,
        len(keeper.history),
        Scores(**{name: best[f"val/{name}"] for name in Scores.__dataclass_fields__}),
        tuple(copy.deepcopy(keeper.history)),
        keeper.seconds_before,
    )


# Nothing in a checkpoint is executed. Before Lightning 2.6 torch's own default says the same.
_ONLY_WEIGHTS: dict[str, Any] = (
    {"weights_only": True} if "weights_only" in inspect.signature(lightning.Trainer.fit).parameters else {}
)


@contextmanager
def _interrupts_as_usual(trainer: lightning.Trainer) -> Iterator[None]:
    """Lightning turns Ctrl-C into an exit and then ignores further ones; undo both."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)


def _check_checkpoint(path: Path) -> None:
    """Raise a ModelFileError when a checkpoint is truncated, or holds anything that is not data."""
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError):
        raise ModelFileError(
            f"checkpoint {path}: is damaged or not a checkpoint, so the run cannot be resumed; "
            "restore it, or start a new run in another folder"
        ) from None


def check_devices(config: TrainingConfig) -> None:
    """Raise the ConfigurationError of `train` where the accelerator or the devices are not there."""
    with _quiet():
        _trainer(config, Keeper(None, None), None, False)


def _trainer(
    config: TrainingConfig, keeper: Keeper, folder: Path | None, progress: bool | Stages, stage: str = ""
) -> lightning.Trainer:
    report = [] if isinstance(progress, bool) else [TrainingReport(progress(stage, "batches"), keeper)]
    logger = False if folder is None else TensorBoardLogger(folder, name="tensorboard", version="")
    try:
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            max_epochs=config.epochs,
            callbacks=[keeper, *report],
            logger=logger,
            enable_progress_bar=progress is True,
            enable_model_summary=False,
            enable_checkpointing=True,
            num_sanity_val_steps=0,
            log_every_n_steps=1_000_000,
            use_distributed_sampler=True,
        )
    except (ValueError, RuntimeError, ImportError, MisconfigurationException) as error:
        if isinstance(error, ConfigurationError):
            raise
        text = " ".join(str(error).split())
        raise ConfigurationError(
            f"accelerator={config.accelerator!r}, devices={config.devices!r}: {text}; 'cpu' and 1 always work"
        ) from None
