"""A run once it is compiled: where its program and its prepared network's weights lie, and how they are read back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import safetensors.torch
from safetensors import SafetensorError

from shiftlif.errors import ModelFileError
from shiftlif.network import Network
from shiftlif.program import IntegerProgram, load
from shiftlif.program.storage import PREPARED, PROGRAM, read_file
from shiftlif.training.batches import Data
from shiftlif.training.deployment import prepared_for
from shiftlif.training.runs import Run


class Quantised(NamedTuple):
    """The quantised network of a run and where it comes from.

    Attributes:
        network: prepared; with a program, the one that the program was converted from.
        program: the run's model file; None where it is not compiled, or compiled with other bits than asked for.
        bits: of the weights.
        qat_epochs: of fine-tuning.
    """

    network: Network
    program: IntegerProgram | None
    bits: int
    qat_epochs: int

    @property
    def origin(self) -> dict[str, int | bool]:
        """A JSON-able form without the network."""
        return {"bits": self.bits, "compiled": self.program is not None, "qat_epochs": self.qat_epochs}


def prepared_beside(program: Path) -> Path:
    """Where the weights of a program's prepared network lie, which ``verify RUN`` compares it with."""
    return program.with_name(f"{program.stem}{PREPARED}")


def quantised(run: Run, absorbed: Network, data: Data, bits: int | None = None) -> Quantised:
    """The network that ``shiftlif compile`` stored, else the absorbed one with its weights quantised as they are.

    Args:
        run: which may be compiled.
        absorbed: its network, absorbed.
        data: its data.
        bits: of the weights, 8 or 4; None: as compiled, else the run's ``qat_bits``, else 8.

    Raises:
        ModelFileError: a file of the compiled run is missing, damaged, or of another run.
        CompileError: the network cannot be quantised; the message names the layer.
    """
    file = run.folder / PROGRAM
    if file.is_file():
        program = load(file)
        if bits in (None, program.metadata.get("weight_bits")):
            network = stored_prepared(absorbed, data, program, file)
            tuned = int(program.metadata.get("qat_epochs", 0))
            return Quantised(network, program, int(program.metadata["weight_bits"]), tuned)
    chosen = bits if bits is not None else run.config.qat_bits or 8
    return Quantised(prepared_for(absorbed, data, chosen), None, chosen, 0)


def stored_prepared(absorbed: Network, data: Data, program: IntegerProgram, file: Path) -> Network:
    """The prepared network that a run's program was converted from, fine-tuned as it was.

    Raises:
        ModelFileError: its weights beside ``file`` are missing, damaged, or those of another run.
    """
    try:
        bits, membranes = program.metadata["weight_bits"], program.metadata.get("membrane_bits", 32)
        prepared = prepared_for(absorbed, data, int(bits), int(membranes))
        prepared.load_state_dict(safetensors.torch.load(read_file(prepared_beside(file))))
    except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{prepared_beside(file)}: does not fit the run ({error}); compile it again"
        ) from error
    return prepared
