"""``shiftlif compile``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli import completion
from shiftlif.cli.options import AsJson, DryRun, MovedData, Quiet, choice
from shiftlif.cli.output import NOTHING_WRITTEN, Interrupted, percent, show_json, show_pairs, show_plan
from shiftlif.cli.progress import Progress
from shiftlif.errors import ModelFileError

if TYPE_CHECKING:
    from shiftlif.program import IntegerProgram
    from shiftlif.training.batches import Data
    from shiftlif.training.deployment import Deployed
    from shiftlif.training.runs import Run

VECTOR_SAMPLES = 16


def compile_run(
    run: Annotated[Path, typer.Argument(help="Run folder of 'shiftlif train'.")],
    bits: Annotated[
        int | None,
        choice(completion.BITS, "Weight bits, 8 or 4. (default: the run's qat_bits, else 8)"),
    ] = None,
    membranes: Annotated[
        int,
        choice(
            completion.MEMBRANES,
            "Membrane bits, 32 or 16: 16 takes coarser weights where membranes fit then, and saves RAM.",
        ),
    ] = 32,
    qat_epochs: Annotated[
        int | None, typer.Option(min=0, help="Quantisation-aware epochs. (default: the run's qat_epochs)")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Model file, replaced. (default: RUN/program.safetensors)")
    ] = None,
    data: MovedData = None,
    vectors: Annotated[
        Path | None, typer.Option(help="Also record golden vectors of 16 test samples here (.npz).")
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Turn a run into an integer program and verify it on the whole test part.

    Scales are absorbed, weights quantised (and fine-tuned with --qat-epochs), and every letter and
    membrane of the program is compared with the prepared network's.
    """
    with Progress(quiet, as_json) as progress:
        progress.begin("loading the run")
        from shiftlif.program.storage import PROGRAM
        from shiftlif.quantize.weights import check_bits, check_membrane_bits
        from shiftlif.training.compiled import prepared_beside
        from shiftlif.training.runs import load_run

        target = out if out is not None else run / PROGRAM
        files = {"program": target, "prepared network": prepared_beside(target)}
        if vectors is not None:
            files["golden vectors"] = vectors
        loaded = load_run(run)
        epochs = loaded.config.qat_epochs if qat_epochs is None else qat_epochs
        chosen = bits if bits is not None else loaded.config.qat_bits or 8
        # Cheap mistakes first: fine-tuning takes a while.
        check_bits(chosen)
        check_membrane_bits(membranes)
        for file in files.values():
            check_file(file)
            check_parent(file) if dry_run else make_parent(file)
        loaded_data = loaded.data(source=data)
        if dry_run:
            planned = _plan(loaded, loaded_data, chosen, membranes, epochs)
            progress.close()
            show_plan("compile a run", planned, list(files.values()), as_json)
            return
        try:
            deployed = deploy_run(loaded, loaded_data, chosen, epochs, progress, membranes)
        except KeyboardInterrupt:
            raise Interrupted(NOTHING_WRITTEN) from None
        save(deployed, target)
        if vectors is not None:
            record_vectors(deployed.program, loaded_data.frames("test"), loaded_data.temporal, vectors)
    if as_json:
        paths = {name.replace(" ", "_"): str(file) for name, file in files.items()}
        membrane_bits = widths(deployed.program)
        show_json({"run": str(run), **deployed.to_dict(), "membrane_bits": membrane_bits, **paths})
        return
    show_pairs(
        f"{loaded.summary['dataset']}: int{chosen} program",
        {
            **accuracies(deployed),
            "operations": len(deployed.program.operations),
            "weights": f"{deployed.program.parameters:,} in {deployed.program.weight_bytes:,} bytes",
            "membranes": _widths_text(widths(deployed.program), membranes),
            "digest": deployed.program.digest()[:16],
            **files,
            "next": f"shiftlif info {target}",
        },
    )


def widths(program: IntegerProgram) -> list[int]:
    """Bits of the membranes of each layer of neurons, front to back."""
    from shiftlif.program import Neuron

    return [operation.membrane_bits for operation in program.operations if isinstance(operation, Neuron)]


def _widths_text(bits: list[int], asked: int) -> str:
    wider = (
        f" ({asked} asked for; where 32 stays, the range proof needs it)"
        if max(bits, default=0) > asked
        else ""
    )
    return f"{', '.join(map(str, bits))} bits{wider}" if bits else "none"


def _plan(loaded: Run, data: Data, bits: int, membranes: int, qat_epochs: int) -> dict[str, object]:
    """What would be compiled; the network is converted as it is, so what cannot be compiled is refused now."""
    from shiftlif.compile import convert
    from shiftlif.quantize import absorb
    from shiftlif.training.deployment import prepared_for

    prepared = prepared_for(absorb(loaded.network), data, bits, membranes)
    program = convert(prepared, quantizer=data.quantizer, classes=data.classes, steps=data.steps)
    return {
        "run": str(loaded.folder),
        "dataset": loaded.summary["dataset"],
        "weight_bits": bits,
        "membrane_bits": membranes,
        "qat_epochs": qat_epochs,
        "operations": len(program.operations),
        "weights": program.parameters,
        "weight_bytes": program.weight_bytes,
        "verified samples": len(data.parts["test"]),
    }


def deploy_run(
    loaded: Run, data: Data, bits: int, qat_epochs: int, progress: Progress, membranes: int = 32
) -> Deployed:
    """`shiftlif.training.deployment.deploy` with the provenance of a run; shared with ``demo``."""
    from shiftlif.training.deployment import deploy

    summary = loaded.summary
    metadata = {
        "dataset": summary["dataset"],
        "front_end": loaded.front_end,
        "neuron": loaded.config.neuron.model_dump(exclude_none=True),
        "model": loaded.config.model,
        "seed": loaded.config.seed,
        "best_epoch": summary["best_epoch"],
        "float_test_accuracy": summary["test"]["accuracy"],
        "versions": summary["versions"],
    }
    return deploy(
        loaded.network,
        data,
        loaded.config,
        bits=bits,
        membrane_bits=membranes,
        qat_epochs=qat_epochs,
        metadata=metadata,
        progress=progress,
    )


def check_file(file: Path) -> None:
    """Raise a ModelFileError where a folder has the name of a file that is to be written."""
    if file.is_dir():
        raise ModelFileError(
            f"{file}: is a folder, expected the name of a file to write; name one in it, or another place"
        )


def make_parent(file: Path) -> None:
    """Make the folder that a file is to be written to."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(
            f"{file}: its folder cannot be made ({error.strerror or error}); choose another place"
        ) from error


def check_parent(file: Path) -> None:
    """What `make_parent` would refuse, as far as it can be told without making the folder."""
    for folder in file.absolute().parents:
        if folder.exists():
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise ModelFileError(
                    f"{file}: {folder} is no folder that can be written to; choose another place"
                )
            return


def save(deployed: Deployed, target: Path) -> None:
    """Write the program and, beside it, its prepared network's weights."""
    import safetensors.torch

    from shiftlif.program.storage import write_atomically
    from shiftlif.training.compiled import prepared_beside

    deployed.program.save(target)
    tensors = {name: value.contiguous() for name, value in deployed.prepared.state_dict().items()}
    write_atomically(prepared_beside(target), safetensors.torch.save(tensors))


def record_vectors(program: Any, frames: Any, temporal: bool, target: Path) -> None:
    """Write golden vectors of the first test samples."""
    from shiftlif.program import record
    from shiftlif.training.deployment import program_frames

    record(program, program_frames(frames[:VECTOR_SAMPLES], temporal)).save(target)


def accuracies(deployed: Deployed) -> dict[str, object]:
    """The rows of the result table that ``compile`` and ``demo`` share."""
    proof = deployed.verification
    return {
        "float test accuracy": percent(deployed.accuracy["float"]),
        "absorbed": percent(deployed.accuracy["absorbed"]),
        "integer": percent(deployed.accuracy["integer"]),
        "same prediction, float and integer": percent(deployed.integer_agreement),
        "verified equal": f"{proof.letters:,} letters and {proof.membranes:,} membranes of {proof.samples} "
        "samples, every layer and step",
        "compared": proof.compared,
    }
