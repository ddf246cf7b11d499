"""``shiftlif demo``: the whole way on a small data set that needs no download."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from shiftlif.cli.compile import accuracies, deploy_run, record_vectors, save
from shiftlif.cli.output import Interrupted, fresh_folder, percent, show_pairs
from shiftlif.program.storage import PROGRAM

VECTORS = "vectors.npz"


def demo(
    out: Annotated[Path, typer.Option(help="Run folder; a number is added where it exists.")] = Path(
        "runs/demo"
    ),
    epochs: Annotated[int, typer.Option(min=1, help="Training epochs.")] = 20,
    qat_epochs: Annotated[int, typer.Option(min=0, help="Quantisation-aware epochs.")] = 0,
    bits: Annotated[int, typer.Option(help="Weight bits, 8 or 4.")] = 8,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train on handwritten digits, compile to integers, verify every test image, and show the cost."""
    from shiftlif.program import measure
    from shiftlif.quantize.weights import check_bits
    from shiftlif.training.config import TrainingConfig
    from shiftlif.training.deployment import program_frames
    from shiftlif.training.fitting import fit
    from shiftlif.training.runs import load_run

    check_bits(bits)
    start = time.perf_counter()
    folder = fresh_folder(out)
    config = TrainingConfig(
        dataset="digits", model="conv2d", width=16, steps=4, epochs=epochs, qat_epochs=qat_epochs
    )
    try:
        result = fit(config, folder, progress=not quiet)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; continue with: shiftlif train --resume --out {folder}") from None
    deployed = deploy_run(load_run(folder), result.data, bits, qat_epochs, quiet=quiet)
    save(deployed, folder / PROGRAM)
    frames = result.data.frames("test")
    record_vectors(deployed.program, frames, temporal=False, target=folder / VECTORS)
    cost = measure(deployed.program, program_frames(frames, temporal=False))
    per = cost.totals
    size = (folder / PROGRAM).stat().st_size
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
            "seconds": f"{time.perf_counter() - start:.1f}",
            "files": folder,
            "next": f"shiftlif info {folder / PROGRAM}",
        },
    )
