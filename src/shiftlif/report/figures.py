"""The figures of a run, one list for the summary, the comparison of two runs and ``--json``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shiftlif.program.energy import energy
from shiftlif.program.storage import PROGRAM
from shiftlif.report.evidence import Evidence

PERCENT = "%"


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        key: what ``--json`` calls it.
        group: heading it stands under.
        name: in words.
        value: None where the run has none.
        unit: shown behind it; per cents are stored as shares of 1.
        digits: behind the decimal point, where the value is not a whole number.
    """

    key: str
    group: str
    name: str
    value: float | int | None
    unit: str = ""
    digits: int = 2

    @property
    def shown(self) -> float | int | None:
        """The value as it is written: per cents as per cents, rounded."""
        if self.value is None or isinstance(self.value, int):
            return self.value
        return round(100 * self.value if self.unit == PERCENT else self.value, self.digits)

    @property
    def text(self) -> str:
        """The value with its unit."""
        if self.value is None:
            return "–"
        number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.shown:,.{self.digits}f}"
        return f"{number} {self.unit}".rstrip()


ANSWERS = "Right answers"
SIZE = "Size"
WORK = "Work per inference"
ENERGY = "Energy per inference, modelled"


def figures(evidence: Evidence) -> list[Figure]:
    """Accuracy, size, work and energy; what needs an integer program is None where there is none."""
    return [*_accuracy(evidence), *_size(evidence), *_work(evidence), *_energy(evidence)]


def _share(hits: np.ndarray) -> float:
    return float(np.mean(hits))


def _accuracy(e: Evidence) -> list[Figure]:
    integer = not e.refusal
    majority = e.run.summary.get("majority")
    return [
        Figure("accuracy_float", ANSWERS, "trained network", _share(e.float_answers == e.labels), PERCENT),
        Figure(
            *("accuracy_integer", ANSWERS, "integer network"),
            _share(e.answers == e.labels) if integer else None,
            PERCENT,
        ),
        Figure(
            *("same_answer", ANSWERS, "same answer, trained and integer"),
            _share(e.answers == e.float_answers) if integer else None,
            PERCENT,
        ),
        Figure(
            "majority",
            ANSWERS,
            "always the most frequent class",
            None if majority is None else float(majority),
            PERCENT,
        ),
        Figure("test_samples", ANSWERS, "test samples", len(e.labels)),
    ]


def _size(e: Evidence) -> list[Figure]:
    program = e.measured
    file = e.run.folder / PROGRAM
    return [
        Figure("parameters", SIZE, "trained parameters", e.run.network.n_parameters),
        Figure("weight_bytes", SIZE, "weights", None if program is None else program.weight_bytes, "bytes"),
        Figure("weight_bits", SIZE, "of each weight", None if program is None else e.bits, "bits"),
        Figure(
            *("model_file_bytes", SIZE, "model file"),
            file.stat().st_size if e.program is not None and file.is_file() else None,
            "bytes",
        ),
        Figure("steps", SIZE, "time steps T", e.run.steps),
    ]


def _work(e: Evidence) -> list[Figure]:
    totals = None if e.cost is None else e.cost.totals
    counts = [
        Figure(key, WORK, name, None if totals is None else round(totals[key]))
        for key, name in (
            ("events", "events"),
            ("synaptic_operations", "synaptic operations"),
            ("adds", "additions"),
            ("shifts", "shifts"),
            ("compares", "comparisons"),
        )
    ]
    rate = None if e.cost is None else e.cost.events_per_neuron_step
    multiplications = None if e.cost is None else e.cost.multiplications
    return [
        *counts,
        Figure("multiplications", WORK, "multiplications", multiplications),
        Figure("events_per_neuron_step", WORK, "events per neuron and step", rate, digits=3),
    ]


def _energy(e: Evidence) -> list[Figure]:
    priced = None if e.cost is None else energy(e.cost).nanojoules
    return [
        Figure(f"energy_{key}_nj", ENERGY, name, None if priced is None else priced[key], "nJ")
        for key, name in (
            ("arithmetic", "arithmetic, 45 nm"),
            ("memory", "with memory, event by event"),
            ("memory_reuse", "with memory, dense"),
        )
    ]
