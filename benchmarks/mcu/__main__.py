"""Entry: measure, keep results/mcu.json and render results/mcu.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import benchmarks.mcu as package
from benchmarks import pages
from benchmarks.history.note import check, note
from benchmarks.mcu import cores
from benchmarks.mcu.measure import FULL, QUICK, measure
from benchmarks.mcu.render import render
from benchmarks.trained import shapes
from benchmarks.training_kernels import machine

ROOT = Path(__file__).parents[2]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _measure(path: Path, wanted: list[str], quick: bool) -> None:
    """Measure shapes one after the other; each replaces its rows in the file as soon as it has them."""
    if tools := cores.missing():
        packages = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
        raise SystemExit(f"{', '.join(tools)} not found; Debian: {packages}")
    old: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": []}
    rows = {shape: [row for row in old["rows"] if row["shape"] == shape] for shape in shapes()}
    for shape in wanted:
        date, commit = machine.now(), machine.commit()
        with tempfile.TemporaryDirectory() as folder:
            rows[shape] = measure(shape, QUICK if quick else FULL, Path(folder), _say)
        document = {
            "quick": quick,
            "versions": cores.versions(),
            "rows": [row for own in rows.values() for row in own],
        }
        pages.keep(path, document)
        note(path, document, shape, date, commit)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few samples, into runs/mcu")
    parser.add_argument("--only", nargs="+", choices=shapes(), metavar="SHAPE", help="such as 'digits dense'")
    parser.add_argument("--render", action="store_true", help="only write the page")
    options = parser.parse_args()
    path = ROOT / ("runs/mcu" if options.quick else "results") / "mcu.json"
    if not options.render:
        check(path)
        _measure(path, options.only or shapes(), options.quick)
    pages.show(path, render, parser)


if __name__ == "__main__":
    main()
