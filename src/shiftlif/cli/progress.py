"""Progress of what takes time: one line on standard error, the same for every command.

A terminal gets a bar that is gone when the command ends; anything else gets nothing, or, where `SHIFTLIF_PROGRESS`
asks for it, a plain line now and then. ``--quiet`` and ``--json`` silence both.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from rich.text import Text

from shiftlif.cli.output import ERRORS, duration, first_process

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

VARIABLE = "SHIFTLIF_PROGRESS"
LINE_EVERY = 10.0  # seconds between plain lines
FIGURES = 74  # columns of an 80 column terminal that words and figures may take; the bar gets the rest
BAR = (6, 30)
PERIODS = ((1, "s"), (60, "min"), (3600, "h"))


@dataclass(frozen=True)
class Pace:
    """How far a stage is and how fast it goes.

    Attributes:
        done: so many.
        total: of so many; 0 where nobody knows.
        first: were done when the stage began, of a run that is continued.
        seconds: since the stage began.
        expected: seconds that are left, where something better is known than the mean rate.
    """

    done: int
    total: int
    first: int = 0
    seconds: float = 0.0
    expected: float | None = None

    @property
    def rate(self) -> float | None:
        """So many a second, on average since the stage began."""
        return (
            (self.done - self.first) / self.seconds if self.done > self.first and self.seconds > 0 else None
        )

    @property
    def left(self) -> float | None:
        """Seconds; None where nobody knows."""
        if self.expected is not None:
            return self.expected
        return (self.total - self.done) / self.rate if self.rate and self.total else None


def figures(pace: Pace, unit: str, waited: float = 0.0, note: str = "") -> str:
    """The pace in words; ``waited`` are the seconds that have passed since it was taken."""
    parts = [f"{pace.done:,}/{pace.total:,} {unit}"] if pace.total else []
    if pace.rate is not None:
        parts.append(_rate(pace.rate))
    parts.append(duration(pace.seconds + waited))
    if pace.left is not None and pace.done < pace.total:
        parts.append(f"{duration(max(0.0, pace.left - waited))} left")
    return ", ".join([*parts, *([note] if note else [])])


def _rate(per_second: float) -> str:
    seconds, name = next((s, n) for s, n in PERIODS if per_second * s >= 1 or n == PERIODS[-1][1])
    rate = per_second * seconds
    return f"{rate:,.0f}/{name}" if rate >= 10 else f"{rate:.1f}/{name}"


class Progress:
    """What a command does, stage by stage; the next stage takes the place of the one before.

    It is what `shiftlif.training` calls stages: ``progress("verifying")`` gives the report of that stage, to be called
    with (done, in all) and, if there is something to say, a note.

    Args:
        silent: nothing is shown where one of them is true.
    """

    def __init__(self, *silent: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.silent = any(silent) or not first_process()
        self._line = None if self.silent else _line_for(clock)
        self._stage: _Stage | None = None
        self._began, self._first = 0.0, 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away; what is reported later draws it again."""
        if self._line is not None:
            self._line.close()

    def __call__(self, stage: str, unit: str = "samples", /) -> _Stage:
        """The report of a stage, and what it counts."""
        return _Stage(self, stage, unit)

    def begin(self, stage: str) -> None:
        """A stage of which nobody knows how long it takes."""
        self(stage)(0, 0)

    def update(self, stage: _Stage, done: int, total: int, note: str, left: float | None) -> None:
        """Show how far a stage is; its first report begins it."""
        if self._line is None:
            return
        now = self.clock()
        if self._stage is not stage:
            self._stage, self._began, self._first = stage, now, done
        pace = Pace(done, total, self._first, now - self._began, left)
        self._line.show(stage.name, stage.unit, pace, note)


@dataclass(frozen=True, eq=False)
class _Stage:
    """The report of one stage."""

    progress: Progress
    name: str
    unit: str

    def __call__(self, done: int, total: int, note: str = "", /, *, left: float | None = None) -> None:
        """So many of so many; ``left`` are the seconds still expected, where the mean rate would mislead."""
        self.progress.update(self, done, total, note, left)


def _line_for(clock: Callable[[], float]) -> _Bar | _Lines | None:
    asked = os.environ.get(VARIABLE, "")
    if asked == "0":
        return None
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _Bar(clock)
    return _Lines(clock) if asked else None


class _Bar:
    """A bar drawn by Rich, begun when there is something to show."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._bar: RichProgress | None = None
        self._taken, self._shown = 0.0, (Pace(0, 0), "", "")

    def show(self, stage: str, unit: str, pace: Pace, note: str) -> None:
        self._taken, self._shown = self.clock(), (pace, unit, note)
        bar = self._bar or self._draw(stage)
        bar.update(bar.task_ids[0], description=stage, completed=pace.done, total=pace.total or None)

    def _draw(self, stage: str) -> RichProgress:
        from rich.progress import BarColumn, Progress, RenderableColumn, TextColumn

        console = ERRORS.take()
        width = min(max(console.width - FIGURES, BAR[0]), BAR[1])
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(width),
            RenderableColumn(_Now(self._figures)),
            console=console,
            transient=True,
            redirect_stdout=False,  # results may go to a pipe
        )
        self._bar.add_task(stage, total=None)
        self._bar.start()
        return self._bar

    def _figures(self) -> Text:
        pace, unit, note = self._shown
        text = figures(pace, unit, self.clock() - self._taken, note)
        return Text(text, no_wrap=True, overflow="ellipsis")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            ERRORS.give_back()


class _Now:
    """Text that is made anew whenever it is drawn."""

    def __init__(self, make: Callable[[], Text]) -> None:
        self.make = make

    def __rich__(self) -> Text:
        return self.make()


class _Lines:
    """Plain lines, for a log file."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._last = clock()

    def show(self, stage: str, unit: str, pace: Pace, note: str) -> None:
        now = self.clock()
        if now - self._last >= LINE_EVERY:
            self._last = now
            ERRORS.line(f"{stage}: {figures(pace, unit, note=note)}")

    def close(self) -> None:
        pass
