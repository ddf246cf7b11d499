"""From a trained network to a verified integer program, with the accuracy at every stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftlif.compile import Verification, convert, verify
from shiftlif.errors import CompileError, VerificationError
from shiftlif.network import Network, evaluating
from shiftlif.program import IntegerProgram
from shiftlif.quantize import absorb, prepare
from shiftlif.training.batches import Data
from shiftlif.training.config import TrainingConfig
from shiftlif.training.evaluation import inputs, predict
from shiftlif.training.progress import Stages, report_of
from shiftlif.training.runs import use_threads

ABSORPTION_TOLERANCE = 0.01
"""Share of samples (at least one) whose prediction may change by float rounding at a boundary."""


@dataclass(frozen=True, eq=False)
class Deployed:
    """A program and where it came from.

    Attributes:
        absorbed: every scale in the weights.
        prepared: quantisation-aware, fine-tuned where asked for; the program equals it bit for bit.
        program: the integer program.
        accuracy: on the test part, of ``float``, ``absorbed`` and ``integer``.
        absorbed_agreement: share of test samples on which the float and the absorbed network agree.
        integer_agreement: share of test samples on which the float network and the program agree.
        verification: letters and membranes compared, over the whole test part or the samples asked for.
    """

    absorbed: Network
    prepared: Network
    program: IntegerProgram
    accuracy: dict[str, float]
    absorbed_agreement: float
    integer_agreement: float
    verification: Verification

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form of the figures."""
        return {
            "accuracy": self.accuracy,
            "absorbed_agreement": self.absorbed_agreement,
            "integer_agreement": self.integer_agreement,
            "verification": self.verification.to_dict(),
            "weight_bits": self.program.metadata["weight_bits"],
            "weight_bytes": self.program.weight_bytes,
            "digest": self.program.digest(),
        }


def deploy(
    network: Network,
    data: Data,
    config: TrainingConfig,
    *,
    bits: int = 8,
    membrane_bits: int = 32,
    qat_epochs: int = 0,
    metadata: dict[str, Any] | None = None,
    progress: bool | Stages = True,
    verify_samples: int | None = None,
) -> Deployed:
    """Absorb, prepare, fine-tune where asked for, convert and verify on the whole test part.

    Args:
        network: trained; it is not changed.
        data: the quantised data set it was trained on.
        config: of the run (resolved).
        bits: of the weights, 8 or 4.
        membrane_bits: 32, or 16 where coarser weights allow it, see `shiftlif.quantize.prepare`.
        qat_epochs: epochs of quantisation-aware fine-tuning.
        metadata: JSON-able provenance for the model file.
        progress: show Lightning's progress bar while fine-tuning, or report every stage to whoever shows them.
        verify_samples: compare only so many test samples, spread evenly. The accuracy is that of the whole part
            all the same, by the prepared network, whose answers on the compared samples are the program's.

    Raises:
        CompileError: the network cannot be compiled; the message names the layer.
        VerificationError: the absorbed network is not the trained one, or the program not the prepared one.
    """
    use_threads(config)
    absorbed = absorb(network)
    labels = data.parts["test"].y
    trained, folded = (
        predict(net, data, "test", report=report_of(progress, f"predicting, {name}")).argmax(1)
        for name, net in (("float", network), ("absorbed", absorbed))
    )
    agreement = float((trained == folded).double().mean())
    if int((trained != folded).sum()) > max(1, ABSORPTION_TOLERANCE * len(labels)):
        raise VerificationError(
            f"the absorbed network agrees with the trained one on {100 * agreement:.2f} % of {len(labels)} test "
            f"samples, expected at least {100 * (1 - ABSORPTION_TOLERANCE):.0f} %; keep the network and report this"
        )
    prepared = prepared_for(absorbed, data, bits, membrane_bits)
    if qat_epochs:
        from shiftlif.training.finetuning import finetune  # Lightning: seconds that nothing else here needs

        finetune(prepared, data, config, epochs=qat_epochs, progress=progress)
    program = convert(
        prepared,
        quantizer=data.quantizer,
        classes=data.classes,
        steps=data.steps,
        metadata={
            **(metadata or {}),
            "weight_bits": bits,
            "membrane_bits": membrane_bits,
            "qat_epochs": qat_epochs,
            "temporal": data.temporal,
        },
    )
    some = strided(len(labels), verify_samples)
    verification = verify(
        prepared,
        program,
        data.frames("test")[some],
        steps=data.steps,
        progress=report_of(progress, "verifying"),
    )
    answers = torch.from_numpy(verification.predictions)
    if len(some) < len(labels):
        compared, answers = answers, integer_answers(prepared, data, "test")
        if not torch.equal(answers[torch.from_numpy(some)], compared):
            raise VerificationError(
                "the prepared network and the program agree on letters and membranes but not on the class; keep the "
                "network and report this"
            )
    stages = {"float": trained, "absorbed": folded, "integer": answers}
    return Deployed(
        absorbed,
        prepared,
        program,
        {stage: float((found == labels).double().mean()) for stage, found in stages.items()},
        agreement,
        float((trained == answers).double().mean()),
        verification,
    )


@torch.no_grad()
def integer_answers(prepared: Network, data: Data, part: str) -> Tensor:
    """The classes ``[N]`` that the program of a prepared network answers on a part of the data.

    They are read from the integer sums of the read-out: two classes a few units apart may be equal in float scores.
    """
    with evaluating(prepared):
        sums = [prepared.run(x)[1]["readout"] for x in inputs(data, part)]
    return torch.cat(sums).argmax(1)


def prepared_for(absorbed: Network, data: Data, bits: int, membrane_bits: int = 32) -> Network:
    """`shiftlif.quantize.prepare` for the quantiser of a data set."""
    exponent = data.quantizer.exponent
    return prepare(absorbed, input_exponent=exponent, weight_bits=bits, membrane_bits=membrane_bits)


def why_not_compiled(network: Network, data: Data, bits: int = 8) -> str | None:
    """Why `deploy` would refuse a trained network, naming the layer; None where nothing is in the way."""
    try:
        prepared_for(absorb(network), data, bits)
    except CompileError as error:
        return str(error)
    return None


def strided(samples: int, limit: int | None) -> npt.NDArray[np.int64]:
    """Indices of at most ``limit`` of so many samples, spread evenly; all of them where None."""
    count = samples if limit is None else min(samples, limit)
    return np.arange(count, dtype=np.int64) * samples // max(1, count)


def program_frames(x: npt.NDArray[np.int8], temporal: bool) -> npt.NDArray[np.int8]:
    """int8 samples ``[B, C, ...]`` or ``[B, T, C, ...]`` as a program takes them, time first."""
    return np.ascontiguousarray(x.swapaxes(0, 1)) if temporal else x
