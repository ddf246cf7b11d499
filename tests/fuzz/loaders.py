"""What must hold for any bytes that a loader is given, and files that are altered and signed again."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from shiftlif.errors import ModelFileError, VerificationError
from shiftlif.program import GoldenVectors, IntegerProgram, verify_vectors
from shiftlif.program.file import KEY, _digest, decode, encode


def content_of(program: IntegerProgram) -> bytes:
    """The bytes of its model file."""
    encoded = encode(program)
    return written({**encoded.header, "digest": encoded.digest}, encoded.tensors)


def written(header: Any, tensors: dict[str, Any]) -> bytes:
    return save_tensors(tensors, metadata={KEY: json.dumps(header)})


def opened(content: bytes) -> tuple[Any, dict[str, Any]]:
    """Header and tensors of a file, by nothing but JSON and safetensors."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"][KEY]), load_tensors(content)


def signed(header: Any, tensors: dict[str, Any]) -> bytes:
    """The file with a digest that fits, as somebody would write it who knows the format."""
    table = {key: value for key, value in header.items() if key != "digest"}
    return written({**table, "digest": _digest(table, tensors)}, tensors)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to everything in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """The JSON value with one part replaced."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(copy[at[0]], at[1:], new)
    return copy


def loads_as_written(content: bytes) -> IntegerProgram | None:
    """The program that the bytes hold; None where they are refused. Any other exception than a refusal is a finding.

    It must be saved as the very header and tensors that were read, to the type of every number.
    """
    try:
        program = decode(content)
    except ModelFileError:
        return None
    header, tensors = opened(content)
    saved = encode(program)
    assert json.dumps(header, sort_keys=True) == json.dumps(
        {**saved.header, "digest": saved.digest}, sort_keys=True
    )
    assert tensors.keys() == saved.tensors.keys()
    for name, array in tensors.items():
        assert array.dtype == saved.tensors[name].dtype
        assert array.tobytes() == np.ascontiguousarray(saved.tensors[name]).tobytes()
    return program


def same_vectors(a: GoldenVectors, b: GoldenVectors) -> bool:
    """Whether every array is there and equal, to its dtype and shape."""
    tables = ((a.letters, b.letters), (a.membranes, b.membranes))
    if a.digest != b.digest or any(left.keys() != right.keys() for left, right in tables):
        return False
    pairs = [(a.inputs, b.inputs), (a.logits, b.logits)]
    pairs += [(left[name], right[name]) for left, right in tables for name in left]
    return all(x.dtype == y.dtype and x.shape == y.shape and (x == y).all() for x, y in pairs)


def load_vectors(content: bytes, folder: Path) -> GoldenVectors | None:
    """The vectors in the bytes; None where they are refused. Any other exception is a finding."""
    path = folder / "vectors.npz"
    path.write_bytes(content)
    try:
        return GoldenVectors.load(path)
    except ModelFileError:
        return None


def verifies(program: IntegerProgram, vectors: GoldenVectors) -> bool:
    """Whether the program reproduces them. Any other exception than a difference is a finding."""
    try:
        verify_vectors(program, vectors)
    except VerificationError:
        return False
    return True


def members(content: bytes) -> dict[str, bytes]:
    """The files in an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive whose checksums fit."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
