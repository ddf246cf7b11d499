"""``shiftlif run --stream``: decisions about a live stream; needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli.engine_choice import engine_of
from shiftlif.cli.output import Interrupted
from shiftlif.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from shiftlif.cli.stream_source import Source
    from shiftlif.program import IntegerProgram
    from shiftlif.runtime import Classifier

PANEL = "Options of --stream"
REPORTED = 5  # malformed lines that are shown; the rest is counted


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=PANEL, **settings)


Hop = Annotated[
    int | None,
    _option(
        min=1,
        help="Time steps from one window to the next. (default: a quarter of a window; a whole "
        "one of frames)",
    ),
]
Confidence = Annotated[
    float | None,
    _option(help="Decide before the last step once the best class is this probable, for example 0.9."),
]
Patience = Annotated[
    int | None, _option(min=1, help="... for so many steps in a row with the same class. (default: 1)")
]
MinSteps = Annotated[
    int | None, _option("--min-steps", min=1, help="... and not before this step. (default: 1)")
]
PcmRate = Annotated[
    int | None,
    _option("--pcm", metavar="HZ", min=1, help="INPUT is raw audio: little-endian int16 at this rate."),
]
Rate = Annotated[
    float | None,
    _option(metavar="HZ", help="Time steps per second of CSV; a file is then shown in real time."),
]
Speed = Annotated[
    float | None, _option(min=0, help="Of a file: 2 is twice real time, 0 as fast as possible. (default: 1)")
]


@dataclass(frozen=True)
class StreamOptions:
    """What the command line says about a stream; None where it says nothing."""

    hop: int | None = None
    confidence: float | None = None
    patience: int | None = None
    min_steps: int | None = None
    pcm: int | None = None
    rate: float | None = None
    speed: float | None = None

    def require_none(self) -> None:
        """Raises ConfigurationError where one is given although nothing is streamed."""
        for name, value in vars(self).items():
            if value is not None:
                raise ConfigurationError(f"--{name.replace('_', '-')} belongs to --stream; add it")


def stream(
    program: IntegerProgram,
    source: str,
    options: StreamOptions,
    *,
    raw: bool,
    scores: bool,
    as_json: bool,
    interpreter: bool,
) -> None:
    """Shows decisions until the stream ends, then a summary on standard error.

    Raises:
        ConfigurationError: options that do not go together.
        DataError: from the source; where it ended before the first decision.
        Interrupted: after Ctrl-C and the summary.
    """
    from shiftlif.cli.stream_source import open_source
    from shiftlif.cli.stream_view import Tally, chosen_view
    from shiftlif.data.live import ReadAhead, in_pieces

    view = chosen_view(program, as_json=as_json, scores=scores)
    temporal = bool(program.metadata.get("temporal", False))
    front_end = "none" if temporal else program.metadata.get("front_end", "none")
    if temporal and raw:
        raise ConfigurationError(
            "--raw: a temporal program is streamed frame by frame; give frames without --raw"
        )
    if options.rate is not None and not 0 < options.rate < float("inf"):
        raise ConfigurationError(f"--rate is {options.rate}, expected time steps per second, above 0")
    opened = open_source(
        source,
        front_end,
        program.input_shape,
        raw=raw,
        pcm=options.pcm,
        rate=options.rate,
        speed=options.speed,
        report=_limited(view.note),
    )
    classifier = _classifier(program, opened, options, temporal, interpreter)
    ahead = ReadAhead(opened.pieces)
    tally = Tally(program, opened.rate, opened.lines)
    interrupted = False
    with view:
        try:
            for rows in in_pieces(ahead, classifier.windows.hop):
                for decision in classifier.push(rows):
                    tally.add(decision)
                    view.show(decision, tally, ahead.read - classifier.seen)
        except KeyboardInterrupt:
            interrupted = True
    for line in tally.summary(classifier):
        typer.echo(line, err=True)
    if interrupted:
        raise Interrupted("interrupted")
    if not tally.decisions:
        raise DataError(
            f"{source}: ended after {classifier.seen} time steps, expected at least {classifier.windows.length}, "
            "one window; there was nothing to decide"
        )


def _classifier(
    program: IntegerProgram, source: Source, options: StreamOptions, temporal: bool, interpreter: bool
) -> Classifier:
    import numpy as np

    from shiftlif.runtime import Classifier, EarlyRule, InterpretedStream, Windows

    form = source.form
    if options.confidence is None and (options.patience is not None or options.min_steps is not None):
        raise ConfigurationError("--patience and --min-steps belong to --confidence; add it")
    rule = EarlyRule(options.confidence, options.patience or 1, options.min_steps or 1)
    length = program.steps if temporal else form.length
    hop = options.hop or (length if temporal else max(1, length // 4))
    engine = None if interpreter else engine_of(program, 1)
    classifier = Classifier(
        program,
        (lambda: InterpretedStream(program)) if engine is None else engine.stream,
        lambda rows: program.quantizer.quantize(form.sample(rows)),
        Windows(length, hop, form.columns, form.dtype),
        rule,
        temporal=temporal,
    )
    classifier.warm_up(np.zeros((1 if temporal else length, form.columns), form.dtype))
    return classifier


def _limited(report: Callable[[str], None]) -> Callable[[str], None]:
    """Reports the first few messages, then that there are more."""
    told = 0

    def limited(message: str) -> None:
        nonlocal told
        told += 1
        if told <= REPORTED:
            report(f"left out: {message}")
        elif told == REPORTED + 1:
            report("left out: further malformed lines; from here on they are counted only")

    return limited
