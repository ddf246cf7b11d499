"""What the run reaches: right answers, size, work, energy, and whether the integers are what was trained."""

from __future__ import annotations

from collections.abc import Sequence

from shiftlif.report.environment import fields
from shiftlif.report.evidence import Evidence
from shiftlif.report.figures import Figure, figures
from shiftlif.report.places import shown, without_places
from shiftlif.report.section import Block, Facts, Section, Table

KEY, TITLE = "summary", "Summary"
MODELLED = (
    "Energies are those of published models of hardware that does not exist, good for ratios; they are not "
    "measurements."
)


def summary(evidence: Evidence) -> Section:
    """The figures of one run."""
    found = figures(evidence)
    blocks: list[Block] = [
        Facts([(figure.name, figure.text) for figure in found if figure.group == group], group)
        for group in dict.fromkeys(figure.group for figure in found)
    ]
    blocks.append(Facts(_equality(evidence), "Equality"))
    if evidence.cost is not None:
        blocks.append(f"Work is the mean of {evidence.cost.samples} test samples. {MODELLED}")
    blocks.extend(f"Warning of the training: {text}" for text in warnings_of(evidence))
    return Section(KEY, TITLE, answer(evidence), blocks)


def answer(evidence: Evidence) -> str:
    """The run in two sentences."""
    by_key = {figure.key: figure for figure in figures(evidence)}
    trained, integer = by_key["accuracy_float"], by_key["accuracy_integer"]
    count = by_key["test_samples"].text
    if evidence.refusal:
        return (
            f"The trained network is right on {trained.text} of {count} test samples. It has no integer program: "
            f"{evidence.refusal}"
        )
    made = "integer program" if evidence.program is not None else "integer network, not compiled yet,"
    return (
        f"The {made} is right on {integer.text} of {count} test samples, the trained network on {trained.text}. "
        f"{verdict(evidence)}"
    )


def verdict(evidence: Evidence) -> str:
    """Whether prepared network, interpreter and engine are equal, in a sentence."""
    if evidence.refusal:
        return f"There is nothing to verify: {evidence.refusal}"
    if evidence.proof is None:
        return f"Verification found a difference: {evidence.difference}"
    proof = evidence.proof
    return f"Every letter and membrane is equal on the {proof.samples} samples that were compared for this report."


def warnings_of(evidence: Evidence) -> list[str]:
    """What the training warned of, without the places of the machine it ran on."""
    found = evidence.run.summary.get("warnings") or []
    return [without_places(str(text)) for text in found]


def compared(first: Evidence, second: Evidence, names: tuple[str, str]) -> Section:
    """The figures of two runs in one table, with their differences."""
    rows = [
        {"measure": _measure(a), names[0]: a.shown, names[1]: b.shown, "difference": _difference(a, b)}
        for a, b in zip(figures(first), figures(second), strict=True)
    ]
    table = Table(
        "comparison",
        "Both runs",
        ("measure", *names, "difference"),
        rows,
        f"The figures of both runs; the difference is {names[1]} minus {names[0]}.",
    )
    differing = configurations(first, second, names)
    blocks: list[Block] = [table, MODELLED]
    if differing.rows:
        blocks.append(differing)
    else:
        blocks.append("Both runs have the same configuration.")
    for name, evidence in zip(names, (first, second), strict=True):
        blocks.append(Facts(_equality(evidence), f"Equality: {name}"))
        blocks.extend(f"Warning of the training ({name}): {text}" for text in warnings_of(evidence))
    return Section(KEY, TITLE, _both(first, second, names), blocks)


def configurations(first: Evidence, second: Evidence, names: tuple[str, str]) -> Table:
    """The fields of the configurations that differ."""
    a, b = (dict(fields(evidence.run.config.model_dump())) for evidence in (first, second))
    rows = [
        {"field": name, names[0]: shown(a.get(name)), names[1]: shown(b.get(name))}
        for name in {**a, **b}
        if a.get(name) != b.get(name)
    ]
    return Table(
        "configurations",
        "What was chosen differently",
        ("field", *names),
        rows,
        "Fields of the configuration in which the runs differ; all others are equal.",
    )


def _both(first: Evidence, second: Evidence, names: tuple[str, str]) -> str:
    a, b = (_deployed(evidence).text for evidence in (first, second))
    text = (
        f"{names[0]} and {names[1]} both answer {a} of their test samples right."
        if a == b
        else f"{names[0]} answers {a} of its test samples right, {names[1]} {b}."
    )
    if first.run.fingerprint != second.run.fingerprint:
        text += " The runs were trained on different data: their figures are not of the same task."
    return text


def _deployed(evidence: Evidence) -> Figure:
    by_key = {figure.key: figure for figure in figures(evidence)}
    return by_key["accuracy_float" if evidence.refusal else "accuracy_integer"]


def _measure(figure: Figure) -> str:
    unit = f" ({figure.unit})" if figure.unit else ""
    return f"{figure.group}: {figure.name}{unit}"


def _difference(a: Figure, b: Figure) -> float | int | None:
    if a.shown is None or b.shown is None:
        return None
    difference = b.shown - a.shown
    return difference if isinstance(difference, int) else round(difference, a.digits)


def _equality(evidence: Evidence) -> Sequence[tuple[str, str]]:
    if evidence.proof is None:
        return [("verdict", verdict(evidence))]
    proof = evidence.proof
    origin = (
        "its model file"
        if evidence.program is not None
        else f"the run is not compiled: int{evidence.bits} weights as they are, without fine-tuning"
    )
    pairs = [
        ("verdict", proof.compared),
        ("compared", f"{proof.letters:,} letters, {proof.membranes:,} membranes"),
        ("samples", f"{proof.samples:,} of {len(evidence.labels):,}, {proof.steps} steps"),
        ("program", origin),
    ]
    if evidence.program is not None:
        digest = evidence.program.digest()
        test = "make -C FOLDER test of the exported C"
        pairs += [
            ("digest", digest[:16]),
            ("on the device", f"{test} prints the same digest, its first 8 digits: {digest[:8]}"),
        ]
    return pairs
