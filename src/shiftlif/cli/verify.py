"""``shiftlif verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shiftlif.cli.options import AsJson, MovedData, Quiet
from shiftlif.cli.output import show_json, show_pairs
from shiftlif.cli.progress import Progress
from shiftlif.errors import ConfigurationError


def verify(
    target: Annotated[Path, typer.Argument(help="A compiled run folder, or a model file with --vectors.")],
    vectors: Annotated[Path | None, typer.Option(help="Golden vectors (.npz); needs no torch.")] = None,
    data: MovedData = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare a program with its prepared network, or with golden vectors.

    The program runs in the reference interpreter and in the compiled engine. With a run folder, every letter and
    membrane at every layer and step is compared on the whole test part. The first difference ends the command with
    exit code 2.
    """
    from shiftlif.program.storage import PROGRAM

    if vectors is not None:
        with Progress(quiet, as_json) as progress:
            found = _with_vectors(target / PROGRAM if target.is_dir() else target, vectors, progress)
        title, samples = "the program reproduces the golden vectors", f"{found['samples']:,}"
    elif target.is_dir():
        with Progress(quiet, as_json) as progress:
            found = _with_run(target, data, progress)
        title = "the program equals the prepared network"
        samples = f"{found['samples']:,} (the whole test part)"
    else:
        raise ConfigurationError(
            f"{target} is no run folder; a model file is verified with golden vectors: --vectors FILE.npz"
        )
    if as_json:
        show_json({"verified": True, **found})
        return
    shown = {
        **found,
        "samples": samples,
        "letters": f"{found['letters']:,}",
        "membranes": f"{found['membranes']:,}",
    }
    show_pairs(f"verified: {title}", shown)


def _with_vectors(path: Path, vectors: Path, progress: Progress) -> dict[str, Any]:
    from shiftlif.program import GoldenVectors, load, verify_vectors
    from shiftlif.runtime import Comparison

    golden, program = GoldenVectors.load(vectors), load(path)
    progress.begin(f"verifying {len(golden.logits):,} samples")
    verify_vectors(program, golden)
    engines = Comparison(program)
    engines.require_equal(golden.inputs, golden, golden.steps, "the golden vectors")
    return {
        "compared": engines.verdict("golden vectors", "interpreter"),
        "samples": len(golden.logits),
        "steps": golden.steps,
        "letters": sum(a.size for a in golden.letters.values()),
        "membranes": sum(a.size for a in golden.membranes.values()),
    }


def _with_run(folder: Path, source: Path | None, progress: Progress) -> dict[str, Any]:
    progress.begin("loading the run")
    from shiftlif.compile import verify as compare
    from shiftlif.program import load
    from shiftlif.program.storage import PROGRAM
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
    proof = compare(prepared, program, data.frames("test"), steps=data.steps, progress=progress("verifying"))
    names = ("compared", "samples", "steps", "letters", "membranes")
    return {name: getattr(proof, name) for name in names}
