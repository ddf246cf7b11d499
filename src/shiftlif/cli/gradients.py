"""``shiftlif gradients``: how the loss's gradient reaches the layers of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftlif.cli import completion
from shiftlif.cli.options import AsJson, DryRun, MovedData, Quiet
from shiftlif.cli.output import drawable, percent, show_json, show_pairs, show_plan, show_table
from shiftlif.cli.progress import Progress

SAMPLES = 256


def gradients(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")],
    surrogate: Annotated[
        list[str] | None,
        typer.Option(
            help="relsget, rectangle, atan, triangle or superspike; may be repeated. (default: the run's)",
            autocompletion=completion.one_of(completion.SURROGATES),
        ),
    ] = None,
    alpha: Annotated[
        list[float] | None,
        typer.Option(help="Steepness of the surrogates; may be repeated. (default: 1, 2, 4, 8)"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the figures. (default: the run folder)")] = None,
    samples: Annotated[
        int, typer.Option(min=2, help="Samples of the validation part, evenly spread over it.")
    ] = SAMPLES,
    data: MovedData = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show how much of the loss's gradient reaches each layer and step, at initialisation and after training.

    The spikes are the same for every surrogate and alpha; only what flows back differs. The figures show the norm over
    the layers, and over layers and steps.
    """
    with Progress(quiet, as_json) as progress:
        progress.begin("loading the run")
        from shiftlif.analysis.figures import gradient_maps
        from shiftlif.analysis.gradient_flow import by_layer, gradient_flow, name_of, surrogates_named
        from shiftlif.training.evaluation import subsample
        from shiftlif.training.fitting import initial_network
        from shiftlif.training.runs import load_run, use_threads

        run = load_run(folder)
        use_threads(run.config)
        named = surrogate or [run.config.neuron.surrogate or "relsget"]
        tried = surrogates_named(named, alpha or (1.0, 2.0, 4.0, 8.0))
        quantised = run.data(source=data)
        x, labels = subsample(quantised, "val", samples)
        target = out if out is not None else folder
        files = {state: target / f"gradients_{state}.png" for state in ("initial", "trained")}
        figures = drawable(list(files.values()))
        if dry_run:
            progress.close()
            shown = [
                name_of(s) + (f" {alpha:g}" if (alpha := getattr(s, "alpha", None)) else "") for s in tried
            ]
            settings = {"run": str(folder), "samples": x.shape[1], "surrogates": shown}
            show_plan("compare surrogates", settings, figures, as_json)
            return
        if figures:
            target.mkdir(parents=True, exist_ok=True)
        found = {}
        for state, network in (("initial", initial_network(run.config, quantised)), ("trained", run.network)):
            report = progress(f"gradients, {state} network", "surrogates")
            rows = gradient_flow(network, x, labels, tried, progress=report)
            found[state] = rows
            if figures:
                gradient_maps(rows, files[state])
    if as_json:
        show_json(
            {
                "run": str(folder),
                "samples": x.shape[1],
                **{state: [row._asdict() for row in rows] for state, rows in found.items()},
                "figures": [str(figure) for figure in figures],
            }
        )
        return
    for state, rows in found.items():
        show_table(
            f"{state} network: gradient at the currents",
            ("surrogate", "layer", "norm", "/ last layer", "first step", "last step", "not 0"),
            [
                (
                    flow.label,
                    flow.layer,
                    f"{flow.norm:.3g}",
                    "-" if flow.ratio is None else f"{flow.ratio:.2f}",
                    f"{flow.steps[0]:.3g}",
                    f"{flow.steps[-1]:.3g}",
                    percent(flow.share),
                )
                for flow in by_layer(rows)
            ],
        )
    show_pairs(
        "gradients",
        {
            "validation samples": x.shape[1],
            **{f"figure, {state} network": file for state, file in files.items() if figures},
        },
    )
