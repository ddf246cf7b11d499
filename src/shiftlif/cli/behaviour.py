"""``shiftlif behaviour``: whether the quantised network fires and answers as the float one does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli import completion
from shiftlif.cli.options import AsJson, MovedData, Quiet, choice
from shiftlif.cli.output import percent, show_json, show_pairs, show_table
from shiftlif.cli.progress import Progress
from shiftlif.errors import ConfigurationError

if TYPE_CHECKING:
    from shiftlif.analysis.behaviour import Behaviour


def behaviour(
    run: Annotated[Path, typer.Argument(help="Run folder of 'shiftlif train'.")],
    bits: Annotated[
        int | None,
        choice(
            completion.BITS, "Weight bits, 8 or 4. (default: as compiled, else the run's qat_bits, else 8)"
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(help="Which samples: val or test.", autocompletion=completion.one_of(completion.PARTS)),
    ] = "test",
    data: MovedData = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare the float network of a run with its quantised network, layer by layer.

    The quantised network is the one that 'shiftlif compile' stored, fine-tuned as it was, where the run is
    compiled with these bits; otherwise the weights are quantised as they are.
    """
    with Progress(quiet, as_json) as progress:
        progress.begin("loading the run")
        found, origin = _compare(run, bits, part, data, progress)
    if as_json:
        show_json({"run": str(run), "part": part, **origin, **found.to_dict()})
    else:
        _show(found, f"int{origin['bits']}", _title(run, part, found, origin))


def _compare(
    run: Path, bits: int | None, part: str, data: Path | None, progress: Progress
) -> tuple[Behaviour, dict[str, Any]]:
    """What was found, and which quantised network it is of."""
    from shiftlif.analysis.behaviour import compare
    from shiftlif.quantize import absorb
    from shiftlif.quantize.weights import check_bits
    from shiftlif.training.compiled import quantised
    from shiftlif.training.evaluation import inputs
    from shiftlif.training.progress import counted
    from shiftlif.training.runs import load_run, use_threads

    if part not in completion.PARTS:
        raise ConfigurationError(f"--part is {part!r}, expected one of {', '.join(completion.PARTS)}")
    if bits is not None:
        check_bits(bits)
    loaded = load_run(run)
    use_threads(loaded.config)
    samples = loaded.data(source=data)
    absorbed = absorb(loaded.network)
    made = quantised(loaded, absorbed, samples, bits)
    batches = counted(inputs(samples, part), progress("comparing"), len(samples.parts[part]))
    return compare(absorbed, made.network, batches, samples.parts[part].y), made.origin


def _title(run: Path, part: str, found: Behaviour, origin: dict[str, Any]) -> str:
    tuned = (
        f"compiled, {origin['qat_epochs']} epochs of fine-tuning" if origin["compiled"] else "not fine-tuned"
    )
    return (
        f"{run}: float and int{origin['bits']} ({tuned}), {found.samples:,} samples ({part}), T={found.steps}"
    )


def _show(found: Behaviour, name: str, title: str) -> None:
    show_table(
        title,
        (
            *("layer", "neurons", "same letter", "events float", f"events {name}"),
            *("dead", "saturated"),
        ),
        [
            (
                layer.name,
                layer.neurons,
                percent(layer.agreement),
                f"{layer.original.events:.4f}",
                f"{layer.quantised.events:.4f}",
                f"{layer.original.dead} / {layer.quantised.dead}",
                f"{layer.original.saturated} / {layer.quantised.saturated}",
            )
            for layer in found.layers
        ],
    )
    show_table(
        f"earth mover's distance between float and {name}",
        ("layer", "letters", "rates", "membranes"),
        [
            (
                layer.name,
                f"{layer.letter_distance:.4f}",
                f"{layer.rate_distance:.4f}",
                f"{layer.membrane_distance:.4f}",
            )
            for layer in found.layers
        ],
    )
    show_table(
        "letters used",
        ("layer", "letter", "float", name),
        [
            (layer.name, f"{letter:g}", percent(before), percent(after))
            for layer in found.layers
            for letter, before, after in zip(
                layer.levels, layer.original.usage, layer.quantised.usage, strict=True
            )
        ],
    )
    show_pairs("answers", {"same prediction": percent(found.agreement)})
    if found.original is not None and found.quantised is not None:
        before, after = found.original, found.quantised
        show_table(
            "scores",
            ("measure", "float", name),
            [
                ("accuracy", percent(before.accuracy), percent(after.accuracy)),
                *(
                    (label, f"{getattr(before, field):.4f}", f"{getattr(after, field):.4f}")
                    for label, field in (
                        ("calibration error, 15 equal bins", "calibration_error"),
                        ("calibration error, 15 equal counts", "adaptive_calibration_error"),
                        ("negative log likelihood (nats)", "negative_log_likelihood"),
                        ("Brier score", "brier_score"),
                    )
                ),
            ],
        )
