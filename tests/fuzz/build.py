"""Builds the fuzzer of the runtime: the harness with real programs as C tables, and its first inputs.

``python -m tests.fuzz.build FOLDER`` makes them; ``make fuzz`` calls it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from shiftlif.export import export_c
from shiftlif.program import Accumulate, Input, InputQuantizer, IntegerProgram
from tests.export.programs import counting_program, dense_program, edge_program
from tests.export.toolchain import WARNINGS, run
from tests.program.examples import neuron, tiny
from tests.program.strategies import random_program
from tests.runtime.programs import flattened

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "src" / "shiftlif" / "runtime" / "c"
COMPILER = "clang"  # the one that brings libFuzzer
SANITIZERS = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")


def direct() -> IntegerProgram:
    """No synapse: a neuron and the read-out on the frame itself."""
    operations = (Input("x", (1,)), neuron("x"), Accumulate("y", "neuron", 0, np.array([1], np.int32)))
    return IntegerProgram(operations, InputQuantizer.identity(1), 2, 9, ("only",))


def programs() -> list[IntegerProgram]:
    """Every operation and layout: convolutions of both kinds, groups, pools, dense layers, T = 1 and more."""
    seeds = (5, 10, 12, 13, 22, 37)
    packed = [edge_program(1, 1, bits=4), dense_program(4, inputs=20)]
    counts = [counting_program(1, 3), counting_program(2, 127)]
    return [
        direct(),
        tiny(),
        flattened("both"),
        edge_program(1, 1),
        *packed,
        *map(random_program, seeds),
        *counts,
    ]


def build_harness(folder: Path, runtime: Path = RUNTIME) -> tuple[Path, Path]:
    """The fuzzer of the runtime and the folder of its first inputs: every program without edits, run in every way."""
    corpus = folder / "programs"
    corpus.mkdir(parents=True, exist_ok=True)
    tables, names = [], []
    for i, program in enumerate(programs()):
        names.append(f"base{i}")
        export_c(program, folder / names[-1], name=names[-1], samples=1)
        tables.append(folder / names[-1] / f"{names[-1]}_model.c")
        for flags in (0, 3, 7, 8 + 3, 16 + 4, 32 + 24 + 4, 64 + 24, 64 + 32 + 16):
            (corpus / f"{i}-{flags}").write_bytes(bytes([i, flags, i + flags]))
    list_of_bases = folder / "bases.c"
    list_of_bases.write_text(
        '#include "shiftlif.h"\n'
        + "".join(f"extern const sl_program {name}_program;\n" for name in names)
        + "extern const sl_program *const fuzz_bases[];\nextern const unsigned fuzz_base_count;\n"
        + f"const sl_program *const fuzz_bases[] = {{{', '.join(f'&{name}_program' for name in names)}}};\n"
        + f"const unsigned fuzz_base_count = {len(names)}u;\n",
        encoding="utf-8",
    )
    sources = [
        HERE / "fuzz_program.c",
        HERE / "repair.c",
        list_of_bases,
        *tables,
        *sorted(runtime.glob("*.c")),
    ]
    harness = folder / "fuzz_program"
    options = ("-std=c99", "-O1", "-g", *WARNINGS, "-Wno-cast-qual", *SANITIZERS, f"-I{runtime}")
    run(COMPILER, *options, *sources, "-o", harness)
    return harness, corpus


if __name__ == "__main__":
    build_harness(Path(sys.argv[1]))
