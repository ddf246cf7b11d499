"""Which rendering of a program a command runs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from shiftlif.errors import ProgramError

if TYPE_CHECKING:
    from shiftlif.program import IntegerProgram
    from shiftlif.runtime import Engine


def engine_of(program: IntegerProgram, threads: int) -> Engine | None:
    """The engine; None, with a warning, where it is not built or the program is beyond its limits."""
    try:
        return program.engine(threads=threads)
    except ProgramError as error:
        warnings.warn(f"running in the interpreter, which is slow: {error}", stacklevel=2)
        return None
