"""``shiftlif run``: inference with a model file; needs no torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from shiftlif.cli.output import show_json
from shiftlif.errors import ConfigurationError

BATCH = 256  # samples computed at once, so that memory stays bounded


def run(
    program: Annotated[Path, typer.Argument(help="Model file (program.safetensors).")],
    source: Annotated[
        str,
        typer.Argument(metavar="[INPUT]", help=".npy, .npz or .csv file; - reads CSV from standard input."),
    ] = "-",
    scores: Annotated[bool, typer.Option("--scores", help="Add every class's score.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list with all predictions.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="INPUT (.npy) is before the front end, for example audio clips.")
    ] = False,
) -> None:
    """Predict a class for each sample, one per line.

    Samples are real numbers in the units of the training data: CSV with one flattened sample per
    line, or an array [N, C, ...]. The program quantises them itself.
    """
    from shiftlif.data import read_samples
    from shiftlif.program import load

    loaded = load(program)
    temporal = bool(loaded.metadata.get("temporal", False))
    shape = (loaded.steps, *loaded.input_shape) if temporal else loaded.input_shape
    if raw:
        samples = _through_front_end(loaded, source, shape)
    else:
        samples = read_samples(sys.stdin.buffer if source == "-" else source, shape)
    rows = []
    for start in range(0, len(samples), BATCH):
        chunk = samples[start : start + BATCH]
        frames = loaded.quantizer.quantize(chunk, channel_axis=2 if temporal else 1)
        result = loaded.run(frames.swapaxes(0, 1) if temporal else frames)
        values = result.logits * (loaded.output_unit / loaded.steps)
        for answer, line in zip(result.predictions, values.tolist(), strict=True):
            row: dict[str, Any] = {"class": loaded.classes[answer], "index": int(answer)}
            if scores:
                row["scores"] = dict(zip(loaded.classes, line, strict=True))
            if as_json:
                rows.append(row)
            else:
                shown = (f"{name}={value:.4f}" for name, value in row.get("scores", {}).items())
                typer.echo("\t".join([row["class"], *shown]))
    if as_json:
        show_json(rows)


def _through_front_end(program: Any, source: str, shape: tuple[int, ...]) -> Any:
    from shiftlif.data import apply_front_end
    from shiftlif.data.npz import read_array

    front_end = program.metadata.get("front_end", {"name": "none"})
    if source == "-" or not source.endswith(".npy"):
        raise ConfigurationError(f"--raw needs a .npy file of raw samples [N, ...], got {source}")
    samples = apply_front_end(read_array(Path(source)), front_end)
    if samples.shape[1:] != shape:
        raise ConfigurationError(
            f"{source}: the front end {front_end['name']} gives samples of shape {samples.shape[1:]}, the "
            f"program takes {shape}; give raw samples as in training"
        )
    return samples
