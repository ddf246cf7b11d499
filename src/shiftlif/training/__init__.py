"""Training: configuration, runs in folders, fine-tuning. Names load what they need when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shiftlif.training.batches import Data, fit_quantizer, make_data
    from shiftlif.training.config import NeuronConfig, TrainingConfig, dump_config, load_config
    from shiftlif.training.evaluation import evaluate, predict
    from shiftlif.training.finetuning import finetune
    from shiftlif.training.fitting import RunResult, fit
    from shiftlif.training.metrics import Scores
    from shiftlif.training.runs import Run, load_run
    from shiftlif.training.simple import train_shiftlif

_MODULES = {
    "Data": "batches",
    "fit_quantizer": "batches",
    "make_data": "batches",
    "NeuronConfig": "config",
    "TrainingConfig": "config",
    "dump_config": "config",
    "load_config": "config",
    "evaluate": "evaluation",
    "predict": "evaluation",
    "finetune": "finetuning",
    "RunResult": "fitting",
    "fit": "fitting",
    "Scores": "metrics",
    "Run": "runs",
    "load_run": "runs",
    "train_shiftlif": "simple",
}

__all__ = [
    "Data",
    "NeuronConfig",
    "Run",
    "RunResult",
    "Scores",
    "TrainingConfig",
    "dump_config",
    "evaluate",
    "finetune",
    "fit",
    "fit_quantizer",
    "load_config",
    "load_run",
    "make_data",
    "predict",
    "train_shiftlif",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
