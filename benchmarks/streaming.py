"""What an early decision costs and saves: accuracy against mean steps, and the time of an inference.

    python -m benchmarks.streaming runs/gsc12/program.safetensors [...]

prints a Markdown table for each model file, on the test part of the data set that the file names (found as ever,
through SHIFTLIF_DATA). Needs no torch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from shiftlif.data import load as load_data
from shiftlif.program import load
from shiftlif.runtime import Classifier, EarlyRule, Engine, Stream, Windows, decide, paths

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
TIMED, REPEATS = 300, 5  # samples


def rules(steps: int) -> list[EarlyRule]:
    """All steps; then every confidence, alone and with a patience of 2."""
    return [EarlyRule()] + [EarlyRule(c, p) for p in (1, 2) if p <= steps for c in CONFIDENCES]


class ShownAgain:
    """A stream that computes the whole window again at every step, as it would be without `Stream.again`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frame: np.ndarray = np.empty(0, np.int8)

    def step(self, frame: np.ndarray, steps: int = 1, *, keep: bool = False) -> np.ndarray:
        """As `Stream.step`."""
        self._frame = frame
        return self._stream.step(frame, steps)

    def again(self, steps: int = 1) -> np.ndarray:
        """As `Stream.again`."""
        return self._stream.step(self._frame, steps)

    def reset(self) -> None:
        """As `Stream.reset`."""
        self._stream.reset()


def inference_times(
    engine: Engine, frames: np.ndarray, measured: Sequence[EarlyRule]
) -> list[tuple[float, float]]:
    """Seconds of one inference with batch 1, front end and quantiser left out: the mean over samples of the best of
    `REPEATS`, with the window kept between two steps and with it shown again, one right after the other.
    """
    size = frames[0].size
    shown = frames.reshape(len(frames), 1, size)
    program = engine.program

    def classifier(stepper: Callable[[], Any], rule: EarlyRule) -> Classifier:
        windows = Windows(1, 1, size, np.int8)
        return Classifier(program, stepper, lambda rows: rows.reshape(1, *program.input_shape), windows, rule)

    pairs = [
        (classifier(engine.stream, rule), classifier(lambda: ShownAgain(engine.stream()), rule))
        for rule in measured
    ]
    times = np.array(
        [
            [[[one.push(rows)[0].seconds for one in pair] for pair in pairs] for rows in shown]
            for _ in range(REPEATS)
        ]
    )
    return [(float(kept), float(again)) for kept, again in times.min(axis=0).mean(axis=0)]


def table(path: str, engine_path: str | None, say: Callable[[str], None]) -> None:
    """Measures and prints."""
    program = load(path)
    data = load_data(program.metadata["dataset"])
    frames, labels = program.quantizer.quantize(data.x_test), data.y_test
    readouts = program.engine(threads=0).run(frames, record=True).membranes[program.output]
    first = readouts[0].argmax(axis=1) == labels
    say(
        f"\n{data.name}: {len(labels)} test samples, T = {program.steps}; first step alone {100 * first.mean():.2f} %\n"
    )
    say(
        "| confidence | patience | accuracy | mean steps | decided at step 1, 2, ... | mean time | shown again |"
    )
    say("|---|---|---|---|---|---|---|")
    measured = rules(program.steps)
    for rule, (kept, again) in zip(
        measured, inference_times(program.engine(path=engine_path), frames[:TIMED], measured), strict=True
    ):
        classes, steps = decide(readouts, program.output_unit, rule)
        shares = ", ".join(f"{100 * (steps == n).mean():.0f} %" for n in range(1, program.steps + 1))
        name = "all steps" if rule.confidence is None else f"{rule.confidence:g}"
        say(
            f"| {name} | {rule.patience} | {100 * (classes == labels).mean():.2f} % | {steps.mean():.2f} | {shares} "
            f"| {1e6 * kept:.0f} us | {1e6 * again:.0f} us |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models", nargs="+", help="model files of programs that see a whole window at every step"
    )
    parser.add_argument("--path", choices=paths(), help="of the engine; default: the fastest")
    given = parser.parse_args(arguments)
    for path in given.models:
        table(path, given.path, print)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s")
