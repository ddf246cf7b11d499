"""Which sections a report has, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from shiftlif.report.confusion import confusion
from shiftlif.report.environment import environment
from shiftlif.report.evidence import Evidence
from shiftlif.report.examples import examples
from shiftlif.report.learning import learning
from shiftlif.report.section import Section
from shiftlif.report.summary import summary


class Entry(NamedTuple):
    """A function that makes sections, and whether it needs a network that compiles (`Evidence.refusal` is empty)."""

    make: Callable[[Evidence], Section | Sequence[Section]]
    compiled: bool = False


SECTIONS: tuple[Entry, ...] = (
    Entry(summary),
    Entry(learning),
    Entry(confusion),
    Entry(examples),
    # Sections about layers, operations and exactness stand here.
    Entry(environment),
)


def sections(evidence: Evidence, progress: Callable[[str], None] | None = None) -> list[Section]:
    """Every section that the run has; ``progress`` is told their names."""
    found: list[Section] = []
    for entry in SECTIONS:
        if entry.compiled and evidence.refusal:
            continue
        if progress is not None:
            progress(f"looking at {getattr(entry.make, '__name__', 'the run')}")
        made = entry.make(evidence)
        found.extend([made] if isinstance(made, Section) else made)
    return found
