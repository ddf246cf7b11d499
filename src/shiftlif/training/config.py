"""What a run is, as frozen values that a YAML or JSON file can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import nn

from shiftlif.errors import ConfigurationError
from shiftlif.neuron import NEURONS, SpikingNeuron, options_of
from shiftlif.program.quantizer import MAX_DIGITS, MAX_EXPONENT
from shiftlif.surrogate import SURROGATES, Surrogate
from shiftlif.training.augment import AUGMENTATIONS

DEFAULT_STEPS = 4
LARGEST_BATCH = 64
OPTIONS = (
    *(
        "K",
        "L",
        "bits",
        "placement",
        "scale",
        "tau",
        "learnable_scale",
        "scale_power_of_two",
        "learnable_tau",
    ),
    *("decay_input", "reset", "reset_gain", "detach_reset"),
)
"""Fields of a `NeuronConfig` that are options of the neuron's constructor, under the same name."""
M = TypeVar("M", bound=BaseModel)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, strict=False)


class NeuronConfig(_Frozen):
    """The neuron of every layer; ``None`` leaves the neuron's own default.

    Which fields belong to a kind follows from what its constructor takes; setting another one is an error.

    Attributes:
        kind: a name of `shiftlif.neuron.NEURONS`; the table `shiftlif.neuron.FAMILY` says what each computes.
        K: exponent of the smallest letter (ShiftLIF, SignedShiftLIF).
        L: largest count (QBLIF, IntLIF, NILIF, BurstLIF).
        bits: of QuantReLU.
        placement: of the boundaries: ``nearest``, ``log`` or ``floor``.
        surrogate, alpha, periodic: the pseudo-derivative; alpha is not used by ``rectangle``.
        Every other field: see `shiftlif.neuron.SpikingNeuron`.
    """

    kind: str = "ShiftLIF"
    K: int | None = None
    L: int | None = None
    bits: int | None = None
    placement: str | None = None
    scale: float | None = None
    tau: float | None = None
    learnable_scale: bool | None = None
    scale_power_of_two: bool | None = None
    learnable_tau: bool | None = None
    decay_input: bool | None = None
    reset: Literal["soft", "hard"] | None = None
    reset_gain: float | None = None
    detach_reset: bool | None = None
    surrogate: Literal["relsget", "rectangle", "atan", "triangle", "superspike"] | None = None
    alpha: float | None = None
    periodic: bool = False

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in NEURONS:
            raise ValueError(f"there is no such neuron; choose among {', '.join(NEURONS)}")
        return value

    def build(self, steps: int | None = None) -> Callable[[], nn.Module]:
        """A factory of fresh neurons.

        Args:
            steps: T, for the kinds whose parameters depend on it (GLIF, PSN).

        Raises:
            ConfigurationError: a parameter is out of range, or does not belong to this kind, or T is missing.
        """
        known = options_of(NEURONS[self.kind])
        for name in OPTIONS:
            if getattr(self, name) is not None and name not in known:
                raise ConfigurationError(
                    f"neuron {self.kind} has no {name}; it belongs to "
                    f"{', '.join(kind for kind, make in NEURONS.items() if name in options_of(make))}"
                )
        options = {name: getattr(self, name) for name in OPTIONS if getattr(self, name) is not None}
        if (surrogate := self._surrogate()) is not None:
            if "surrogate" not in known:
                raise ConfigurationError(f"neuron {self.kind} has no surrogate: it is differentiable")
            options["surrogate"] = surrogate
        if "steps" in known:
            if steps is None:
                raise ConfigurationError(
                    f"neuron {self.kind} needs the number of steps T to be built; call build(steps=T)"
                )
            options["steps"] = steps
        kind = NEURONS[self.kind]
        kind(**options)  # report a wrong parameter here, not in the middle of building a network
        return lambda: kind(**options)

    def resolved(self, steps: int | None = None) -> NeuronConfig:
        """The same neuron with its defaults written out; ``steps`` as for `build`."""
        neuron = self.build(steps)()
        known = options_of(NEURONS[self.kind])
        if not isinstance(neuron, SpikingNeuron):
            return self
        values = {**known, **neuron.settings, "scale": float(neuron.scale.detach()[0])}
        choices: dict[str, Any] = {
            name: values[name] for name in OPTIONS if name in known and getattr(self, name) is None
        }
        choices["scale"] = values["scale"] if "scale" in known else None
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
        input_digits: how many signed binary digits an input may have, 1 to 4; None is all of int8. Each costs an
            addition per weight of the first layer; with one, an input is a letter as a spike is (`InputQuantizer`).
        input_exponent: the inputs' step is ``2^-input_exponent`` deviations; None is fitted to their range.
        batch_size: None is 64, or less for a small set: about a sixteenth of its training part, at least 8.
        epochs, learning_rate, weight_decay, label_smoothing: AdamW on cross-entropy; nothing
            that is a vector or a number (scales, leaks, biases, norms) is decayed.
        scale_learning_rate: of the neurons' scales; None is ``learning_rate``.
        warmup: share of all optimiser steps with a rising rate; a cosine to 0 follows.
        seed: of weights, order, dropout and augmentation.  split_seed: of the validation split only.
        val_fraction: share of the training part that chooses the epoch.
        protocol: ``ours``, or ``soul`` for the data sets that have it: the epoch is chosen on the test part, as the
            SOUL benchmark does, for comparison with its figures only (see `shiftlif.data.load`).
        events: for a folder of recordings of an event camera, or spikes in HDF5: how they become frames, fields of
            `shiftlif.data.events.Binning` (``block``, ``limit``, ``by``, ...); their number is ``steps``.
        calibrate: how the scales start, ``none``, ``quantile`` or ``error`` (SPEC 4).
        levels: K or L by layer name, where it is not the neuron's; ``auto`` chooses one for every layer from a batch
            (`shiftlif.analysis.choose_levels`), and has the scales start at the least error unless calibrated else.
        patience: stop after so many epochs without a better validation accuracy; None never stops.
        rate_target: events per neuron per step wanted in every layer, used when ``rate_weight > 0``.
        rate_weight: weight of the rate penalty in the loss.
        rate_penalty: ``hinge`` punishes the excess only, ``squared`` both sides.
        synaptic_weight: weight in the loss of the synaptic operations per step relative to the network's
            connections, see `shiftlif.training.synaptic`.
        per_step: share of the loss that every step's own output has to answer for (temporal efficient training).
        teacher: run folder of a trained network of the same data set (a non-spiking one, say) to distil from.
        teacher_weight, teacher_temperature: share of the loss that is the distance to the teacher's class
            probabilities, and the temperature that softens them.
        augment: strength by name, see `shiftlif.training.augment.AUGMENTATIONS`.
        qat_bits, qat_epochs, qat_learning_rate: of the quantisation-aware stage after training (``finetune``,
            ``shiftlif compile``); bits None is 8.
        accelerator, devices: passed to the Lightning trainer.
        threads: torch's CPU threads; None leaves torch's choice. More than one slows small networks down on a
            busy machine, and makes results depend on the machine.
    """

    dataset: str
    model: Literal["dense", "conv1d", "conv2d", "lenet", "auto"] = "auto"
    width: int | None = Field(default=None, ge=1)
    neuron: NeuronConfig = NeuronConfig()
    steps: int | None = Field(default=None, ge=1, le=1024)
    input_digits: int | None = Field(default=None, ge=1, le=MAX_DIGITS)
    input_exponent: int | None = Field(default=None, ge=0, le=MAX_EXPONENT)
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
    protocol: Literal["ours", "soul"] = "ours"
    events: dict[str, int | str] = {}
    calibrate: Literal["none", "quantile", "error"] = "none"
    levels: Literal["auto"] | dict[str, int] | None = None
    patience: int | None = Field(default=None, ge=1)
    rate_target: float = Field(default=0.1, ge=0, le=1)
    rate_weight: float = Field(default=0.0, ge=0, lt=math.inf)
    rate_penalty: Literal["hinge", "squared"] = "hinge"
    synaptic_weight: float = Field(default=0.0, ge=0, lt=math.inf)
    per_step: float = Field(default=0.0, ge=0, le=1)
    teacher: str | None = None
    teacher_weight: float = Field(default=0.5, ge=0, le=1)
    teacher_temperature: float = Field(default=2.0, gt=0, lt=math.inf)
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
    for part in location[:-1]:
        if isinstance(part, str):
            kind = _nested(kind, part)
    return sorted(kind.model_fields)


def _nested(kind: type[BaseModel], field: str) -> type[BaseModel]:
    """The model that a field holds, alone or in a list; ``kind`` where it holds none."""
    annotation = kind.model_fields[field].annotation
    for held in (annotation, *get_args(annotation)):
        if isinstance(held, type) and issubclass(held, BaseModel):
            return held
    return kind


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
