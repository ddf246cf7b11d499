"""``shiftlif run``: inference with a model file; needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli.engine_choice import engine_of
from shiftlif.cli.options import Quiet
from shiftlif.cli.output import show_json
from shiftlif.cli.progress import Progress
from shiftlif.cli.run_inputs import STANDARD_INPUT, are_several, files_of, load_program
from shiftlif.cli.stream import (
    Confidence,
    Hop,
    MinSteps,
    Patience,
    PcmRate,
    Rate,
    Speed,
    StreamOptions,
    stream,
)
from shiftlif.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from shiftlif.program import IntegerProgram

BATCH = 256  # samples computed at once, so that memory stays bounded


def run(
    program: Annotated[Path, typer.Argument(help="Model file (program.safetensors).")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help=".npy, .npz, .csv or .wav files, recordings of events, or folders of them; - reads CSV from "
            "standard input, and so does no INPUT. With --stream: a .wav or CSV file, a pipe, a serial device, or -.",
        ),
    ] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Add every class's score.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON list; with --stream an object a line.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="INPUT is before the front end: clips of N x samples or one clip (.npy, .npz). A .wav file "
            "always is.",
        ),
    ] = False,
    threads: Annotated[
        int, typer.Option(min=0, max=1024, help="Threads of the engine; 0 for as many as processors.")
    ] = 1,
    interpreter: Annotated[
        bool, typer.Option("--interpreter", help="Run the slow reference in place of the compiled engine.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--stream", help="Decide again and again about a live stream: docs/streaming.md.")
    ] = False,
    hop: Hop = None,
    confidence: Confidence = None,
    patience: Patience = None,
    min_steps: MinSteps = None,
    pcm: PcmRate = None,
    rate: Rate = None,
    speed: Speed = None,
) -> None:
    """Predict a class for each sample, one per line; of several files or a folder, after the file's name and a tab.

    Samples are real numbers in the units of the training data; the program quantises them itself.
    Arrays (.npy, .npz) have the shape N x sample, or that of one sample.

    CSV has one of two forms. (a) One flattened sample per line, channel-major (C order): all time
    steps of channel 1, then those of channel 2, and so on. (b) For samples of channels x time the
    form of training windows: rows are time steps, columns are channels, windows follow one another.
    A header line of names is allowed in both.

    A .wav file is one clip: its sample rate must be that of training, it is cut or filled with zeros
    to the length of training, and it goes through the program's front end.

    A recording of an event camera (.aedat, .aedat4, .bin, .dat, .raw, or .npy of a structured array) is one
    sample: it becomes frames as those of training did. Spikes in HDF5 (.h5) are a sample for every recording.

    With --stream, rows of CSV (one time step per line) or audio are looked at window by window as they
    arrive, and every decision is shown at once: class, softmax probability of the class scores, latency.
    Ctrl-C ends with a summary and exit code 130.
    """
    inputs = sources or [STANDARD_INPUT]
    loaded = load_program(program, inputs)
    options = StreamOptions(hop, confidence, patience, min_steps, pcm, rate, speed)
    if live:
        if len(inputs) > 1:
            raise ConfigurationError(f"--stream takes one INPUT, got {len(inputs)}: {', '.join(inputs)}")
        stream(loaded, inputs[0], options, raw=raw, scores=scores, as_json=as_json, interpreter=interpreter)
        return
    options.require_none()
    logits_of = _runner(loaded, threads, interpreter)
    files, several, rows = files_of(inputs), are_several(inputs), []
    # On a terminal the answers themselves show how far it is.
    with Progress(quiet, as_json, sys.stdout.isatty()) as progress:
        report = progress("predicting", "files" if several else "samples")
        for number, file in enumerate(files):
            for done, total, logits in _logits(loaded, file, logits_of, raw):
                report(*((number, len(files)) if several else (done, total)))
                values = (logits * (loaded.output_unit / loaded.steps)).tolist()
                for answer, line in zip(logits.argmax(axis=1).tolist(), values, strict=True):
                    row: dict[str, Any] = {"file": file} if several else {}
                    row |= {"class": loaded.classes[answer], "index": answer}
                    if scores:
                        row["scores"] = dict(zip(loaded.classes, line, strict=True))
                    if as_json:
                        rows.append(row)
                    else:
                        shown = (f"{name}={value:.4f}" for name, value in row.get("scores", {}).items())
                        typer.echo("\t".join([*([file] if several else []), row["class"], *shown]))
    if as_json:
        show_json(rows)


def _logits(
    program: IntegerProgram, source: str, logits_of: Callable[[Any], Any], raw: bool
) -> Iterator[tuple[int, int, Any]]:
    """Logits of a file batch by batch, after how many samples were computed before and how many there are."""
    temporal = bool(program.metadata.get("temporal", False))
    shape = (program.steps, *program.input_shape) if temporal else program.input_shape
    stream = sys.stdin.buffer if source == STANDARD_INPUT else source
    samples = _samples(stream, program.metadata.get("front_end", "none"), shape, raw)
    for start in range(0, len(samples), BATCH):
        chunk = samples[start : start + BATCH]
        frames = program.quantizer.quantize(chunk, channel_axis=2 if temporal else 1)
        yield start, len(samples), logits_of(frames.swapaxes(0, 1) if temporal else frames)


def _runner(program: IntegerProgram, threads: int, interpreter: bool) -> Callable[[Any], Any]:
    """From frames to logits: by the engine, or by the interpreter where asked for or, with a warning, needed."""
    engine = None if interpreter else engine_of(program, threads)
    return (lambda frames: program.run(frames).logits) if engine is None else engine.logits


def _samples(source: str | IO[bytes], front_end: Any, shape: tuple[int, ...], raw: bool) -> Any:
    from shiftlif.data import is_recording, is_wav, looks_raw, read_recordings, read_samples

    if raw or is_wav(source) or is_recording(source):
        return read_recordings(source, front_end, shape)
    try:
        return read_samples(source, shape)
    except DataError as error:
        if not looks_raw(source, front_end, shape):
            raise
        name = front_end if isinstance(front_end, str) else front_end["name"]
        raise DataError(f"{error}; for samples before the front end {name} add --raw") from error
