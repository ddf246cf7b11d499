"""The model file: one safetensors file with a JSON header and a digest over everything.

Tensors are named ``<operation>.<field>``; the header under the metadata key ``shiftlif`` holds the
graph and every number that is no tensor. Loading unpickles nothing and builds the program through the
same validation as the compiler does, range proof included.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from shiftlif.errors import ModelFileError, ShiftLIFError
from shiftlif.program.checks import shown
from shiftlif.program.operations import ARRAY_FIELDS, KINDS, Input, Operation, arrays_of, kind_of
from shiftlif.program.program import IntegerProgram
from shiftlif.program.quantizer import InputQuantizer
from shiftlif.program.storage import PREPARED, PROGRAM, read_file, write_atomically

FORMAT = "shiftlif-program"
VERSION = 1
KEY = "shiftlif"
HEADER_FIELDS = (
    "format",
    "version",
    "graph",
    "quantizer",
    "classes",
    "steps",
    "max_steps",
    "output_unit",
    "metadata",
    "digest",
)
FRAME_RANGE = {"low", "high"}  # of the Input; the quantizer has the same
Tensors = dict[str, npt.NDArray[Any]]
DTYPES = {"weight": "int8", "bias": "int32", "thresholds": "int32", "resets": "int32", "letters": "int32"}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A program in the form that is hashed and written: header without digest, tensors, digest."""

    header: dict[str, Any]
    tensors: Tensors
    digest: str


def pack_int4(weight: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Two's-complement nibbles in C order, the first in the low half; an odd count ends with a 0 nibble."""
    nibbles = np.zeros(weight.size + weight.size % 2, np.uint8)
    nibbles[: weight.size] = weight.reshape(-1).view(np.uint8) & 0x0F
    return (nibbles[0::2] | (nibbles[1::2] << 4)).astype(np.uint8)


def unpack_int4(packed: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """The inverse of `pack_int4`.

    Raises:
        ModelFileError: when the byte count does not fit the shape.
    """
    count = 1
    for extent in shape:
        count *= extent
    if packed.dtype != np.uint8 or packed.shape != ((count + 1) // 2,):
        raise ModelFileError(
            f"packed int4 weight is {packed.dtype} {packed.shape}, "
            f"expected uint8 ({(count + 1) // 2},) for {shape}"
        )
    nibbles = np.stack([packed & 0x0F, packed >> 4], axis=1).reshape(-1)[:count]
    return ((nibbles ^ 8).astype(np.int8) - 8).reshape(shape)


def _digest(header: dict[str, Any], tensors: Tensors) -> str:
    content = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        array = tensors[name]
        content.update(json.dumps([name, array.dtype.name, list(array.shape)]).encode())
        content.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    return content.hexdigest()


def encode(program: IntegerProgram) -> Encoded:
    """The canonical content of a program."""
    graph, tensors = [], {}
    for operation in program.operations:
        arrays = arrays_of(operation)
        settings = {f.name: getattr(operation, f.name) for f in fields(operation) if f.name not in arrays}
        if isinstance(operation, Input) and operation.whole:  # as in files from before there was a range
            settings = {key: value for key, value in settings.items() if key not in FRAME_RANGE}
        entry = {"kind": kind_of(operation), **json.loads(json.dumps(settings))}
        for field, array in arrays.items():
            four = field == "weight" and entry["weight_bits"] == 4
            entry[field] = {"dtype": "int4" if four else array.dtype.name, "shape": list(array.shape)}
            tensors[f"{operation.name}.{field}"] = pack_int4(array) if four else array
        graph.append(entry)
    tensors["quantizer.offset"], tensors["quantizer.scale"] = (
        program.quantizer.offset,
        program.quantizer.scale,
    )
    header = {
        "format": FORMAT,
        "version": VERSION,
        "graph": graph,
        "quantizer": _settings_of(program.quantizer),
        "classes": list(program.classes),
        "steps": int(program.steps),
        "max_steps": int(program.max_steps),
        "output_unit": program.output_unit,
        "metadata": program.metadata,
    }
    return Encoded(header, tensors, _digest(header, tensors))


def _settings_of(quantizer: InputQuantizer) -> dict[str, int]:
    digits = {} if quantizer.digits is None else {"digits": int(quantizer.digits)}
    return {"exponent": int(quantizer.exponent), **digits}


def save(program: IntegerProgram, path: str | PathLike[str]) -> None:
    """Writes the model file of a program to ``path``, atomically.

    Raises:
        ModelFileError: when it cannot be written; an existing file is then unchanged.
    """
    content = encode(program)
    header = json.dumps({**content.header, "digest": content.digest})
    write_atomically(path, save_tensors(content.tensors, metadata={KEY: header}))


def load(path: str | PathLike[str]) -> IntegerProgram:
    """Reads a model file and builds the program, which proves it again.

    Raises:
        ModelFileError: when the file is missing, truncated, foreign, altered, of another version, or holds
            anything that a program may not hold; the message names the field.
    """
    try:
        return _decoded(read_file(path), _program_beside(Path(path)))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from (
            error.__cause__ or error
        )


def decode(content: bytes) -> IntegerProgram:
    """The program in the bytes of a model file; errors as `load`."""
    return _decoded(content, None)


def _program_beside(path: Path) -> Path | None:
    """The program that a file which is none was perhaps taken for; None where there is none beside it."""
    made = path.name.removesuffix(PREPARED) + ".safetensors" if path.name.endswith(PREPARED) else PROGRAM
    beside = path.with_name(made)
    return beside if beside != path and beside.is_file() else None


def _decoded(content: bytes, beside: Path | None) -> IntegerProgram:
    header, tensors = _open(content, beside)
    _check_keys("header", header, set(HEADER_FIELDS))
    given = header.pop("digest")
    try:
        actual = _digest(header, tensors)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError("header: holds something that JSON does not") from error
    if given != actual:
        _refuse(
            "digest",
            given,
            f"{actual}, as the content has; the file was altered: copy it again from its source, or compile "
            f"again",
        )
    expected = {"quantizer.offset", "quantizer.scale"}
    operations = []
    for position, entry in enumerate(_typed("graph", header["graph"], list)):
        operations.append(
            _operation(f"graph[{position}]", _typed(f"graph[{position}]", entry, dict), tensors, expected)
        )
    _check_keys("tensors", tensors, expected)
    settings = _typed("quantizer", header["quantizer"], dict)
    _check_keys("quantizer", settings, {"exponent", *({"digits"} & set(settings))})
    classes = _typed("classes", header["classes"], list)
    metadata = _typed("metadata", header["metadata"], dict)
    try:
        ranges = [{"low": op.low, "high": op.high} for op in operations if isinstance(op, Input)]
        quantizer = InputQuantizer(
            tensors["quantizer.offset"],
            tensors["quantizer.scale"],
            settings["exponent"],
            digits=settings.get("digits"),
            **(ranges[0] if ranges else {}),
        )
        program = IntegerProgram(
            tuple(operations),
            quantizer,
            header["steps"],
            header["max_steps"],
            tuple(classes),
            header["output_unit"],
            metadata,
        )
    except ShiftLIFError as error:
        raise ModelFileError(f"invalid program: {error}") from error
    _typed("output_unit", header["output_unit"], float)
    saved = program.digest()
    if saved != given:  # a number or text that was taken for another than the file holds
        _refuse("digest", given, f"{saved}, as the program that was read from it has")
    return program


def _open(content: bytes, beside: Path | None) -> tuple[dict[str, Any], Tensors]:
    """The header and the tensors, before any check of what they say."""
    try:
        tensors = load_tensors(content)
        size = int.from_bytes(content[:8], "little")
        outer = json.loads(content[8 : 8 + size])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"not a complete safetensors file ({error}); copy or export it again") from error
    metadata = outer.get("__metadata__") or {}
    if KEY not in metadata:
        advice = (
            "a trained network perhaps: compile the run first (shiftlif compile RUN) and use its program.safetensors"
            if beside is None
            else f"a network's weights perhaps: use {beside}"
        )
        _refuse(
            "metadata",
            sorted(metadata),
            f"a key '{KEY}'; this safetensors file holds no integer program, {advice}",
        )
    try:
        header = json.loads(metadata[KEY])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"header: is not JSON ({error}); the file was altered") from error
    header = _typed("header", header, dict)
    if header.get("format") != FORMAT:
        _refuse("format", header.get("format"), repr(FORMAT))
    if type(header.get("version")) is not int or header["version"] != VERSION:  # neither True nor 1.0 is 1
        _refuse("version", header.get("version"), f"{VERSION}; export the program again with this release")
    return header, tensors


def _operation(where: str, entry: dict[str, Any], tensors: Tensors, expected: set[str]) -> Operation:
    kind: type[Any] | None = KINDS.get(entry["kind"]) if isinstance(entry.get("kind"), str) else None
    if kind is None:
        _refuse(f"{where}.kind", entry.get("kind"), f"one of {list(KINDS)}")
    names = {f.name for f in fields(kind)}
    if kind is Input and not names.issubset(entry):
        names -= FRAME_RANGE
    _check_keys(where, entry, names | {"kind"})
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    values.pop("kind")
    for field in sorted(names.intersection(ARRAY_FIELDS)):
        name = f"{entry['name']}.{field}"
        expected.add(name)
        if name not in tensors:
            _refuse(f"tensor {name}", "missing", "present; the file is incomplete")
        values[field] = _array(
            f"{where}.{field}", tensors[name], entry[field], field, entry.get("weight_bits")
        )
    try:
        operation: Operation = kind(**values)
    except ShiftLIFError as error:
        raise ModelFileError(f"{where}: {error}") from error
    return operation


def _array(where: str, tensor: npt.NDArray[Any], declared: Any, field: str, bits: Any) -> npt.NDArray[Any]:
    _check_keys(where, _typed(where, declared, dict), {"dtype", "shape"})
    shape = tuple(_typed(f"{where}.shape", declared["shape"], list))
    if not all(type(extent) is int and extent > 0 for extent in shape):
        _refuse(f"{where}.shape", list(shape), "positive whole numbers")
    dtype = "int4" if field == "weight" and bits == 4 else DTYPES[field]
    if declared["dtype"] != dtype:
        _refuse(f"{where}.dtype", declared["dtype"], dtype)
    if dtype == "int4":
        return unpack_int4(tensor, shape)
    if tensor.dtype.name != dtype or tensor.shape != shape:
        _refuse(where, f"{tensor.dtype.name} {list(tensor.shape)}", f"{dtype} {list(shape)}")
    return tensor


def _typed(where: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        _refuse(where, type(value).__name__, kind.__name__)
    return value


def _check_keys(where: str, table: dict[str, Any], expected: set[str]) -> None:
    missing, extra = sorted(expected - set(table)), sorted(set(table) - expected)
    if missing or extra:
        raise ModelFileError(
            f"{where}: missing {missing}, unknown {extra}; expected exactly {sorted(expected)}"
        )


def _refuse(where: str, was: object, expected: str) -> NoReturn:
    raise ModelFileError(f"{where}: is {shown(was)}, expected {expected}")
