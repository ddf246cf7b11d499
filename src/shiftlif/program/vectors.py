"""Golden vectors: recorded inputs, letters, membranes and logits that every rendering must reproduce."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ModelFileError, ProgramError, VerificationError
from shiftlif.program.archive import read_arrays
from shiftlif.program.compare import compare_traces, first_mismatch
from shiftlif.program.interpreter import run
from shiftlif.program.program import IntegerProgram
from shiftlif.program.storage import read_file, write_atomically

IntArray = npt.NDArray[Any]
DTYPES = {"inputs": "int8", "letters": "int8", "membranes": "int32", "logits": "int32", "digest": "str"}


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """What a program computed.

    Attributes:
        inputs: int8 ``[B, ...]`` (shown at every step) or ``[T, B, ...]``.
        letters: int8 ``[T, B, C, ...]`` per Neuron.
        membranes: int32 ``[T, B, C, ...]`` after reset, per Neuron and for the Accumulate.
        logits: int32 ``[B, classes]``.
        digest: of the program that was recorded, see `IntegerProgram.digest`.
    """

    inputs: npt.NDArray[np.int8]
    letters: dict[str, IntArray]
    membranes: dict[str, IntArray]
    logits: IntArray
    digest: str

    @property
    def steps(self) -> int:
        """How many steps were recorded."""
        return int(next(iter(self.membranes.values())).shape[0])

    def save(self, path: str | PathLike[str]) -> None:
        """Writes an .npz file atomically.

        Raises:
            ModelFileError: when it cannot be written.
        """
        buffer = io.BytesIO()
        tables = {"letters": self.letters, "membranes": self.membranes}
        arrays = {f"{table}/{name}": array for table, rows in tables.items() for name, array in rows.items()}
        arrays |= {"inputs": self.inputs, "logits": self.logits, "digest": np.array(self.digest)}
        np.savez_compressed(buffer, allow_pickle=False, **arrays)  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> GoldenVectors:
        """Reads what `save` wrote; unpickles nothing.

        Raises:
            ModelFileError: when the file is missing, damaged, or holds something else.
        """
        content = read_file(path)
        try:
            arrays = read_arrays(content)
        except ModelFileError as error:
            raise ModelFileError(
                f"{path}: is no complete .npz file of numbers ({error}); record the vectors again"
            ) from error
        try:
            return _from_arrays(arrays)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}; record the vectors again") from error


def _from_arrays(arrays: dict[str, IntArray]) -> GoldenVectors:
    tables: dict[str, dict[str, IntArray]] = {"letters": {}, "membranes": {}}
    for name, array in arrays.items():
        table, _, layer = name.partition("/")
        if table in tables and layer:
            tables[table][layer] = array
        elif name not in ("inputs", "logits", "digest"):
            raise ModelFileError(
                f"array {name[:80]!r} is unknown, expected inputs, logits, digest, letters/, membranes/"
            )
    if not {"inputs", "logits", "digest"} <= set(arrays) or not tables["membranes"]:
        raise ModelFileError(f"holds {sorted(arrays)}, expected inputs, logits, digest and membranes/")
    digest = str(arrays["digest"])
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ModelFileError(f"digest is {digest[:80]!r}, expected 64 hexadecimal digits")
    for name, array in arrays.items():
        dtype = DTYPES[name.partition("/")[0]]
        if name != "digest" and (array.ndim < 2 or array.dtype != dtype):
            raise ModelFileError(
                f"array {name[:80]!r} is {array.dtype.name} {list(array.shape)}, expected {dtype} with 2 or more axes"
            )
    return GoldenVectors(arrays["inputs"], tables["letters"], tables["membranes"], arrays["logits"], digest)


def record(program: IntegerProgram, x: npt.NDArray[np.int8], steps: int | None = None) -> GoldenVectors:
    """Runs the reference interpreter on ``x`` and keeps everything; arguments and errors as `run`."""
    result = run(program, x, steps, record=True)
    return GoldenVectors(
        np.array(x), dict(result.letters), dict(result.membranes), result.logits, program.digest()
    )


def verify_vectors(program: IntegerProgram, vectors: GoldenVectors) -> None:
    """Runs the program on the recorded inputs and compares letters, membranes and logits.

    Raises:
        VerificationError: at the first difference, with layer, step, sample, channel and both values; or
            when the program cannot take the recorded inputs. It says so when the vectors were recorded from
            another program.
    """
    try:
        _compare(program, vectors)
    except VerificationError as error:
        digest = program.digest()
        if digest == vectors.digest:
            raise
        raise VerificationError(
            f"{error}; the vectors were recorded from program {vectors.digest[:8]} and this one is "
            f"{digest[:8]}: use the vectors of this program, or record them again"
        ) from error


def _compare(program: IntegerProgram, vectors: GoldenVectors) -> None:
    try:
        result = run(program, vectors.inputs, vectors.steps, record=True)
    except ProgramError as error:
        raise VerificationError(f"the recorded inputs do not fit this program: {error}") from error
    recorded = (_in_order(program, vectors.letters), _in_order(program, vectors.membranes))
    compare_traces("the golden vectors", recorded, "the program", (result.letters, result.membranes))
    if vectors.logits.shape != result.logits.shape:
        raise VerificationError(
            f"logits: shape is {vectors.logits.shape} in the golden vectors "
            f"and {result.logits.shape} in the program"
        )
    index = first_mismatch(vectors.logits, result.logits)
    if index is not None:
        raise VerificationError(
            f"logits, sample {index[0]}, class {program.classes[index[1]]}: {int(vectors.logits[index])} "
            f"in the golden vectors and {int(result.logits[index])} in the program"
        )


def _in_order(program: IntegerProgram, table: dict[str, IntArray]) -> dict[str, IntArray]:
    """A file may list layers in any order; messages name the first one in program order."""
    position = {operation.name: i for i, operation in enumerate(program.operations)}
    return {name: table[name] for name in sorted(table, key=lambda name: position.get(name, -1))}
