"""The YAML file of a bench: what is run, and the key that tells whether a record still belongs to it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shiftlif.errors import ConfigurationError
from shiftlif.training.config import TrainingConfig, check, read_values

FORMAT = 1
"""Version of what a record holds; a higher one makes every record stale."""
SILENT = ("ReLU", "QuantReLU")
"""Kinds of neurons that send no spikes."""
LABELS = ("dataset", "neuron", "steps", "seed")
"""The fields that name a run in tables and in ``--only``."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deployment(_Frozen):
    """One integer program made of every network: weight bits and epochs of quantisation-aware training."""

    bits: Literal[8, 4] = 8
    qat_epochs: int = Field(default=0, ge=0)

    @property
    def name(self) -> str:
        """``int8`` or ``int4``: its name in records and tables."""
        return f"int{self.bits}"


class Block(_Frozen):
    """A part of the grid; None takes everything the file defines."""

    datasets: tuple[str, ...] | None = None
    neurons: tuple[str, ...] | None = None
    steps: tuple[int, ...] | None = None
    seeds: tuple[int, ...] | None = None


class Recipe(_Frozen):
    """A bench file.

    Attributes:
        common: `TrainingConfig` fields of every run.
        datasets: by label, fields that override ``common``; ``dataset`` is the label unless given. A ``deploy`` among
            them takes the place of the recipe's.
        neurons: by label, `shiftlif.training.NeuronConfig` fields, and under ``train`` fields that override
            ``common`` and the data set's.
        steps, seeds: of every block that names none.
        grids: blocks whose union is run; empty runs every combination.
        deploy: the integer programs of each run.
        baseline: label of the neuron that tables compare with; a file without it and without a neuron called LIF
            compares nothing.
        opponent: label of the quantised non-spiking network whose energy tables compare with, or None.
        subject: label of the neuron whose results the first table sums up, or None.
        limit: samples of the test part on which programs are verified and costs are counted.
    """

    common: dict[str, Any] = {}
    datasets: dict[str, dict[str, Any]] = Field(min_length=1)
    neurons: dict[str, dict[str, Any]] = Field(min_length=1)
    steps: tuple[int, ...] = Field(default=(4,), min_length=1)
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    grids: tuple[Block, ...] = ()
    deploy: tuple[Deployment, ...] = (Deployment(),)
    baseline: str = "LIF"
    opponent: str | None = None
    subject: str | None = None
    limit: int = Field(default=1000, ge=1)

    @field_validator("datasets", "neurons", mode="before")
    @classmethod
    def _entries_may_be_empty(cls, value: Any) -> Any:
        return {k: v or {} for k, v in value.items()} if isinstance(value, dict) else value

    @field_validator("neurons")
    @classmethod
    def _train_holds_fields(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for label, entry in value.items():
            if not isinstance(train := entry.get("train") or {}, Mapping):
                raise ValueError(f"{label}.train is {train!r}, expected fields such as {{epochs: 20}}")
        return value

    @model_validator(mode="after")
    def _roles_are_neurons(self) -> Recipe:
        for role in ("baseline", "opponent", "subject"):
            label = getattr(self, role)
            if role in self.model_fields_set and label is not None and label not in self.neurons:
                raise ValueError(
                    f"{role} names {label!r}, which is not defined; defined: {', '.join(self.neurons)}"
                )
        return self

    @property
    def silent(self) -> tuple[str, ...]:
        """Labels of the networks without spikes."""
        return tuple(name for name, entry in self.neurons.items() if entry.get("kind") in SILENT)

    @field_validator("deploy")
    @classmethod
    def _one_deployment_for_each_width(cls, value: tuple[Deployment, ...]) -> tuple[Deployment, ...]:
        if len({entry.bits for entry in value}) < len(value):
            raise ValueError("each number of bits may occur once")
        return value


class Job(_Frozen):
    """One run of the grid.

    Attributes:
        dataset, neuron, steps, seed: what names it.
        training: `TrainingConfig` fields that are not at their default, without the teacher's folder.
        deploy: the integer programs to make.
        limit: see `Recipe`.
        teacher: the run whose network teaches this one, or None.
    """

    dataset: str
    neuron: str
    steps: int
    seed: int
    training: dict[str, Any]
    deploy: tuple[Deployment, ...]
    limit: int
    teacher: Job | None = None

    @property
    def labels(self) -> tuple[str, str, int, int]:
        """``(dataset, neuron, steps, seed)``."""
        return self.dataset, self.neuron, self.steps, self.seed

    @property
    def training_key(self) -> str:
        """Hash of everything that decides the trained network, its teacher included."""
        taught = {} if self.teacher is None else {"teacher": self.teacher.training_key}
        return _hash({**self.training, **taught})

    @property
    def key(self) -> str:
        """Hash of everything that decides the record, its labels included."""
        made = [entry.model_dump() for entry in self.deploy]
        decided = {"labels": self.labels, "training": self.training_key, "deploy": made, "limit": self.limit}
        return _hash({"format": FORMAT, **decided})

    def __str__(self) -> str:
        return f"{self.dataset} {self.neuron} T={self.steps} seed {self.seed}"


def load_recipe(path: str | Path) -> Recipe:
    """A bench file, checked.

    Raises:
        ConfigurationError: the file or a field is wrong; the message names it.
    """
    return check(Recipe, read_values(path), f"bench {path}")


def expand(recipe: Recipe) -> list[Job]:
    """Every run of the grid once, seed by seed so that an unfinished table is balanced, every run checked.

    Raises:
        ConfigurationError: a block names what is not defined, or a run's configuration is wrong.
    """
    jobs: dict[tuple[str, str, int, int], Job] = {}
    blocks = recipe.grids or (Block(),)
    for number, block in enumerate(blocks, start=1):
        for dataset, neuron, steps, seed in _combinations(recipe, block, number):
            job = make_job(recipe, dataset, neuron, steps, seed)
            jobs.setdefault(job.labels, job)
    return sorted(jobs.values(), key=lambda job: job.seed)


def _combinations(recipe: Recipe, block: Block, number: int) -> Iterator[tuple[str, str, int, int]]:
    for field in ("datasets", "neurons"):
        known = getattr(recipe, field)
        for name in getattr(block, field) or ():
            if name not in known:
                raise ConfigurationError(
                    f"grids, block {number}: {field} names {name!r}, which is not defined; defined: {', '.join(known)}"
                )
    for seed in _given(block.seeds, recipe.seeds):
        for steps in _given(block.steps, recipe.steps):
            for dataset in _given(block.datasets, tuple(recipe.datasets)):
                for neuron in _given(block.neurons, tuple(recipe.neurons)):
                    yield dataset, neuron, steps, seed


def _given(chosen: tuple[Any, ...] | None, otherwise: Sequence[Any]) -> Sequence[Any]:
    return otherwise if chosen is None else chosen


def make_job(recipe: Recipe, dataset: str, neuron: str, steps: int, seed: int) -> Job:
    """One run, its configuration merged and checked: common, then the data set, then the neuron's ``train``.

    Raises:
        ConfigurationError: a field is wrong, or the teacher is not a neuron of the recipe.
    """
    where = f"datasets.{dataset} with neurons.{neuron}"
    values, teacher = _merged(recipe, dataset, neuron, steps, seed, where)
    config = check(TrainingConfig, values, where)
    try:
        config.neuron.build(config.steps)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    taught = None
    if teacher is not None and teacher != neuron:
        if teacher not in recipe.neurons:
            raise ConfigurationError(
                f"{where}: teacher names {teacher!r}, which is not defined; defined: {', '.join(recipe.neurons)}"
            )
        assert config.steps is not None
        taught = make_job(_for_teachers(recipe, config), dataset, teacher, config.steps, seed)
    training = _plain(config.model_dump(exclude_defaults=True))
    assert config.steps is not None
    return Job(
        dataset=dataset,
        neuron=neuron,
        steps=config.steps,
        seed=seed,
        training=training,
        deploy=_deployments(recipe, dataset),
        limit=recipe.limit,
        teacher=taught,
    )


def _deployments(recipe: Recipe, dataset: str) -> tuple[Deployment, ...]:
    own = recipe.datasets[dataset].get("deploy")
    if own is None:
        return recipe.deploy
    part = {"datasets": {dataset: {}}, "neurons": recipe.neurons, "deploy": own}
    return check(Recipe, part, f"datasets.{dataset}").deploy


def _merged(
    recipe: Recipe, dataset: str, neuron: str, steps: int, seed: int, where: str
) -> tuple[dict[str, Any], str | None]:
    """The fields of a run, and the label of its teacher."""
    entry = dict(recipe.neurons[neuron])
    train = entry.pop("train", None) or {}
    for part, fields, taken in (
        ("common", recipe.common, ("dataset", "steps", "seed")),
        (f"datasets.{dataset}", recipe.datasets[dataset], ("steps", "seed")),
        (f"neurons.{neuron}.train", train, ("dataset", "seed")),
    ):
        if not isinstance(inner := fields.get("neuron") or {}, Mapping):
            raise ConfigurationError(
                f"{part}: neuron is {inner!r}, expected fields such as {{tau: 2.0}}; labels stand under neurons"
            )
        for name in taken:
            if name in fields:
                raise ConfigurationError(
                    f"{part}: {name} is {fields[name]!r}, but the grid decides it; list it under {name.rstrip('s')}s"
                )
    of_set = {name: value for name, value in recipe.datasets[dataset].items() if name != "deploy"}
    layers = (recipe.common, {"dataset": dataset}, of_set, {"steps": steps}, train)
    values: dict[str, Any] = {}
    kind: dict[str, Any] = {}
    for layer in layers:
        values.update(layer)
        if isinstance(inner := layer.get("neuron"), Mapping):
            kind.update(inner)
    teacher = values.pop("teacher", None)
    if teacher is not None and not isinstance(teacher, str):
        raise ConfigurationError(f"{where}: teacher is {teacher!r}, expected the label of a neuron")
    return {**values, "neuron": {**kind, **entry}, "seed": seed}, teacher


def _for_teachers(recipe: Recipe, student: TrainingConfig) -> Recipe:
    """A teacher learns from labels alone, on the frames that its student sees."""
    frames = {name: getattr(student, name) for name in ("input_digits", "input_exponent")}

    def cleared(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if name != "teacher"}

    neurons = {
        label: {**entry, "train": cleared(entry.get("train") or {}) | frames}
        for label, entry in recipe.neurons.items()
    }
    datasets = {label: cleared(entry) for label, entry in recipe.datasets.items()}
    changes = {"common": cleared(recipe.common), "datasets": datasets, "neurons": neurons}
    return recipe.model_copy(update=changes)


def chosen(jobs: Sequence[Job], only: Sequence[str]) -> list[Job]:
    """The runs that every named field of ``only`` (``neuron=LIF``) admits; repeating a field widens it.

    Raises:
        ConfigurationError: a text is not ``FIELD=VALUE``, or nothing has that value.
    """
    wanted: dict[str, set[str]] = {}
    for text in only:
        field, _, value = text.partition("=")
        known = {str(getattr(job, field)) for job in jobs} if field in LABELS else set()
        if value not in known:
            choice = (
                f"{field} is one of {', '.join(sorted(known))}" if known else f"fields: {', '.join(LABELS)}"
            )
            raise ConfigurationError(f"--only {text!r} chooses nothing; {choice}; for example neuron=LIF")
        wanted.setdefault(field, set()).add(value)
    return [
        job for job in jobs if all(str(getattr(job, field)) in values for field, values in wanted.items())
    ]


def _plain(value: Any) -> Any:
    """JSON-able; an infinite number as text, which pydantic reads back."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
