"""``shiftlif verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftlif.cli.options import MovedData
from shiftlif.cli.output import show_pairs
from shiftlif.errors import ConfigurationError
from shiftlif.program.storage import PROGRAM


def verify(
    target: Annotated[Path, typer.Argument(help="A compiled run folder, or a model file with --vectors.")],
    vectors: Annotated[Path | None, typer.Option(help="Golden vectors (.npz); needs no torch.")] = None,
    data: MovedData = None,
) -> None:
    """Compare a program with its prepared network, or with golden vectors.

    The program runs in the reference interpreter and in the compiled engine. With a run folder, every letter and
    membrane at every layer and step is compared on the whole test part. The first difference ends the command with
    exit code 2.
    """
    if vectors is not None:
        _with_vectors(target / PROGRAM if target.is_dir() else target, vectors)
    elif target.is_dir():
        _with_run(target, data)
    else:
        raise ConfigurationError(
            f"{target} is no run folder; a model file is verified with golden vectors: --vectors FILE.npz"
        )


def _with_vectors(path: Path, vectors: Path) -> None:
    from shiftlif.program import GoldenVectors, load, verify_vectors
    from shiftlif.runtime import Comparison

    golden, program = GoldenVectors.load(vectors), load(path)
    verify_vectors(program, golden)
    engines = Comparison(program)
    engines.require_equal(golden.inputs, golden, golden.steps, "the golden vectors")
    show_pairs(
        "verified: the program reproduces the golden vectors",
        {
            "compared": engines.verdict("golden vectors", "interpreter"),
            "samples": len(golden.logits),
            "steps": golden.steps,
            "letters": f"{sum(a.size for a in golden.letters.values()):,}",
            "membranes": f"{sum(a.size for a in golden.membranes.values()):,}",
        },
    )


def _with_run(folder: Path, source: Path | None) -> None:
    from shiftlif.compile import verify as compare
    from shiftlif.program import load
    from shiftlif.quantize import absorb
    from shiftlif.training.compiled import stored_prepared
    from shiftlif.training.runs import load_run, use_threads

    run = load_run(folder)
    use_threads(run.config)
    if not (folder / PROGRAM).is_file():
        raise ConfigurationError(f"run {folder} is not compiled yet: shiftlif compile {folder}")
    program = load(folder / PROGRAM)
    data = run.data(source=source)
    prepared = stored_prepared(absorb(run.network), data, program, folder / PROGRAM)
    proof = compare(prepared, program, data.frames("test"), steps=data.steps)
    show_pairs(
        "verified: the program equals the prepared network",
        {
            "compared": proof.compared,
            "samples": f"{proof.samples:,} (the whole test part)",
            "steps": proof.steps,
            "letters": f"{proof.letters:,}",
            "membranes": f"{proof.membranes:,}",
        },
    )
