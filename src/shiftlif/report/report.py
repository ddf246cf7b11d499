"""Evidence to a page, and to figures as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shiftlif.report.confusion import class_rows, counts
from shiftlif.report.evidence import Evidence
from shiftlif.report.figures import figures
from shiftlif.report.gather import gather
from shiftlif.report.page import Side, page
from shiftlif.report.sections import sections
from shiftlif.report.summary import answer, compared, warnings_of

__all__ = ["figures_of", "gather", "html"]


def html(found: Sequence[Evidence], progress: Callable[[str], None] | None = None) -> str:
    """The page of one run or, side by side, of two.

    Args:
        found: what `gather` returned, one or two.
        progress: told in a few words what comes next.

    Raises:
        ConfigurationError: vl-convert is not installed, or there are more than two runs.
    """
    names = _names(found)
    sides = [
        Side(name, about(evidence), sections(evidence, progress))
        for name, evidence in zip(names, found, strict=True)
    ]
    if len(found) != 2:
        return page(sides)
    return page(sides, compared(found[0], found[1], (names[0], names[1])))


def _names(found: Sequence[Evidence]) -> list[str]:
    names = [evidence.name for evidence in found]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({letter})" for name, letter in zip(names, "AB", strict=False)]


def about(evidence: Evidence) -> str:
    """One line: data set, model, neuron, steps, weights."""
    summary, config = evidence.run.summary, evidence.run.config
    weights = "not compilable" if evidence.refusal else f"int{evidence.bits}"
    if not evidence.refusal and evidence.program is None:
        weights += ", not compiled"
    neuron = config.neuron.kind + "".join(
        f" {size}={value}" for size in ("K", "L") if (value := getattr(config.neuron, size)) is not None
    )
    return " · ".join([str(summary["dataset"]), config.model, neuron, f"T = {evidence.run.steps}", weights])


def figures_of(evidence: Evidence) -> dict[str, Any]:
    """Everything of the report that is a number, JSON-able; shares are 0 to 1."""
    proof = evidence.proof
    return {
        "run": str(evidence.run.folder),
        "answer": answer(evidence),
        "figures": {figure.key: figure.value for figure in figures(evidence)},
        "verification": None if proof is None else proof.to_dict(),
        "difference": evidence.difference or None,
        "refusal": evidence.refusal or None,
        "classes": class_rows(counts(evidence), evidence.data.classes),
        "warnings": warnings_of(evidence),
    }
