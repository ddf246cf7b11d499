"""``shiftlif demo``: the whole way on a small data set that needs no download."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from shiftlif.cli import completion
from shiftlif.cli.compile import accuracies, deploy_run, record_vectors, save
from shiftlif.cli.options import AsJson, DryRun, Quiet, choice
from shiftlif.cli.output import fresh_folder, percent, show_json, show_pairs, show_plan
from shiftlif.cli.progress import Progress
from shiftlif.cli.train import files_of, interrupted_training, plan_training

VECTORS = "vectors.npz"


def demo(
    out: Annotated[Path, typer.Option(help="Run folder; a number is added where it exists.")] = Path(
        "runs/demo"
    ),
    epochs: Annotated[int, typer.Option(min=1, help="Training epochs.")] = 20,
    qat_epochs: Annotated[int, typer.Option(min=0, help="Quantisation-aware epochs.")] = 0,
    bits: Annotated[
        int,
        choice(completion.BITS, "Weight bits, 8 or 4."),
    ] = 8,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train on handwritten digits, compile to integers, verify every test image, and show the cost."""
    start = time.perf_counter()
    with Progress(quiet, as_json) as progress:
        progress.begin("starting")
        from shiftlif.program import measure
        from shiftlif.program.storage import PROGRAM
        from shiftlif.quantize.weights import check_bits
        from shiftlif.training.compiled import prepared_beside
        from shiftlif.training.config import TrainingConfig
        from shiftlif.training.deployment import program_frames
        from shiftlif.training.fitting import fit
        from shiftlif.training.runs import load_run

        check_bits(bits)
        folder = fresh_folder(out)
        config = TrainingConfig(
            dataset="digits", model="conv2d", width=16, steps=4, epochs=epochs, qat_epochs=qat_epochs
        )
        program, vectors = folder / PROGRAM, folder / VECTORS
        if dry_run:
            planned = plan_training(config, folder, False) | {"weight_bits": bits}
            progress.close()
            files = [*files_of(folder), program, prepared_beside(program), vectors]
            show_plan("train, compile and verify", planned, files, as_json)
            return
        try:
            result = fit(config, folder, progress=progress)
        except KeyboardInterrupt:
            raise interrupted_training(folder) from None
        deployed = deploy_run(load_run(folder), result.data, bits, qat_epochs, progress)
        save(deployed, program)
        frames = result.data.frames("test")
        record_vectors(deployed.program, frames, temporal=False, target=vectors)
        progress.begin("counting operations")
        cost = measure(deployed.program, program_frames(frames, temporal=False))
    seconds = round(time.perf_counter() - start, 1)
    if as_json:
        paths = {"folder": str(folder), "program": str(program), "golden_vectors": str(vectors)}
        trained = {"summary": result.summary, "cost": cost.to_dict(), "seconds": seconds}
        show_json({**paths, **deployed.to_dict(), **trained})
        return
    per = cost.totals
    size = program.stat().st_size
    show_pairs(
        "ShiftLIF on handwritten digits: trained, absorbed, compiled, verified",
        {
            **accuracies(deployed),
            "always the most frequent class": percent(result.summary["majority"]),
            "weights": f"{deployed.program.parameters:,} in {deployed.program.weight_bytes:,} bytes "
            f"(model file {size:,} bytes)",
            "events per inference": f"{per['events']:,.0f}",
            "events per neuron and step": f"{cost.events_per_neuron_step:.3f}",
            "adds per inference": f"{per['adds']:,.0f}",
            "shifts per inference": f"{per['shifts']:,.0f}",
            "multiplications": cost.multiplications,
            "seconds": seconds,
            "files": folder,
            "next": f"shiftlif info {program}",
        },
    )
