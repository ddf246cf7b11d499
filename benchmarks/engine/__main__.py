"""Entry: measure shapes, keep results/engine.json and render results/engine.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import benchmarks.engine as package
from benchmarks import pages
from benchmarks.engine.render import render
from benchmarks.history.note import check, note
from benchmarks.trained import shapes
from benchmarks.training_kernels import machine
from benchmarks.training_kernels.timing import Record

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "engine.json"
WORK = ROOT / "runs" / "engine"
QUICK_RESULTS = WORK / "engine.json"
TIMEOUT = 1800
PACKAGES = ("onnx", "onnxruntime", "spikingjelly")


def _serve(task: Record, out: Path) -> None:
    """The records of one process, as lines of JSON."""
    from benchmarks.engine.points import run

    with out.open("w") as file:
        for record in run(task, WORK):
            print(json.dumps(record), file=file, flush=True)


def _records(task: Record) -> list[Record]:
    """What a process of its own measured; with an ``error`` where it failed."""
    threads = str(task["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "records"
        command = [sys.executable, "-m", "benchmarks.engine", "--serve", json.dumps(task), str(out)]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
            problem = (
                f"ended with {done.returncode}: {done.stderr.strip()[-300:]}" if done.returncode else None
            )
        except subprocess.TimeoutExpired:
            problem = f"stopped after {TIMEOUT} s"
        found = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return [*found, {"threads": task["threads"], "error": problem}] if problem else found


def measure(path: Path, names: list[str], quick: bool) -> None:
    """Measure shapes; each replaces its records in the file when it is done."""
    from benchmarks.engine.points import THREADS

    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"shapes": {}}
    for name in names:
        started = time.perf_counter()
        records: list[Record] = []
        about = machine.describe()
        about["versions"] |= {package: machine.installed(package) for package in PACKAGES}
        for threads in THREADS[:1] if quick else THREADS:
            records += _records({"shape": name, "threads": threads, "quick": quick})
        seconds = round(time.perf_counter() - started)
        document["shapes"][name] = {"machine": about, "quick": quick, "seconds": seconds, "records": records}
        order = [shape for shape in shapes() if shape in document["shapes"]]
        document["shapes"] = {shape: document["shapes"][shape] for shape in order}
        pages.keep(path, document)
        note(path, document, name, about["date"], about["commit"])
        problems = [record["error"] for record in records if "error" in record]
        print(name, *problems or [f"measured in {seconds} s"], file=sys.stderr, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=shapes(), metavar="SHAPE", help="such as 'digits dense'")
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, batch 1, one thread, one shape, into runs/"
    )
    parser.add_argument(
        "--resume", action="store_true", help="leave out the shapes that are measured already"
    )
    parser.add_argument("--render", action="store_true", help="only write the tables")
    parser.add_argument("--out", type=Path, help="the JSON file; default results/engine.json")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(json.loads(options.serve[0]), Path(options.serve[1]))
        return
    path = options.out or (QUICK_RESULTS if options.quick else RESULTS)
    if not options.render:
        names = options.only or (shapes()[:1] if options.quick else shapes())
        if options.resume and path.exists():
            kept = json.loads(path.read_text())["shapes"]
            done = [n for n, held in kept.items() if not any("error" in record for record in held["records"])]
            names = [name for name in names if name not in done]
        check(path)
        measure(path, names, options.quick)
    pages.show(path, render, parser)


if __name__ == "__main__":
    main()
