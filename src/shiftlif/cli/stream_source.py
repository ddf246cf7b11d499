"""Where a live stream comes from: standard input, an audio file, a text file, a pipe or a serial device."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from shiftlif.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from shiftlif.data.live import Lines, Rows
    from shiftlif.data.live_form import LiveForm

READ = 1 << 16  # bytes asked for at once
PER_SECOND = 50  # pieces of a file that is shown in real time


@dataclass(frozen=True, eq=False)
class Source:
    """A stream that is ready to be read.

    Attributes:
        form: of its rows.
        rate: rows per second of the recording, where that is known.
        pieces: rows ``[n, columns]`` as they arrive.
        lines: of text, which counts malformed ones.
    """

    form: LiveForm
    rate: float | None
    pieces: Iterator[Rows]
    lines: Lines | None


def open_source(
    name: str,
    front_end: Any,
    shape: tuple[int, ...],
    *,
    raw: bool,
    pcm: int | None,
    rate: float | None,
    speed: float | None,
    report: Callable[[str], None],
) -> Source:
    """Opens a stream for samples of a shape.

    Args:
        name: ``-`` for standard input, or a path.
        front_end, shape: of one sample, see `live_form`.
        raw: text before the front end.
        pcm: sample rate of raw PCM; None for text.
        rate: time steps per second of text.
        speed: of files: multiple of real time, 0 for as fast as possible; None is 1 where the rate is known.
        report: called with a message for every malformed line.

    Raises:
        ConfigurationError: options that do not go together.
        DataError: the source cannot be opened, or the program takes no such stream.
    """
    from shiftlif.data import is_wav
    from shiftlif.data.front_ends import resolve_front_end
    from shiftlif.data.live import Lines, Pcm, decoded, in_pieces, paced
    from shiftlif.data.live_form import live_form
    from shiftlif.data.recordings import audio_rate, check_rate, read_audio

    where = "standard input" if name == "-" else name
    wav = name != "-" and is_wav(name)
    if rate is not None and (wav or pcm is not None):
        raise ConfigurationError("--rate belongs to text; audio says its own, a .wav file or --pcm RATE")
    if pcm is not None and wav:
        raise ConfigurationError(f"{name}: a .wav file says its own rate; leave --pcm out")
    form = live_form(where, front_end, shape, audio=wav or pcm is not None, raw=raw)
    description = resolve_front_end(front_end)
    lines = None
    if wav:
        clip, found = read_audio(Path(name).expanduser(), description, shape)
        pieces, rate, ends = iter([clip.T]), float(found), True
    else:
        if pcm is not None:
            check_rate(where, pcm, audio_rate(where, description, shape))
            rate = float(pcm)
        else:
            lines = Lines(where, form.columns, report)
        file, ends = (sys.stdin.buffer, False) if name == "-" else _opened(Path(name).expanduser())
        pieces = decoded(_reads(file), Pcm(form.columns) if lines is None else lines)
    if speed is not None and not ends:
        raise ConfigurationError(f"--speed belongs to files; {where} comes at its own speed")
    if speed and rate is None:
        raise ConfigurationError("--speed needs to know how many time steps a second has; add --rate")
    if ends and rate is not None and speed != 0:
        pieces = paced(in_pieces(pieces, max(1, round(rate / PER_SECOND))), rate * (speed or 1.0))
    return Source(form, rate, pieces, lines)


def _opened(path: Path) -> tuple[IO[bytes], bool]:
    """An open file, unbuffered, and whether it is a plain one, which ends."""
    if path.suffix.lower() in (".npy", ".npz"):
        raise DataError(f"{path}: is no stream; expected CSV lines, a .wav file or a serial device")
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
            raise DataError(f"{path}: is a folder or disk, expected a file, a pipe or a serial device")
        flags = os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(path, flags), "rb", buffering=0), stat.S_ISREG(mode)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check path and rights") from error


def _reads(file: IO[bytes]) -> Iterator[bytes]:
    """What there is, as soon as there is some."""
    try:
        descriptor = file.fileno()
    except (AttributeError, OSError):  # in memory
        read: Callable[[], bytes] = lambda: file.read(READ)  # noqa: E731
    else:
        read = lambda: os.read(descriptor, READ)  # noqa: E731
    while True:
        try:
            data = read()
        except OSError as error:
            if error.errno != errno.EIO:  # a serial device was unplugged, a terminal closed
                raise
            data = b""
        if not data:
            break
        yield data
    with suppress(OSError):
        if file is not sys.stdin.buffer:
            file.close()
