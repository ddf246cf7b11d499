"""One training step and one validation pass, as a Lightning module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lightning.pytorch as lightning
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from shiftlif.network import Network, Observation, readout
from shiftlif.neuron import SpikingNeuron
from shiftlif.training.augment import augment
from shiftlif.training.batches import Batch
from shiftlif.training.config import TrainingConfig
from shiftlif.training.metrics import Scores, confusion, scores
from shiftlif.training.objective import classification_loss, distillation_loss
from shiftlif.training.rate import event_rate, has_letters, rate_penalty
from shiftlif.training.scales import learned_figures
from shiftlif.training.schedule import warmup_cosine
from shiftlif.training.synaptic import SynapticPenalty
from shiftlif.training.teacher import Teacher

Present = Callable[[Tensor], Tensor]


def parameter_groups(network: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Optimiser groups: matrices decay; scales have their own rate; vectors and numbers do not decay."""
    scales = [
        module.scale
        for module in network.modules()
        if isinstance(module, SpikingNeuron) and module.scale.requires_grad
    ]
    known = {id(scale) for scale in scales}
    others = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    rate = config.scale_learning_rate
    groups: Iterable[dict[str, Any]] = (
        {"params": [p for p in others if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
        {"params": scales, "weight_decay": 0.0, "lr": config.learning_rate if rate is None else rate},
    )
    return [group for group in groups if group["params"]]


class Classification(lightning.LightningModule):
    """Cross-entropy on the mean over time of the network's outputs, AdamW, warm-up and cosine.

    Args:
        network: float or prepared; called with ``[T, B, C, ...]``.
        config: rates, penalties, augmentation and seed.
        present: makes network inputs ``[T, B, C, ...]`` of a batch's int8 frames.
        n_classes: length of the read-out.
        temporal: whether axis 1 of a batch is time.
        teacher: whose class probabilities are learnt beside the labels, or None.

    Raises:
        ConfigurationError: operations are to be punished, and no layer with weights follows a neuron.
    """

    def __init__(
        self,
        network: Network,
        config: TrainingConfig,
        *,
        present: Present,
        n_classes: int,
        temporal: bool,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.teacher = teacher
        self.synaptic = SynapticPenalty(network) if config.synaptic_weight > 0 else None
        self.config = config
        self.present = present
        self.n_classes = n_classes
        self.temporal = temporal
        self.train_scores: Scores | None = None
        self.val_scores: Scores | None = None
        self.val_events: dict[str, float] = {}
        self._loss = torch.zeros(())
        self._matrix = torch.zeros(())
        self._events: dict[str, Tensor] = {}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make dropout and augmentation functions of (seed, step), so that a resumed run repeats them."""
        step = self.trainer.global_step
        torch.manual_seed((self.config.seed << 32) + (step << 8) + self.trainer.global_rank)

    def on_train_epoch_start(self) -> None:
        """Forget the sums of the epoch before."""
        self._reset()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch ``(int8 [B, ...], int64 [B])``."""
        frames, labels = batch
        x = self.present(frames)
        if self.config.augment:
            x = self._augmented(x)
        outputs, penalty = self._outputs(x)
        config, logits = self.config, readout(outputs)
        loss = classification_loss(
            outputs, labels, smoothing=config.label_smoothing, per_step=config.per_step
        )
        self._count(logits.detach(), labels, loss.detach())
        if self.teacher is not None:
            distance = distillation_loss(logits, self.teacher.scores(x), config.teacher_temperature)
            loss = torch.lerp(loss, distance, config.teacher_weight)
        return loss + penalty

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """The network's outputs ``[T, B, classes]``, and what its activity adds to the loss."""
        config = self.config
        penalty: Tensor | float = 0.0
        rates: list[Tensor] = []
        observer: Callable[[Observation], None] | None = None
        if config.rate_weight > 0:
            observer = lambda seen: rates.append(event_rate(seen)) if has_letters(seen) else None  # noqa: E731
        if self.synaptic is None:
            outputs = self.network(x, observer)
        else:
            with self.synaptic.watch() as arriving:
                outputs = self.network(x, observer)
            penalty = penalty + config.synaptic_weight * self.synaptic.value(arriving, x)
        if rates:
            penalty = penalty + config.rate_weight * rate_penalty(
                rates, config.rate_target, config.rate_penalty
            )
        return outputs, penalty

    def on_validation_epoch_start(self) -> None:
        """Close the training sums (validation runs inside the training epoch) and start new ones."""
        if not self.trainer.sanity_checking:
            self.train_scores = self._scores()
        self._reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Sums of a batch ``(int8 [B, ...], int64 [B])``."""
        frames, labels = batch
        logits = readout(self.network(self.present(frames), self._observe))
        self._count(logits, labels, F.cross_entropy(logits, labels))

    def on_validation_epoch_end(self) -> None:
        """Scores and event rates of the whole validation part, over all devices."""
        self.val_scores = self._scores()
        self.val_events = {}
        for name, sums in self._events.items():
            total = self._over_devices(sums)
            self.val_events[name] = float(total[0] / total[1])
        if self.train_scores is not None:
            figures = self.figures()
            self.log_dict(figures, rank_zero_only=True)
            shown = {name: figures[name] for name in ("train/loss", "val/loss", "val/accuracy")}
            self.log_dict(
                {name.replace("/", " "): value for name, value in shown.items()},
                prog_bar=True,
                logger=False,
                rank_zero_only=True,
            )

    def figures(self) -> dict[str, float]:
        """The last epoch's figures: ``train/loss``, ``val/accuracy``, ``events/<layer>``, ``scale/<layer>``, ..."""
        assert self.train_scores is not None
        assert self.val_scores is not None
        return {
            "train/loss": self.train_scores.loss,
            "train/accuracy": self.train_scores.accuracy,
            **{f"val/{name}": value for name, value in self.val_scores.to_dict().items()},
            **{f"events/{name}": value for name, value in self.val_events.items()},
            **learned_figures(self.network),
        }

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, the rate set at every step."""
        optimizer = torch.optim.AdamW(
            parameter_groups(self.network, self.config), lr=self.config.learning_rate
        )
        total, warmup = int(self.trainer.estimated_stepping_batches), self.config.warmup
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, total, warmup)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _augmented(self, x: Tensor) -> Tensor:
        if self.temporal:
            steps, _, channels = x.shape[:3]
            joined = augment(x.transpose(0, 1).flatten(1, 2), self.config.augment, frames=steps)
            return joined.view(len(joined), steps, channels, *x.shape[3:]).transpose(0, 1)
        return augment(x[0], self.config.augment).unsqueeze(0).expand(x.shape)

    def _observe(self, seen: Observation) -> None:
        if has_letters(seen):
            counts = torch.stack(
                [torch.count_nonzero(seen.outputs), torch.tensor(seen.outputs.numel(), device=self.device)]
            )
            self._events[seen.name] = self._events.get(seen.name, 0) + counts

    def _count(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        self._loss = self._loss + loss * len(labels)
        self._matrix = self._matrix + confusion(logits.argmax(1), labels, self.n_classes)

    def _reset(self) -> None:
        self._loss = torch.zeros((), device=self.device)
        self._matrix = torch.zeros((self.n_classes, self.n_classes), dtype=torch.int64, device=self.device)
        self._events = {}

    def _over_devices(self, sums: Tensor) -> Tensor:
        total = self.trainer.strategy.reduce(sums, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def _scores(self) -> Scores:
        matrix = self._over_devices(self._matrix)
        return scores(matrix, float(self._over_devices(self._loss) / matrix.sum()))
