"""What an early decision costs and saves: accuracy against mean steps, and the time of an inference.

    python -m benchmarks.streaming runs/gsc12/program.safetensors [...]

prints a Markdown table for each model file, on the test part of the data set that the file names (found as ever,
through SHIFTLIF_DATA). Needs no torch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from shiftlif.data import load as load_data
from shiftlif.program import IntegerProgram, load
from shiftlif.runtime import Classifier, EarlyRule, Windows, decide

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
TIMED = 300  # samples


def rules(steps: int) -> list[EarlyRule]:
    """All steps; then every confidence, alone and with a patience of 2."""
    return [EarlyRule()] + [EarlyRule(c, p) for p in (1, 2) if p <= steps for c in CONFIDENCES]


def median_time(program: IntegerProgram, frames: np.ndarray, rule: EarlyRule) -> float:
    """Seconds of one inference with batch 1, front end and quantiser left out: the median over samples."""
    size = frames[0].size
    shown = frames.reshape(len(frames), size)
    one = Classifier(
        program,
        program.engine().stream,
        lambda rows: rows.reshape(1, *program.input_shape),
        Windows(1, 1, size, np.int8),
        rule,
    )
    one.push(shown[:20])
    return float(np.median([decision.seconds for decision in one.push(shown)]))


def table(path: str, say: Callable[[str], None]) -> None:
    """Measures and prints."""
    program = load(path)
    data = load_data(program.metadata["dataset"])
    frames, labels = program.quantizer.quantize(data.x_test), data.y_test
    readouts = program.engine(threads=0).run(frames, record=True).membranes[program.output]
    first = readouts[0].argmax(axis=1) == labels
    say(
        f"\n{data.name}: {len(labels)} test samples, T = {program.steps}; first step alone {100 * first.mean():.2f} %\n"
    )
    say("| confidence | patience | accuracy | mean steps | decided at step 1, 2, ... | median time |")
    say("|---|---|---|---|---|---|")
    for rule in rules(program.steps):
        classes, steps = decide(readouts, program.output_unit, rule)
        shares = ", ".join(f"{100 * (steps == n).mean():.0f} %" for n in range(1, program.steps + 1))
        seconds = median_time(program, frames[:TIMED], rule)
        name = "all steps" if rule.confidence is None else f"{rule.confidence:g}"
        say(
            f"| {name} | {rule.patience} | {100 * (classes == labels).mean():.2f} % | {steps.mean():.2f} | {shares} "
            f"| {1e6 * seconds:.0f} us |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models", nargs="+", help="model files of programs that see a whole window at every step"
    )
    for path in parser.parse_args(arguments).models:
        table(path, print)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s")
