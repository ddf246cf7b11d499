"""Entry: the page of the history, and its past."""

from __future__ import annotations

import argparse
from pathlib import Path

import benchmarks.history as package
from benchmarks.history import past
from benchmarks.history.note import write_page
from benchmarks.history.records import FILE, add, read
from shiftlif.errors import ShiftLIFError

ROOT = Path(__file__).parents[2]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from-git", action="store_true", help="add what committed results say and it lacks")
    options = parser.parse_args()
    path = ROOT / "results" / FILE
    try:
        records = read(path)
        if options.from_git:
            new = past.missing(ROOT, records)
            records = add(path, new) if new else records
            print(f"{path}: {len(new)} lines added")
        if not records:
            parser.error(f"{path} does not exist yet; measure, or take its past from git: --from-git")
        print(write_page(path, records))
    except ShiftLIFError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
