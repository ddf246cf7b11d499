"""atheris: bytes for the loaders of model files and golden vectors; a finding is any exception that is no refusal.

``python -m tests.fuzz.fuzz_loaders models|vectors FOLDER -max_total_time=20``; ``make fuzz`` calls it. The first byte
says what the others are: a whole file, or (from 128) the part of a real file that its digest or checksum would keep
from every check behind it. That part is replaced, and the file signed again.
"""

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shiftlif.program"]):
    from shiftlif.program import record

from safetensors.numpy import save as save_tensors

from shiftlif.program.file import KEY
from tests.fuzz import loaders
from tests.program.examples import tiny
from tests.program.strategies import random_frames, random_program

PROGRAMS = [tiny(), *map(random_program, (0, 5, 22))]
FILES = [loaders.content_of(program) for program in PROGRAMS]
SIGNED = 128
folder = Path()


def model(data: bytes) -> None:
    """A model file, or the text of a header."""
    content, base = data[1:], data[0] % len(FILES)
    if data[0] >= SIGNED:
        _, tensors = loaders.opened(FILES[base])
        try:
            content = loaders.signed(json.loads(content), tensors)
        except (ValueError, TypeError, AttributeError, RecursionError):  # no JSON object: nothing to sign
            content = save_tensors(tensors, metadata={KEY: content.decode(errors="replace")})
    loaders.loads_as_written(content)


def vectors(data: bytes) -> None:
    """An archive, or one array in it."""
    content = data[1:]
    if data[0] >= SIGNED:
        names = sorted(MEMBERS)
        content = loaders.zipped(MEMBERS | {names[data[0] % len(names)]: content})
    loaded = loaders.load_vectors(content, folder)
    if loaded is not None and loaded.inputs.size < 1000:
        loaders.verifies(PROGRAMS[0], loaded)


def seeds(kind: str) -> list[bytes]:
    """Unaltered files, and unaltered parts of them."""
    if kind == "models":
        headers = [json.dumps(loaders.opened(content)[0]).encode() for content in FILES]
        texts = [bytes([SIGNED + i]) + text for i, text in enumerate(headers)]
        return [bytes([i]) + content for i, content in enumerate(FILES)] + texts
    arrays = [bytes([SIGNED + i]) + MEMBERS[name] for i, name in enumerate(sorted(MEMBERS))]
    return [b"\0" + GOLDEN, *arrays]


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    corpus = folder / what
    corpus.mkdir(parents=True, exist_ok=True)
    record(PROGRAMS[0], random_frames(PROGRAMS[0], 0), 2).save(folder / "golden.npz")
    GOLDEN = (folder / "golden.npz").read_bytes()
    MEMBERS = loaders.members(GOLDEN)
    for i, seed in enumerate(seeds(what)):
        (corpus / f"seed{i}").write_bytes(seed)
    target = {"models": model, "vectors": vectors}[what]

    def one(data: bytes) -> None:
        """What atheris calls."""
        if data:
            target(data)

    dictionary = Path(__file__).with_name("json.dict")
    options = ["-max_len=20000", f"-dict={dictionary}", f"-artifact_prefix={folder}/", *sys.argv[3:]]
    atheris.Setup([sys.argv[0], str(corpus), *options], one)
    atheris.Fuzz()
