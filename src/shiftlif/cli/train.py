"""``shiftlif train``."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli import completion
from shiftlif.cli.compile import check_parent
from shiftlif.cli.options import AsJson, DryRun, Quiet
from shiftlif.cli.output import (
    NOTHING_WRITTEN,
    Interrupted,
    drawable,
    percent,
    show_json,
    show_pairs,
    show_plan,
)
from shiftlif.cli.progress import Progress
from shiftlif.errors import ConfigurationError

if TYPE_CHECKING:
    from shiftlif.training.config import TrainingConfig
    from shiftlif.training.fitting import RunResult

FIGURES = ("learning_curves.png", "letter_usage.png")
SWITCHED = {
    "teacher": ("teacher_weight", "teacher_temperature"),
    "rate_weight": ("rate_target", "rate_penalty"),
}
"""Fields that decide nothing where the one before them is off; a dry run leaves them out."""


def train(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="A known data set (see 'shiftlif datasets') or a path.", autocompletion=completion.dataset
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. (default: runs/DATASET)")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML or JSON file; options on the command line win.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out, with its own options.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            help="dense, conv1d, conv2d, lenet or auto. (default: auto)",
            autocompletion=completion.one_of(completion.MODELS),
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Width of the model. (default: 128, 32, 16 for dense, conv1d, conv2d)")
    ] = None,
    neuron: Annotated[
        str | None,
        typer.Option(
            help="ShiftLIF, QBLIF, LIF, QuantReLU, ...: see docs/neurons.md. (default: ShiftLIF)",
            autocompletion=completion.one_of(completion.NEURONS),
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--K", "-K", help="Smallest letter 2^-K (ShiftLIF), 0 to 6. (default: 3)")
    ] = None,
    largest: Annotated[
        int | None,
        typer.Option("--L", "-L", help="Largest count (QBLIF, IntLIF, BurstLIF), 1 to 127. (default: 4)"),
    ] = None,
    tau: Annotated[
        float | None, typer.Option(help="Time constant in steps; a power of two compiles. (default: 2)")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="T. (default: 4, or the frames of event data)")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part. (default: 20)")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples per step. (default: 64, less for small data)")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--lr", help="Peak rate. (default: 0.002)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, dropout and augmentation.")] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help="Scales at the start: none, quantile or error.",
            autocompletion=completion.one_of(completion.CALIBRATIONS),
        ),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better one.")
    ] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=STRENGTH, for example shift=0.1; may be repeated.",
            autocompletion=completion.one_of(f"{name}=" for name in completion.AUGMENTATIONS),
        ),
    ] = None,
    rate_weight: Annotated[float | None, typer.Option(help="Weight of the spike-rate penalty.")] = None,
    rate_target: Annotated[float | None, typer.Option(help="Events per neuron per step wanted.")] = None,
    accelerator: Annotated[
        str | None,
        typer.Option(
            help="cpu, gpu, mps or auto.", autocompletion=completion.one_of(completion.ACCELERATORS)
        ),
    ] = None,
    devices: Annotated[str | None, typer.Option(help="How many, or auto.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of torch.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other field, for example neuron.surrogate=atan; may be repeated."),
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Draw learning curves and letter usage as PNG files too.")
    ] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and write a run folder."""
    with Progress(quiet, as_json) as progress:
        progress.begin("starting")
        from shiftlif.data.registry import known_or_there

        _check_words(dataset, {"neuron": neuron, "model": model, "calibrate": calibrate})
        from shiftlif.training.config import TrainingConfig, check, read_values
        from shiftlif.training.deployment import why_not_compiled
        from shiftlif.training.fitting import fit
        from shiftlif.training.resume import resumed_values
        from shiftlif.training.runs import moved_away

        values = read_values(config) if config is not None else {}
        options = {
            "dataset": dataset,
            "model": model,
            "width": width,
            "neuron.kind": neuron,
            "neuron.K": k,
            "neuron.L": largest,
            "neuron.tau": tau,
            "steps": steps,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
            "calibrate": calibrate,
            "patience": patience,
            "rate_weight": rate_weight,
            "rate_target": rate_target,
            "accelerator": accelerator,
            "devices": int(devices) if devices is not None and devices.isdigit() else devices,
            "threads": threads,
            **{f"augment.{name}": value for name, value in _assignments(augment, "shift=0.1")},
            **dict(_assignments(set_)),
        }
        for name, value in options.items():
            if value is not None:
                _place(values, name, value)
        if "dataset" not in values and not (resume and out):
            lacking = "run is to be resumed? name its folder with --out" if resume else ""
            lacking = lacking or "data set? name one, for example 'shiftlif train digits'"
            raise ConfigurationError(f"which {lacking}")
        folder = out if out is not None else Path("runs") / Path(str(values["dataset"])).stem
        moved = resume and "dataset" not in values
        if resume:
            values = resumed_values(folder, values)
        checked = check(TrainingConfig, values)
        if moved and not known_or_there(checked.dataset):
            raise moved_away(folder, checked.dataset, f": shiftlif train PATH --resume --out {folder}")
        drawn = drawable([folder / name for name in FIGURES]) if figures else []
        progress.begin(f"reading {checked.dataset}")
        if dry_run:
            planned = plan_training(checked, folder, resume)
            progress.close()
            show_plan("train a network", planned, [*files_of(folder), *drawn], as_json)
            return
        try:
            result = fit(checked, folder, resume=resume, progress=progress)
        except KeyboardInterrupt:
            raise interrupted_training(folder) from None
        progress.begin("looking whether it compiles")
        obstacle = why_not_compiled(result.network, result.data, checked.qat_bits or 8)
    if drawn:
        _draw(result)
    summary = result.summary
    if as_json:
        show_json({"folder": str(folder), **summary})
        return
    show_pairs(
        f"{summary['dataset']}: {summary['neuron']}, {summary['model']}, T={summary['steps']}",
        {
            "test accuracy": percent(result.test.accuracy),
            "macro F1": percent(result.test.macro_f1),
            "always the most frequent class": percent(summary["majority"]),
            "validation accuracy": percent(result.trained.validation.accuracy),
            "best epoch": f"{summary['best_epoch']} of {summary['epochs']}",
            "parameters": f"{summary['parameters']:,}",
            "events per neuron per inference": f"{summary['events_per_neuron_per_inference']:.3f}",
            "seconds": summary["seconds"],
            "files": folder,
            **({} if obstacle is None else {"does not compile": obstacle}),
            "next": f"shiftlif {'compile' if obstacle is None else 'report'} {folder}",
        },
    )


WORDS = {
    "neuron": completion.NEURONS,
    "model": completion.MODELS,
    "calibrate": completion.CALIBRATIONS,
}


def _check_words(dataset: str | None, given: dict[str, str | None]) -> None:
    """Refuse a mistyped word before torch is imported, which takes seconds."""
    from shiftlif.data.registry import check_name

    for option, word in given.items():
        if word is not None and word not in WORDS[option]:
            near = get_close_matches(word, WORDS[option], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"--{option} {word}: there is none of this name; choose among {', '.join(WORDS[option])}{hint}"
            )
    if dataset is not None:
        check_name(dataset)


def plan_training(config: TrainingConfig, folder: Path, resume: bool) -> dict[str, object]:
    """What ``fit`` would do, after all it checks before the first batch; shared with ``demo``."""
    from shiftlif.training.fitting import start_of
    from shiftlif.training.loop import check_devices
    from shiftlif.training.resume import check_folder
    from shiftlif.training.runs import CONFIG, HISTORY
    from shiftlif.training.teacher import load_teacher

    begun = start_of(config)
    check_folder(folder, begun.config, resume=resume)
    check_parent(folder / CONFIG)
    check_devices(begun.config)
    if begun.config.teacher is not None:
        load_teacher(begun.config.teacher, begun.data)
    history = folder / HISTORY
    done = len(history.read_text(encoding="utf-8").splitlines()) - 1 if history.is_file() else 0
    return {
        "folder": str(folder),
        "configuration": begun.config.model_dump(mode="json", exclude_none=True, exclude=_idle(begun.config)),
        "samples": {name: len(part) for name, part in begun.data.parts.items()},
        "sample_shape": list(begun.data.sample_shape),
        "classes": len(begun.data.classes),
        "parameters": begun.network.n_parameters,
        "epochs": begun.config.epochs - done,
    }


def interrupted_training(folder: Path) -> Interrupted:
    """What Ctrl-C left of a training, and how to go on; shared with ``demo``."""
    from shiftlif.training.runs import CONFIG

    if not (folder / CONFIG).is_file():
        return Interrupted(NOTHING_WRITTEN)
    return Interrupted(
        f"interrupted; every whole epoch is kept; continue with: shiftlif train --resume --out {folder}"
    )


def _idle(config: TrainingConfig) -> set[str]:
    return {name for switch, names in SWITCHED.items() if not getattr(config, switch) for name in names}


def files_of(folder: Path) -> list[Path]:
    """What a run leaves in its folder, without figures."""
    from shiftlif.training.runs import CONFIG, HISTORY, INPUT, LAST, SUMMARY, WEIGHTS

    return [folder / name for name in (CONFIG, INPUT, HISTORY, "tensorboard", LAST, WEIGHTS, SUMMARY)]


def _draw(result: RunResult) -> None:
    from shiftlif.analysis.figures import learning_curves, letter_usage_bars
    from shiftlif.training.runs import HISTORY

    learning_curves(result.folder / HISTORY, result.folder / FIGURES[0])
    letter_usage_bars(result.layers, result.folder / FIGURES[1])


def _assignments(texts: list[str] | None, example: str = "epochs=20") -> list[tuple[str, Any]]:
    """``name=value`` texts, the value read as YAML."""
    import yaml

    pairs = []
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"{text!r} is not of the form NAME=VALUE, for example {example}")
        try:
            pairs.append((name, yaml.safe_load(value)))
        except yaml.YAMLError:
            raise ConfigurationError(f"{text!r}: the value is not YAML; quote it") from None
    return pairs


def _place(values: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted name in nested mappings."""
    *outer, last = name.split(".")
    for part in outer:
        inner = values.get(part, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(f"{name}: {part} is {inner!r}, which has no fields")
        copied = dict(inner)
        values[part] = copied
        values = copied
    values[last] = value
