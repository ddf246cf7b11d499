"""Which sections a report has, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

SECTIONS: tuple[Callable[[Evidence], Section | Sequence[Section]], ...] = (
    summary,
    learning,
    confusion,
    examples,
    scales,
    membranes,
    letters,
    raster,
    alphabets,
    exactness,
    operations,
    graph,
    environment,
)


def sections(evidence: Evidence, progress: Callable[[str], None] | None = None) -> list[Section]:
    """Every section that the run has; ``progress`` is told their names."""
    found: list[Section] = []
    for make in SECTIONS:
        if progress is not None:
            progress(f"looking at {getattr(make, '__name__', 'the run')}")
        made = make(evidence)
        found.extend([made] if isinstance(made, Section) else made)
    return found
