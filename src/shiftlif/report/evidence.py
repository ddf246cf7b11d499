"""What a report looks at: a run, its data and, where it is compiled, its program, computed once for all sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.compile import Verification
from shiftlif.network import Network
from shiftlif.program import Cost, IntegerProgram
from shiftlif.training.batches import Data
from shiftlif.training.runs import Run


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run and what was measured on it for the report.

    Attributes:
        run: the trained network, its configuration and summary.
        data: quantised and split as in training.
        absorbed: the trained network with every scale in the weights.
        prepared: the quantised network of the run's program (its fine-tuned weights), or, where the run is not
            compiled, the absorbed network quantised as it is.
        program: the run's model file; None where it is not compiled.
        bits: of the weights of ``prepared``.
        labels: of the test part, int64 ``[N]``.
        scores: float scores of the trained network on the test part, float64 ``[N, classes]``.
        answers: classes that the integer network gives on the test part, int64 ``[N]``.
        chosen: indices into the test part of the samples that layers are looked at with (a few hundred, spread evenly).
        measured: ``program``, or, where the run is not compiled, what ``prepared`` converts to; None with a refusal.
        cost: of ``measured`` on the chosen samples.
        proof: that ``prepared`` and ``measured`` are equal on the chosen samples; None where they are not.
        difference: the first one that was found, else empty.
        refusal: why the network has no integer program (its neuron cannot be compiled), else empty. Then ``absorbed``
            and ``prepared`` are the trained network, ``answers`` are its own, and ``bits`` is 0.
    """

    run: Run
    data: Data
    absorbed: Network
    prepared: Network
    program: IntegerProgram | None
    bits: int
    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    answers: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.int64]
    measured: IntegerProgram | None = None
    cost: Cost | None = None
    proof: Verification | None = None
    difference: str = ""
    refusal: str = ""

    @property
    def float_answers(self) -> npt.NDArray[np.int64]:
        """Classes that the trained network gives on the test part, int64 ``[N]``."""
        found: npt.NDArray[np.int64] = self.scores.argmax(axis=1)
        return found

    @property
    def name(self) -> str:
        """What the run is called: the name of its folder."""
        return self.run.folder.resolve().name

    def frames(self) -> npt.NDArray[np.int8]:
        """The int8 frames of the chosen samples, as `Data.frames`."""
        frames: npt.NDArray[Any] = self.data.frames("test")[self.chosen]
        return frames
