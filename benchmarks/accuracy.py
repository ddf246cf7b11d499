"""The accuracy table: neurons x data sets x T x seeds, as results/accuracy.json and results/accuracy.md.

    python -m benchmarks.accuracy --jobs 2            # what is missing in results/accuracy.json
    python -m benchmarks.accuracy --render            # only the tables

Each record is one run: trained in float, compiled to int8 without training (post-training) and to int4
with quantisation-aware training, both programs compared with their prepared networks on every test
sample, letters and membranes, at every step and layer. The epoch is chosen on the validation part; the
test part is looked at once. Needs the data sets under $SHIFTLIF_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from shiftlif.program.storage import write_atomically

RESULTS = Path(__file__).parent.parent / "results"
TABLE = RESULTS / "accuracy.json"
README = RESULTS.parent / "README.md"
BEGIN, END = "<!-- accuracy: made by benchmarks.accuracy -->", "<!-- end -->"
SEEDS = (0, 1, 2)
STEPS = (4, 1)
NEURONS: dict[str, dict[str, Any]] = {
    "ShiftLIF": {"kind": "ShiftLIF", "K": 3},
    "QBLIF": {"kind": "QBLIF", "L": 4},
    "IntLIF": {"kind": "IntLIF", "L": 4},
    "LIF": {"kind": "LIF"},
}
# One recipe for all neurons; chosen with ShiftLIF at T=4 on the validation parts.
COMMON: dict[str, Any] = {
    "model": "conv1d",
    "learning_rate": 4e-3,
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "warmup": 0.15,
    "qat_learning_rate": 1e-3,
    "threads": 1,
}
RECIPES: dict[str, dict[str, Any]] = {
    "sphar": {"width": 32, "epochs": 20, "augment": {"noise": 0.1, "gain": 0.2, "shift": 0.125}},
    "wiar": {"width": 48, "epochs": 30, "augment": {"noise": 0.1}},
    "gsc12": {"width": 48, "epochs": 30, "augment": {"noise": 0.2, "shift": 0.1}},
}
QAT_EPOCHS = 8


def grid() -> list[dict[str, Any]]:
    """Every run, as the fields that name it, seed by seed so that an unfinished table is balanced."""
    return [
        {"dataset": dataset, "neuron": neuron, "T": steps, "seed": seed}
        for seed in SEEDS
        for steps in STEPS
        for dataset in RECIPES
        for neuron in NEURONS
    ]


def measure(dataset: str, neuron: str, T: int, seed: int) -> dict[str, Any]:
    """One record."""
    import time

    from shiftlif.program import measure as measure_cost
    from shiftlif.training.config import TrainingConfig, check
    from shiftlif.training.deployment import deploy
    from shiftlif.training.fitting import fit

    config = check(
        TrainingConfig,
        {
            **COMMON,
            **RECIPES[dataset],
            "dataset": dataset,
            "neuron": NEURONS[neuron],
            "steps": T,
            "seed": seed,
        },
    )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = fit(config, Path(folder) / "run", progress=False)
    trained = time.perf_counter()
    # deploy() compares prepared network and program on the whole test part and raises where they differ.
    int8 = deploy(run.network, run.data, run.config, bits=8, progress=False)
    int4 = deploy(run.network, run.data, run.config, bits=4, qat_epochs=QAT_EPOCHS, progress=False)
    cost = measure_cost(int8.program, run.data.frames("test")).to_dict()
    return {
        "dataset": dataset,
        "neuron": neuron,
        "T": T,
        "seed": seed,
        "parameters": run.summary["parameters"],
        "validation_accuracy": run.trained.validation.accuracy,
        "test_accuracy": run.test.accuracy,
        "test_balanced_accuracy": run.test.balanced_accuracy,
        "int8_accuracy": int8.accuracy["integer"],
        "int4_accuracy": int4.accuracy["integer"],
        "bit_exact": min(d.verification.agreement for d in (int8, int4)) == 1.0,
        "events_per_inference": cost["totals"]["events"],
        "events_per_neuron_per_step": cost["events_per_neuron_step"],
        "synaptic_ops_per_inference": cost["totals"]["synaptic_operations"],
        "adds_per_inference": cost["totals"]["adds"],
        "shifts_per_inference": cost["totals"]["shifts"],
        "int8_weight_bytes": int8.program.weight_bytes,
        "train_seconds": round(trained - started, 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


def _load() -> list[dict[str, Any]]:
    return json.loads(TABLE.read_text()) if TABLE.exists() else []


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("dataset", "neuron", "T", "seed"))


def _save(records: list[dict[str, Any]]) -> None:
    order = {_key(run): i for i, run in enumerate(grid())}
    records.sort(key=lambda record: order[_key(record)])
    write_atomically(TABLE, (json.dumps(records, indent=1) + "\n").encode())


def run_missing(jobs: int) -> None:
    """Each run in a process of its own, ``jobs`` at once, saved as soon as it ends."""
    done = {_key(record) for record in _load()}
    waiting = [run for run in grid() if _key(run) not in done]
    running: dict[subprocess.Popen[str], dict[str, Any]] = {}
    failures = []
    while waiting or running:
        while waiting and len(running) < jobs:
            run = waiting.pop(0)
            command = [sys.executable, "-m", "benchmarks.accuracy", "--one", json.dumps(run)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            running[subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)] = run
        for process in list(running):
            try:
                output, _ = process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
            run = running.pop(process)
            if process.returncode:
                failures.append(run)
                print(f"failed: {run}", flush=True)
                continue
            record = json.loads(output.splitlines()[-1])
            _save([*_load(), record])
            print(
                f"{run['dataset']:8} {run['neuron']:9} T={run['T']} seed {run['seed']}: "
                f"{100 * record['test_accuracy']:.2f} % (int8 {100 * record['int8_accuracy']:.2f}, "
                f"int4 {100 * record['int4_accuracy']:.2f}) in {record['seconds']:.0f} s; {len(waiting)} waiting",
                flush=True,
            )
    if failures:
        raise SystemExit(f"{len(failures)} runs failed; run the command again to retry them")


def render(records: list[dict[str, Any]]) -> str:
    """The records as Markdown: means and standard deviations over seeds."""
    lines = [
        "| data set | T | neuron | parameters | float % | int8 (post-training) % | int4 (QAT) % | "
        "events / neuron / step | synaptic operations / inference | bit-exact |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for dataset in RECIPES:
        for steps in STEPS:
            for neuron in NEURONS:
                rows = [r for r in records if _key(r)[:3] == (dataset, neuron, steps)]
                if not rows:
                    continue

                def shown(name: str, rows: list[dict[str, Any]] = rows) -> str:
                    values = [100 * row[name] for row in rows]
                    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
                    return f"{statistics.mean(values):.2f}{spread}"

                def mean(name: str, rows: list[dict[str, Any]] = rows) -> float:
                    return statistics.mean(row[name] for row in rows)

                lines.append(
                    f"| {dataset} | {steps} | {neuron} | {rows[0]['parameters']:,} | {shown('test_accuracy')} | "
                    f"{shown('int8_accuracy')} | {shown('int4_accuracy')} | "
                    f"{mean('events_per_neuron_per_step'):.3f} | {mean('synaptic_ops_per_inference'):,.0f} | "
                    f"{sum(row['bit_exact'] for row in rows)} of {len(rows)} |"
                )
    return "\n".join(lines) + "\n"


def summary(records: list[dict[str, Any]]) -> str:
    """A compact Markdown table: accuracy in per cent and million synaptic operations per inference."""
    lines = [f"| | {' | '.join(NEURONS)} |", "|---|" + "---|" * len(NEURONS)]
    for dataset in RECIPES:
        for steps in STEPS:
            cells = []
            for neuron in NEURONS:
                rows = [r for r in records if _key(r)[:3] == (dataset, neuron, steps)]
                if not rows:
                    cells.append("")
                    continue
                accuracy = [100 * row["test_accuracy"] for row in rows]
                operations = statistics.mean(row["synaptic_ops_per_inference"] for row in rows) / 1e6
                spread = f" ± {statistics.stdev(accuracy):.1f}" if len(rows) > 1 else ""
                cells.append(f"{statistics.mean(accuracy):.1f}{spread} ({operations:.1f} M)")
            lines.append(f"| {dataset}, T={steps} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_summary(page: str, records: list[dict[str, Any]]) -> str:
    """The README with its table between the two markers made anew."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{summary(records)}{END}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--render", action="store_true", help="only write results/accuracy.md")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(**json.loads(options.one))))
        return
    if not options.render:
        run_missing(options.jobs)
    text = "# Accuracy\n\nMade by `python -m benchmarks.accuracy`; records in `accuracy.json`.\n\n" + render(
        _load()
    )
    write_atomically(RESULTS / "accuracy.md", text.encode())
    write_atomically(README, with_summary(README.read_text(encoding="utf-8"), _load()).encode())


if __name__ == "__main__":
    main()
