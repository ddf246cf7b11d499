"""Everything that a report looks at, computed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shiftlif.compile import Verification, convert, verify
from shiftlif.errors import CompileError, ProgramError, VerificationError
from shiftlif.network import Network
from shiftlif.program import Cost, IntegerProgram, measure
from shiftlif.quantize import absorb
from shiftlif.report.evidence import Evidence
from shiftlif.training.batches import Data
from shiftlif.training.compiled import Quantised, quantised
from shiftlif.training.deployment import integer_answers, program_frames, strided
from shiftlif.training.evaluation import predict
from shiftlif.training.runs import Run, load_run, use_threads

CHOSEN = 200
"""Test samples that layers are looked at with, and that are verified and counted, at most."""


def gather(
    folder: str | Path,
    *,
    source: str | Path | None = None,
    samples: int = CHOSEN,
    progress: Callable[[str], None] | None = None,
) -> Evidence:
    """Load a run, its data and its program, answer the test part twice, verify and count.

    Args:
        folder: of a finished run, compiled or not.
        source: where the run's data are now, when they were moved.
        samples: how many test samples layers are looked at with, at most.
        progress: told in a few words what comes next.

    Raises:
        ConfigurationError: the folder holds no finished run.
        DataError: the data cannot be loaded, or are not those that the run was trained on.
        ModelFileError: a file of the run is damaged or belongs to another run.
    """
    tell = progress if progress is not None else _silent
    tell("loading the run")
    run = load_run(folder)
    use_threads(run.config)
    tell("loading its data")
    data = run.data(source=source)
    labels = data.parts["test"].y.numpy().astype(np.int64)
    chosen = strided(len(labels), samples)
    tell("answering the test part")
    scores = predict(run.network, data, "test").numpy().astype(np.float64)
    try:
        made = _integers(run, data)
    except CompileError as error:
        answers = scores.argmax(axis=1).astype(np.int64)
        return Evidence(
            *(run, data, run.network, run.network, None, 0, labels, scores, answers, chosen),
            refusal=str(error),
        )
    answers = integer_answers(made.prepared, data, "test").numpy().astype(np.int64)
    tell("verifying and counting")
    proof, difference, cost = _examined(made, data, chosen)
    return Evidence(
        *(run, data, made.absorbed, made.prepared, made.program, made.bits, labels, scores, answers, chosen),
        measured=made.measured,
        cost=cost,
        proof=proof,
        difference=difference,
    )


class _Integers(NamedTuple):
    absorbed: Network
    prepared: Network
    program: IntegerProgram | None
    measured: IntegerProgram
    bits: int


def _integers(run: Run, data: Data) -> _Integers:
    absorbed = absorb(run.network)
    found = quantised(run, absorbed, data)
    measured = found.program if found.program is not None else _converted(found, data)
    return _Integers(absorbed, found.network, found.program, measured, found.bits)


def _converted(found: Quantised, data: Data) -> IntegerProgram:
    try:
        return convert(
            found.network,
            quantizer=data.quantizer,
            classes=data.classes,
            steps=data.steps,
            metadata={"weight_bits": found.bits, "qat_epochs": 0, "temporal": data.temporal},
        )
    except ProgramError as error:  # a sum that could overflow
        raise CompileError(str(error)) from error


def _examined(
    made: _Integers, data: Data, chosen: npt.NDArray[np.int64]
) -> tuple[Verification | None, str, Cost]:
    frames = data.frames("test")[chosen]
    cost = measure(made.measured, program_frames(frames, data.temporal))
    try:
        return verify(made.prepared, made.measured, frames, steps=data.steps), "", cost
    except VerificationError as error:
        return None, str(error), cost


def _silent(_: str) -> None:
    pass
