"""Trained networks for the benchmarks of deployed programs, one recipe for all of them (recipes/deployed.yaml).

    python -m benchmarks.trained [--jobs 2]

trains what is missing (about 20 minutes of two idle cores) and keeps it in runs/benchmarks, where they find it;
a network whose recipe has changed is trained again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shiftlif.bench.recipe import Job, expand, load_recipe
from shiftlif.bench.schedule import Task, plan, run_tasks
from shiftlif.program import IntegerProgram, load
from shiftlif.training import Run, load_run
from shiftlif.training.deployment import deploy
from shiftlif.training.runs import SUMMARY

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "benchmarks" / "recipes" / "deployed.yaml"
KEPT = ROOT / "runs" / "benchmarks"
PROGRAM = "int8.shiftlif"  # weights of 8 bits, membranes of 16 where that costs no more than coarser weights
SPIKING, LETTERS, OPPONENT = "ShiftLIF", "ShiftLIF, inputs are letters", "QuantReLU"
STEPS = (1, 4)  # of the spiking networks, as in the recipe; with letters as inputs T = 1 only


@dataclass(frozen=True, eq=False)
class Trained:
    """One network and the int8 program made of it.

    Attributes:
        shape: data set and model, ``digits dense``.
        neuron: `SPIKING`, `LETTERS` or `OPPONENT`.
        steps: T.
        run: as trained, in evaluation mode.
        program: verified when it was made.
    """

    shape: str
    neuron: str
    steps: int
    run: Run
    program: IntegerProgram


def jobs() -> list[Job]:
    """Every network of the recipe."""
    return expand(load_recipe(RECIPE))


def shapes() -> list[str]:
    """``digits dense`` and the others, in the order of the recipe."""
    return list(load_recipe(RECIPE).datasets)


def folder(job: Job) -> Path:
    """The run folder of a network, which its program lies in too."""
    return KEPT / job.training_key


def train(workers: int, wanted: Sequence[str] | None = None) -> None:
    """Train the networks that are missing and deploy those without a program.

    Args:
        workers: processes at once.
        wanted: shapes; None is all.

    Raises:
        SystemExit: a network could not be trained.
    """
    some = [job for job in jobs() if wanted is None or job.dataset in wanted]
    trained = [path.parent.name for path in KEPT.glob(f"*/{SUMMARY}")]
    missing = plan([job for job in some if job.training_key not in trained], trained)
    tasks = [Task(task.job, teaching=True, needs=None if task.teaching else task.needs) for task in missing]
    for outcome in run_tasks(tasks, workers=workers, teachers=KEPT):
        print(
            outcome.task.job,
            outcome.error or f"trained in {outcome.seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        if outcome.error:
            raise SystemExit(f"{outcome.task.job} could not be trained")
    for job in some:
        if not (folder(job) / PROGRAM).exists():
            run = load_run(folder(job))
            made = deploy(
                run.network, run.data(), run.config, membrane_bits=16, progress=False, verify_samples=200
            )
            made.program.save(folder(job) / PROGRAM)


def trained(shape: str, neuron: str, steps: int) -> Trained:
    """A network that `train` made.

    Raises:
        SystemExit: it is not there; the message says what makes it.
    """
    job = next(job for job in jobs() if job.labels[:3] == (shape, neuron, steps))
    if not (folder(job) / PROGRAM).exists():
        raise SystemExit(f"{shape} {neuron} T={steps} is not trained; run python -m benchmarks.trained")
    return Trained(shape, neuron, steps, load_run(folder(job)), load(folder(job) / PROGRAM))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, of one thread each")
    parser.add_argument("--only", nargs="+", choices=shapes(), metavar="SHAPE", help="such as 'digits dense'")
    arguments = parser.parse_args()
    train(arguments.jobs, arguments.only)


if __name__ == "__main__":
    main()
