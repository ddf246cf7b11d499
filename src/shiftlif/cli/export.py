"""``shiftlif export``: programs as source code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli.compile import check_parent
from shiftlif.cli.options import AsJson, DryRun, MovedData, Quiet
from shiftlif.cli.output import show_json, show_pairs, show_plan
from shiftlif.cli.progress import Progress
from shiftlif.errors import ConfigurationError, ProgramError

if TYPE_CHECKING:
    from shiftlif.program import IntegerProgram

SAMPLES = 8


def export_c(
    target: Annotated[Path, typer.Argument(help="Model file, or a compiled run folder.")],
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier export is replaced.")],
    name: Annotated[str, typer.Option(help="Prefix of files and identifiers.")] = "model",
    vectors: Annotated[
        Path | None, typer.Option(help="Golden vectors (.npz) for the self-test; needs no torch.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=1, help="Samples of the self-test: of a run's test part, or made where there is no run."
        ),
    ] = SAMPLES,
    cache: Annotated[
        bool | None,
        typer.Option(
            "--cache/--no-cache",
            help="Keep the currents of the first layer from step to step: faster, more RAM. (default: where an "
            "inference shows one frame at several steps)",
        ),
    ] = None,
    pack: Annotated[
        bool,
        typer.Option(help="Two weights in a byte where all have 4 bits: less flash, more instructions."),
    ] = True,
    data: MovedData = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a program as C99 that compiles alone, with the runtime, a self-test and a report.

    The folder needs a C compiler and nothing else: `make test` in it proves that every letter and membrane is that of
    the reference interpreter.
    """
    from shiftlif.export import export_c as export
    from shiftlif.program import load
    from shiftlif.program.storage import PROGRAM

    file = target / PROGRAM if target.is_dir() else target
    if target.is_dir() and not file.is_file():
        raise ConfigurationError(f"run {target} is not compiled yet: shiftlif compile {target}")
    with Progress(quiet, as_json) as progress:
        progress.begin("loading the program")
        program = load(file)
        frames = _frames(target, program, vectors, samples, data)
        progress.begin("recording the self-test")
        made = export(
            program,
            out,
            name=name,
            vectors=frames,
            samples=samples,
            cached=cache,
            packed=pack,
            write=not dry_run,
        )
    if dry_run:
        check_parent(out)
        settings = {key: made.report[key] for key in ("digest", "flash", "ram", "self-test samples")}
        files = [made.folder / name for name in made.files]
        show_plan(f"export {file} as C", settings, files, as_json)
        return
    if as_json:
        show_json(made.report)
        return
    flash, ram = made.report["flash"], made.report["ram"]
    show_pairs(
        f"C source of {file}",
        {
            "folder": made.folder,
            "flash, const data": f"{flash['const data']:,} bytes, of these {flash['weights']:,} weights",
            "RAM": f"{ram['state']:,} bytes of state per stream, {ram['arena']:,} bytes during a call",
            "self-test": f"{made.report['self-test samples']} samples",
            "next": f"make -C {made.folder} test",
        },
    )


def _frames(
    target: Path, program: IntegerProgram, vectors: Path | None, samples: int, data: Path | None
) -> Any:
    """Frames for the self-test: of golden vectors, of the run's test part, or None."""
    if vectors is not None:
        from shiftlif.program import GoldenVectors

        golden = GoldenVectors.load(vectors)
        if golden.digest != program.digest():
            raise ProgramError(
                f"{vectors}: recorded from the program {golden.digest[:16]}, expected {program.digest()[:16]}; "
                "record them again: shiftlif compile RUN --vectors FILE.npz"
            )
        return golden.inputs
    if not target.is_dir():
        return None
    from shiftlif.training.deployment import program_frames
    from shiftlif.training.runs import load_run

    loaded = load_run(target).data(source=data)
    return program_frames(loaded.frames("test")[:samples], loaded.temporal)
