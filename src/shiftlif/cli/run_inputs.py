"""What ``shiftlif run`` is given: the program first, then files or folders of samples."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from shiftlif.errors import ConfigurationError, DataError, ModelFileError

if TYPE_CHECKING:
    from shiftlif.program import IntegerProgram

STANDARD_INPUT = "-"
SAMPLES = (".csv", ".npy", ".npz", ".wav")  # and recordings of events or spikes
USAGE = "shiftlif run PROGRAM SAMPLES"


def load_program(program: Path, inputs: Sequence[str]) -> IntegerProgram:
    """The program of a command line.

    Raises:
        ConfigurationError: the arguments are swapped, or the program was forgotten.
        ModelFileError: as `shiftlif.program.load`.
    """
    from shiftlif.program import load

    try:
        return load(program)
    except ModelFileError:
        for name in inputs:
            if Path(name).is_file():
                with suppress(ModelFileError):
                    load(name)
                    others = [other for other in inputs if other != name]
                    raise ConfigurationError(
                        f"{name} is a program and {program} is not: the program comes first, then the samples: "
                        f"{shlex.join(['shiftlif', 'run', name, str(program), *others])}"
                    ) from None
        if program.is_file() and _holds_samples(program):
            raise ConfigurationError(
                f"{program} is no program, by its name it holds samples; the program comes first: {USAGE}, such as "
                f"{shlex.join(['shiftlif', 'run', 'program.safetensors', str(program), *_shown(inputs)])}"
            ) from None
        raise


def _shown(inputs: Sequence[str]) -> list[str]:
    """The first inputs, for a message."""
    named = [name for name in inputs if name != STANDARD_INPUT]
    return named if len(named) <= 2 else [*named[:2], "..."]


def files_of(inputs: Sequence[str]) -> list[str]:
    """The inputs with every folder replaced by the files of samples in it and below, sorted; hidden ones left out.

    Raises:
        DataError: a folder holds none.
    """
    return [file for name in inputs for file in (_files_in(Path(name)) if Path(name).is_dir() else [name])]


def are_several(inputs: Sequence[str]) -> bool:
    """Whether an answer has to say which file it is about: several inputs, or a folder, however much it holds."""
    return len(inputs) > 1 or any(Path(name).is_dir() for name in inputs)


def _files_in(folder: Path) -> list[str]:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and _holds_samples(path)
    ]
    if not found:
        raise DataError(
            f"{folder}: holds no file of samples ({', '.join(SAMPLES)} or a recording of events), in it or below"
        )
    return [str(path) for path in found]


def _holds_samples(path: Path) -> bool:
    from shiftlif.data import is_recording

    return path.suffix.lower() in SAMPLES or is_recording(path)
