"""What the run was made with: versions, platform and the resolved configuration."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shiftlif.report.evidence import Evidence
from shiftlif.report.places import shown
from shiftlif.report.section import Block, Facts, Row, Section, Table
from shiftlif.training.fitting import versions

KEY, TITLE = "environment", "Environment"
_BEYOND = (
    *("augment", "teacher", "rate_", "synaptic_", "per_step"),
    *("label_smoothing", "calibrate", "levels", "qat_", "patience"),
)
"""What the names of options begin with that plain training leaves alone."""


def environment(evidence: Evidence) -> Section:
    """Versions at training and now, platform, fingerprints, configuration; no user names and no places."""
    run = evidence.run
    then = {str(name): str(value) for name, value in dict(run.summary.get("versions") or {}).items()}
    now = versions()
    rows: list[Row] = [
        {"package": name, "trained with": then.get(name), "reported with": now.get(name)}
        for name in {**then, **now}
    ]
    marks = [("data, SHA-256 of the quantised samples", run.fingerprint)]
    if evidence.program is not None:
        marks.append(("program, digest", evidence.program.digest()))
    seconds = run.summary.get("seconds")
    blocks: list[Block] = [
        Facts(
            [
                ("report made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
                ("on", f"{platform.system()} {platform.machine()}"),
                ("training took", "–" if seconds is None else f"{float(seconds):,.0f} s"),
                ("front end", _front_end(run.front_end)),
                ("sample", " × ".join(map(str, run.sample_shape)) + (" per frame" if run.temporal else "")),
                *marks,
            ],
            "Made",
        ),
        Table(
            "versions",
            "Versions",
            ("package", "trained with", "reported with"),
            rows,
            "Packages of the training and of this report.",
        ),
        *configuration(run.config.model_dump()),
    ]
    changed = [str(row["package"]) for row in rows if row["trained with"] != row["reported with"]]
    packages = ", ".join(f"{name} {then.get(name, '–')}" for name in ("shiftlif", "torch"))
    answer = f"Trained with {packages}; seed {run.config.seed}."
    if changed:
        answer += f" Other versions now: {', '.join(changed)}."
    return Section(KEY, TITLE, answer, blocks)


def _front_end(description: Mapping[str, Any]) -> str:
    parameters = (f"{name}={shown(value)}" for name, value in description.items() if name != "name")
    return ", ".join([shown(description.get("name")), *parameters])


def configuration(values: Mapping[str, Any]) -> list[Facts]:
    """Every choice that decided the run, grouped: the neuron, what is added to plain training, and the rest."""
    grouped: dict[str, list[tuple[str, str]]] = {"Training": [], "Beyond plain training": [], "Neuron": []}
    for name, value in fields(values):
        group = "Beyond plain training" if name.startswith(_BEYOND) else "Training"
        own = name.removeprefix("neuron.")
        grouped[group if own == name else "Neuron"].append((own, shown(value)))
    return [Facts(pairs, f"Configuration: {group.lower()}") for group, pairs in grouped.items() if pairs]


def fields(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values as ``a.b`` and value, in order."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
