"""Entry: measure sections, keep results/training_kernels.json and render results/training_kernels.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import benchmarks.training_kernels as package
from benchmarks import pages
from benchmarks.history.note import check, note
from benchmarks.training_kernels import workers
from benchmarks.training_kernels.timing import Record

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
QUICK_RESULTS = ROOT / "runs" / "training_kernels"


def _progress(started: float, text: str) -> None:
    print(f"[{time.perf_counter() - started:6.0f} s] {text}", file=sys.stderr, flush=True)


def _shown(record: Record) -> str:
    fields = ("device", "dtype", "threads", "T", "N", "model", "batch", "coding", "contender")
    names = [f"{name}={record[name]}" for name in fields if name in record]
    problem = record.get("error") or record.get("skipped")
    return " ".join(names) + (f": {problem}" if problem else "")


def measure(path: Path, names: list[str], quick: bool, cache: str) -> None:
    """Measure the sections one after the other; each replaces its records in the file as soon as it has some."""
    from benchmarks.training_kernels import machine
    from benchmarks.training_kernels.sections import SECTIONS

    started = time.perf_counter()
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        section, section_started = SECTIONS[name], time.perf_counter()
        tasks = section.tasks(quick)
        records: list[Record] = []
        about = machine.describe()
        document[name] = {"machine": about, "quick": quick, "records": records}
        if not tasks:
            document[name]["absent"] = section.absent
            _progress(started, f"{name}: {section.absent}")
        for i, task in enumerate(tasks):
            _progress(started, f"{name}: process {i + 1} of {len(tasks)}")

            def found(record: Record, records: list[Record] = records, name: str = name) -> None:
                records.append(record)
                _progress(started, f"{name}: {_shown(record)}")

            workers.run(name, task, cache, found)
            pages.keep(path, document)
        document[name]["seconds"] = round(time.perf_counter() - section_started)
        pages.keep(path, document)
        note(path, document, name, about["date"], about["commit"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sections", help="some of them, with commas between; default all")
    parser.add_argument("--quick", action="store_true", help="few sizes and rounds, into runs/")
    parser.add_argument("--render", action="store_true", help="only write the tables")
    parser.add_argument("--out", type=Path, help="the JSON file; default results/training_kernels.json")
    parser.add_argument("--compile-cache", help="keep torch.compile's files there; default a fresh folder")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        workers.serve(options.serve[0], json.loads(options.serve[1]))
        return
    path = options.out or (QUICK_RESULTS if options.quick else RESULTS) / "training_kernels.json"
    if not options.render:
        from benchmarks.training_kernels.sections import SECTIONS

        names = options.sections.split(",") if options.sections else list(SECTIONS)
        unknown = sorted(set(names) - set(SECTIONS))
        if unknown:
            parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
        check(path)
        with tempfile.TemporaryDirectory() as fresh:
            measure(path, names, options.quick, options.compile_cache or fresh)
    from benchmarks.training_kernels.render import render

    pages.show(path, render, parser)


if __name__ == "__main__":
    main()
