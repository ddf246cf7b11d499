"""The history of documents that were committed before there was one, from the repository's log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.history.kinds import KINDS
from benchmarks.history.records import Record
from shiftlif.errors import DataError


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise DataError(
            f"git {arguments[0]} in {root} failed ({str(reason).strip()}); --from-git needs git and the repository "
            "with its history"
        ) from error
    return done.stdout


def _versions(root: Path, file: str) -> Iterator[tuple[str, str, str]]:
    """Short hash, date and content of each committed version of a file, oldest first."""
    log = _git(root, "log", "--reverse", "--diff-filter=AM", "--format=%h %ct", "--", file)
    for line in log.splitlines():
        commit, seconds = line.split()
        date = datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec="seconds")
        yield commit, date, _git(root, "show", f"{commit}:{file}")


def _known(records: list[Record], name: str, figures: dict[str, float]) -> bool:
    return any(r.benchmark == name and figures.items() <= r.figures.items() for r in records)


def missing(root: Path, known: list[Record]) -> list[Record]:
    """What committed versions of the documents in results/ say and no record does.

    A record has the date and hash of the commit that brought its figures, and there is one for each machine of a
    version. Figures that a version took over from an earlier one, or that were noted when they were measured, are known
    already: adding what is missing twice adds nothing the second time.

    Args:
        root: the repository.
        known: the records that there are.

    Raises:
        DataError: git fails, or a committed document is no JSON.
    """
    found: list[Record] = []
    for name, kind in KINDS.items():
        for commit, date, text in _versions(root, f"results/{name}.json"):
            try:
                parts = kind.parts(json.loads(text))
            except ValueError as error:
                raise DataError(f"results/{name}.json of commit {commit} is no JSON ({error})") from error
            new: dict[str, dict[str, float]] = {}
            for part in parts.values():
                figures = kind.headlines(part)
                if figures and not _known([*known, *found], name, figures):
                    new.setdefault(kind.machine(part), {}).update(figures)
            found += [Record(name, date, commit, machine, figures) for machine, figures in new.items()]
    return found
