"""What a run is, as frozen values that a YAML or JSON file can hold."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shiftlif.errors import ConfigurationError
from shiftlif.neuron import NEURONS, SpikingNeuron
from shiftlif.surrogate import SURROGATES, Surrogate
from shiftlif.training.augment import AUGMENTATIONS

DEFAULT_STEPS = 4
LARGEST_BATCH = 64
M = TypeVar("M", bound=BaseModel)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, strict=False)


class NeuronConfig(_Frozen):
    """The neuron of every layer; ``None`` leaves the neuron's own default.

    Attributes:
        kind: ``ShiftLIF``, ``QBLIF``, ``IntLIF`` or ``LIF``.
        K: exponent of the smallest letter (ShiftLIF only).
        L: largest count (QBLIF and IntLIF only).
        placement: of the boundaries: ``nearest``, ``log`` or ``floor``.
        surrogate, alpha, periodic: the pseudo-derivative; alpha is not used by ``rectangle``.
        Every other field: see `shiftlif.neuron.SpikingNeuron`.
    """

    kind: Literal["ShiftLIF", "QBLIF", "IntLIF", "LIF"] = "ShiftLIF"
    K: int | None = None
    L: int | None = None
    placement: str | None = None
    scale: float | None = None
    tau: float = 2.0
    learnable_scale: bool | None = None
    scale_power_of_two: bool = False
    learnable_tau: bool = False
    decay_input: bool = True
    reset: Literal["soft", "hard"] = "soft"
    detach_reset: bool = False
    surrogate: Literal["relsget", "rectangle", "atan", "triangle", "superspike"] | None = None
    alpha: float | None = None
    periodic: bool = False

    def build(self) -> Callable[[], SpikingNeuron]:
        """A factory of fresh neurons.

        Raises:
            ConfigurationError: a parameter is out of range, or does not belong to this kind.
        """
        for name, kinds in (
            ("K", ("ShiftLIF",)),
            ("L", ("QBLIF", "IntLIF")),
            ("placement", tuple(NEURONS)[:3]),
        ):
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ConfigurationError(
                    f"neuron {self.kind} has no {name}; it belongs to {', '.join(kinds)}"
                )
        options: dict[str, Any] = {
            "tau": self.tau,
            "scale_power_of_two": self.scale_power_of_two,
            "learnable_tau": self.learnable_tau,
            "decay_input": self.decay_input,
            "reset": self.reset,
            "detach_reset": self.detach_reset,
        }
        if (surrogate := self._surrogate()) is not None:
            options["surrogate"] = surrogate
        for name in ("K", "L", "placement", "scale", "learnable_scale"):
            if getattr(self, name) is not None:
                options[name] = getattr(self, name)
        kind = NEURONS[self.kind]
        kind(**options)  # report a wrong parameter here, not in the middle of building a network
        return lambda: kind(**options)

    def resolved(self) -> NeuronConfig:
        """The same neuron with its defaults written out."""
        neuron = self.build()()
        known = inspect.signature(NEURONS[self.kind].__init__).parameters
        choices: dict[str, Any] = {
            name: known[name].default
            for name in ("K", "L", "placement")
            if getattr(self, name) is None and name in known
        }
        choices["scale"] = float(neuron.scale.detach()[0])
        choices["learnable_scale"] = neuron.learnable_scale
        choices["surrogate"] = next(
            name
            for name, kind in SURROGATES.items()
            if isinstance(neuron.surrogate, kind)  # type: ignore[arg-type]
        )
        choices["alpha"] = getattr(neuron.surrogate, "alpha", None)
        return self.model_copy(update=choices)

    def _surrogate(self) -> Surrogate | None:
        if self.surrogate is None:
            if self.alpha is not None or self.periodic:
                raise ConfigurationError(
                    "alpha and periodic belong to a surrogate; name it too, for example surrogate: relsget"
                )
            return None
        if self.periodic and self.surrogate != "relsget":
            raise ConfigurationError(f"periodic belongs to the surrogate relsget, not to {self.surrogate}")
        if self.alpha is not None and self.surrogate == "rectangle":
            raise ConfigurationError("the surrogate rectangle has no alpha; leave it out")
        options: dict[str, Any] = {} if self.alpha is None else {"alpha": self.alpha}
        if self.periodic:
            options["periodic"] = True
        return SURROGATES[self.surrogate](**options)


class TrainingConfig(_Frozen):
    """Everything that decides a run.

    Attributes:
        dataset: a known name or a path, see `shiftlif.data.load`.
        model: ``auto`` takes conv1d for ``[C, L]``, conv2d for ``[C, H, W]``, else dense.
        width: of the model; None is the model's default.
        neuron: see `NeuronConfig`.
        steps: T; None is 4, or the number of frames of a temporal set.
        batch_size: None is 64, or less for a small set: about a sixteenth of its training part, at least 8.
        epochs, learning_rate, weight_decay, label_smoothing: AdamW on cross-entropy; nothing
            that is a vector or a number (scales, leaks, biases, norms) is decayed.
        scale_learning_rate: of the neurons' scales; None is ``learning_rate``.
        warmup: share of all optimiser steps with a rising rate; a cosine to 0 follows.
        seed: of weights, order, dropout and augmentation.  split_seed: of the validation split only.
        val_fraction: share of the training part that chooses the epoch.
        calibrate: how the scales start, ``none``, ``quantile`` or ``error`` (SPEC 4).
        patience: stop after so many epochs without a better validation accuracy; None never stops.
        rate_target: events per neuron per step wanted in every layer, used when ``rate_weight > 0``.
        rate_weight: weight of the rate penalty in the loss.
        rate_penalty: ``hinge`` punishes the excess only, ``squared`` both sides.
        augment: strength by name, see `shiftlif.training.augment.AUGMENTATIONS`.
        qat_bits, qat_epochs, qat_learning_rate: of the quantisation-aware stage after training (``finetune``,
            ``shiftlif compile``); bits None is 8.
        accelerator, devices: passed to the Lightning trainer.
        threads: torch's CPU threads; None leaves torch's choice. More than one slows small networks down on a
            busy machine, and makes results depend on the machine.
    """

    dataset: str
    model: Literal["dense", "conv1d", "conv2d", "auto"] = "auto"
    width: int | None = Field(default=None, ge=1)
    neuron: NeuronConfig = NeuronConfig()
    steps: int | None = Field(default=None, ge=1, le=1024)
    epochs: int = Field(default=20, ge=1)
    batch_size: int | None = Field(default=None, ge=2)  # batch normalisation needs two
    learning_rate: float = Field(default=2e-3, gt=0, lt=math.inf)
    scale_learning_rate: float | None = Field(default=None, gt=0, lt=math.inf)
    weight_decay: float = Field(default=0.01, ge=0, lt=math.inf)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    val_fraction: float = Field(default=0.15, gt=0, lt=1)
    calibrate: Literal["none", "quantile", "error"] = "none"
    patience: int | None = Field(default=None, ge=1)
    rate_target: float = Field(default=0.1, ge=0, le=1)
    rate_weight: float = Field(default=0.0, ge=0, lt=math.inf)
    rate_penalty: Literal["hinge", "squared"] = "hinge"
    augment: dict[str, float] = {}
    qat_bits: Literal[8, 4] | None = None
    qat_epochs: int = Field(default=0, ge=0)
    qat_learning_rate: float = Field(default=2e-4, gt=0, lt=math.inf)
    accelerator: str = "cpu"
    devices: int | Literal["auto"] = 1
    threads: int | None = Field(default=1, ge=1)

    @field_validator("augment")
    @classmethod
    def _known_augmentations(cls, value: dict[str, float]) -> dict[str, float]:
        for name, strength in value.items():
            if name not in AUGMENTATIONS:
                raise ValueError(
                    f"there is no augmentation {name!r}; choose among {', '.join(AUGMENTATIONS)}"
                )
            if not 0 <= strength < math.inf:
                raise ValueError(
                    f"the strength of {name!r} must be a finite number of at least 0, got {strength}"
                )
        return value


def check(kind: type[M], values: Mapping[str, Any], where: str = "configuration") -> M:
    """``kind`` made of plain values.

    Raises:
        ConfigurationError: one line that names each wrong field, its value and what was expected.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            field = ".".join(str(part) for part in item["loc"]) or "file"
            if item["type"] == "extra_forbidden":
                problems.append(
                    f"{field}: there is no such field; known: {', '.join(_fields_beside(kind, item['loc']))}"
                )
            elif item["type"] == "missing":
                problems.append(f"{field}: is missing; add it")
            else:
                problems.append(
                    f"{field}: {item['msg'].removeprefix('Value error, ')}, got {item['input']!r}"
                )
        raise ConfigurationError(f"{where}: " + "; ".join(problems)) from None


def _fields_beside(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    nested = NeuronConfig if len(location) > 1 and location[0] == "neuron" else kind
    return sorted(nested.model_fields)


def read_values(path: str | Path) -> dict[str, Any]:
    """The values that a YAML or JSON file holds, unchecked.

    Raises:
        ConfigurationError: the file is missing, is not UTF-8 YAML or JSON, or holds no mapping.
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, json.JSONDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
        raise ConfigurationError(f"configuration {path}: cannot be read: {reason}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"configuration {path}: holds {type(values).__name__}, expected fields such as 'dataset: digits'"
        )
    return {str(name): value for name, value in values.items()}


def load_config(path: str | Path) -> TrainingConfig:
    """A `TrainingConfig` from a YAML or JSON file.

    Raises:
        ConfigurationError: the file or a field is wrong.
    """
    return check(TrainingConfig, read_values(path), f"configuration {path}")


def dump_config(config: TrainingConfig) -> str:
    """YAML text that `load_config` reads back to an equal value."""
    import yaml

    text: str = yaml.safe_dump(config.model_dump(mode="python"), sort_keys=False)
    return text
