"""Which sections a report has, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from shiftlif.report.alphabets import alphabets
from shiftlif.report.confusion import confusion
from shiftlif.report.environment import environment
from shiftlif.report.evidence import Evidence
from shiftlif.report.exactness import exactness
from shiftlif.report.examples import examples
from shiftlif.report.graph import graph
from shiftlif.report.learning import learning
from shiftlif.report.letters import letters
from shiftlif.report.membranes import membranes
from shiftlif.report.operations import operations
from shiftlif.report.raster import raster
from shiftlif.report.scales import scales
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
    Entry(scales),
    Entry(membranes),
    Entry(letters),
    Entry(raster),
    Entry(alphabets),
    Entry(exactness),
    Entry(operations),
    Entry(graph),
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
