"""``shiftlif levels``: how many letters the layers of a run need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftlif.cli.options import AsJson, DryRun, MovedData, Quiet
from shiftlif.cli.output import drawable, show_json, show_pairs, show_plan, show_table
from shiftlif.cli.progress import Progress

if TYPE_CHECKING:
    from shiftlif.analysis import Rendering

SAMPLES = 512
FIGURE = "levels.png"


def levels(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the figure. (default: the run folder)")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Error that the recommended K may add, as a share of the membrane's power. (default: 0.05)",
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Samples of the validation part, evenly spread over it.")
    ] = SAMPLES,
    data: MovedData = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare power-of-two with uniform letters on the membranes of a run, and recommend K for each layer.

    Each alphabet is measured at its own best scale, beside the Lloyd-Max optimum of as many letters. The membranes are
    those of the validation part; the figure shows them with the boundaries of both alphabets.
    """
    with Progress(quiet, as_json) as progress:
        progress.begin("loading the run")
        from shiftlif.analysis.figures import level_curves
        from shiftlif.analysis.levels import TOLERANCE, check_tolerance, compare_alphabets
        from shiftlif.network import family_of
        from shiftlif.training.evaluation import subsample
        from shiftlif.training.runs import load_run, use_threads

        tolerance = TOLERANCE if tolerance is None else tolerance
        check_tolerance(tolerance)
        run = load_run(folder)
        use_threads(run.config)
        x, _ = subsample(run.data(source=data), "val", samples)
        target = out if out is not None else folder
        figures = drawable([target / FIGURE])
        if dry_run:
            progress.close()
            settings = {"run": str(folder), "samples": x.shape[1], "tolerance": tolerance}
            show_plan("compare alphabets", settings, figures, as_json)
            return
        progress.begin("running the network")
        layers = compare_alphabets(
            run.network, [x], tolerance=tolerance, progress=progress("comparing alphabets", "layers")
        )
        if figures:
            progress.begin("drawing")
            target.mkdir(parents=True, exist_ok=True)
            level_curves(layers, *figures)
    if as_json:
        show_json(
            {
                "run": str(folder),
                "samples": x.shape[1],
                "tolerance": tolerance,
                "layers": [layer.to_dict() for layer in layers],
                "figure": str(figures[0]) if figures else None,
            }
        )
        return
    for layer in layers:
        show_table(
            f"{layer.name}: trained as {layer.alphabet.name}",
            ("letters", "best", "K", "error", "bits", "events", "L", "error", "bits", "events"),
            [
                (
                    shift.rendering.n_levels,
                    f"{shift.rendering.optimum / (shift.rendering.power or 1):.4f}",
                    f"{shift.size} *" if shift.size == layer.recommended else str(shift.size),
                    *_columns(shift.rendering),
                    str(count.size),
                    *_columns(count.rendering),
                )
                for shift, count in zip(layer.power_of_two, layer.uniform, strict=True)
            ],
        )
    families = [family_of(layer.alphabet) for layer in layers]
    settable = all(family is not None and family.size == "K" for family in families)
    sizes = ", ".join(f"{layer.name}: {layer.recommended}" for layer in layers)
    show_pairs(
        "letters",
        {
            "validation samples": x.shape[1],
            "best": "error of the Lloyd-Max optimum, as a share of the membrane's power",
            "error": "times the best; each K and each L is shown at its own best scale, not at the trained one",
            "bits": "entropy of the letters",
            "events": "letters other than 0 per neuron and step",
            "recommended K (*)": sizes,
            **({"train with it": f"--set levels='{{{sizes}}}'"} if settable else {}),
            **({"figure": figures[0]} if figures else {}),
        },
    )


def _columns(found: Rendering) -> tuple[str, str, str]:
    return f"{found.relative_error:.2f}", f"{found.entropy:.2f}", f"{found.density:.3f}"
