"""What is seen of a live stream: lines that change, one line a decision, or one JSON object a line; a summary."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from shiftlif.runtime.latency import Latency

if TYPE_CHECKING:
    from shiftlif.data.live import Lines
    from shiftlif.program import IntegerProgram
    from shiftlif.runtime import Classifier, Decision

BAR = 20  # characters of the confidence bar
REFRESH = 10  # per second


class Tally:
    """What all decisions so far add up to.

    Attributes:
        program: what decides.
        rate: rows per second of the stream, None where it is not known.
        lines: of a stream of text, which counts malformed ones.
        decisions, early, steps: how many, how many of them before the last step, steps in all.
        window_latency, step_latency: durations.
    """

    def __init__(self, program: IntegerProgram, rate: float | None, lines: Lines | None = None) -> None:
        self.program, self.rate, self.lines = program, rate, lines
        self.decisions = self.early = self.steps = self._last = 0
        self.window_latency, self.step_latency = Latency(), Latency()

    def add(self, decision: Decision) -> None:
        """One more decision."""
        self.decisions += 1
        self.steps += decision.steps
        self._last = decision.end
        self.early += decision.steps < self.program.steps
        self.window_latency.add(decision.seconds)
        for seconds in decision.step_seconds:
            self.step_latency.add(seconds)

    def time_of(self, decision: Decision) -> str:
        """Seconds of the stream, or time steps where nobody knows how many a second has."""
        return f"{decision.end / self.rate:.3f}" if self.rate else str(decision.end)

    @property
    def malformed(self) -> int:
        """Lines that were left out so far."""
        return self.lines.malformed if self.lines is not None else 0

    def summary(self, classifier: Classifier) -> list[str]:
        """Lines for people."""
        seen, total = classifier.seen, self.program.steps
        seconds = f" ({seen / self.rate:.1f} s)" if self.rate else ""
        text = [f"{seen} time steps{seconds}, {self.decisions} decisions"]
        if self.decisions:
            mean = self.steps / self.decisions
            text[0] += f", {self.early} of them early; {mean:.2f} of {total} steps a decision"
            text.append(f"latency: window {_three(self.window_latency)}; step {_three(self.step_latency)}")
        if self.rate and seen:
            factor = classifier.busy * self.rate / seen
            text.append(f"real-time factor {factor:.5f}: {classifier.busy:.3f} s of computing")
        if unused := min(classifier.pending, seen - self._last):
            text.append(f"{unused} time steps at the end are in no window that was decided")
        if self.lines is not None and self.malformed:
            text.append(f"{self.malformed} of {self.lines.lines} lines were malformed and left out")
        return text


def _three(latency: Latency) -> str:
    p50, p95 = latency.percentile(50), latency.percentile(95)
    return f"p50 {_short(p50)}, p95 {_short(p95)}, max {_short(latency.largest)}"


def _short(seconds: float) -> str:
    return f"{1e6 * seconds:.0f} us" if seconds < 1e-3 else f"{1e3 * seconds:.2f} ms"


class View:
    """How decisions are shown; a context manager around all of them."""

    def __init__(self, program: IntegerProgram, scores: bool) -> None:
        self.program, self.scores = program, scores

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends what is shown."""

    def note(self, text: str) -> None:
        """Something beside the decisions."""
        typer.echo(text, err=True)

    def show(self, decision: Decision, tally: Tally, backlog: int) -> None:
        """One decision; ``backlog`` rows wait."""
        raise NotImplementedError

    def scores_of(self, decision: Decision) -> dict[str, float]:
        """The mean read-out over the steps made, by class, in the units of training."""
        values = decision.readout * (self.program.output_unit / decision.steps)
        return dict(zip(self.program.classes, values.tolist(), strict=True))


class LinesView(View):
    """One line a decision: time, class, confidence."""

    def show(self, decision: Decision, tally: Tally, backlog: int) -> None:
        """Writes it at once: another program may wait for it."""
        cells = [tally.time_of(decision), self.program.classes[decision.index], f"{decision.confidence:.4f}"]
        if self.scores:
            cells += [f"{name}={value:.4f}" for name, value in self.scores_of(decision).items()]
        sys.stdout.write("\t".join(cells) + "\n")
        sys.stdout.flush()


class JsonView(View):
    """One JSON object a line for each decision."""

    def show(self, decision: Decision, tally: Tally, backlog: int) -> None:
        """Writes it at once."""
        row: dict[str, Any] = {
            "time": decision.end / tally.rate if tally.rate else None,
            "start": decision.start,
            "end": decision.end,
            "class": self.program.classes[decision.index],
            "index": decision.index,
            "confidence": decision.confidence,
            "margin": decision.margin,
            "steps": decision.steps,
            "latency_ms": 1e3 * decision.seconds,
            "step_ms": 1e3 * sum(decision.step_seconds) / len(decision.step_seconds),
            "backlog": backlog,
            "malformed": tally.malformed,
        }
        if self.scores:
            row["scores"] = self.scores_of(decision)
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


class LiveView(View):
    """A few lines on the terminal that change."""

    def __init__(self, program: IntegerProgram, scores: bool, console: Console) -> None:
        super().__init__(program, scores)
        self._shown: RenderableType = Text("waiting for the first window ...", style="dim")
        self._live = Live(
            console=console, get_renderable=lambda: self._shown, refresh_per_second=REFRESH, transient=False
        )

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        """Above the lines that change."""
        self._live.console.print(Text(text, style="yellow"))

    def show(self, decision: Decision, tally: Tally, backlog: int) -> None:
        """Shows it with the next refresh."""
        filled = round(BAR * decision.confidence)
        width = max(map(len, self.program.classes))
        unit = " s" if tally.rate else ""
        text = Text.assemble(
            (f"{tally.time_of(decision):>9}{unit}  ", "dim"),
            (f"{self.program.classes[decision.index]:<{width}} ", "bold green"),
            ("█" * filled, "green"),
            ("░" * (BAR - filled), "dim"),
            f" {100 * decision.confidence:3.0f} %  step {decision.steps}/{self.program.steps}\n",
            (f"  window {_three(tally.window_latency)}\n  step   {_three(tally.step_latency)}\n", "dim"),
            (f"  {backlog} time steps wait", "dim" if backlog == 0 else "yellow"),
        )
        if tally.malformed:
            text.append(f", {tally.malformed} malformed lines left out", style="yellow")
        if self.scores:
            scores = "  ".join(f"{name} {value:.2f}" for name, value in self.scores_of(decision).items())
            text.append(f"\n  {scores}", style="dim")
        self._shown = text


def chosen_view(program: IntegerProgram, *, as_json: bool, scores: bool) -> View:
    """The live line on a terminal, one line a decision in a pipe or file, JSON where asked for."""
    if as_json:
        return JsonView(program, scores)
    console = Console()
    return LiveView(program, scores, console) if console.is_terminal else LinesView(program, scores)
