"""What the history keeps of a measurement on microcontroller cores."""

from __future__ import annotations

from typing import Any

from benchmarks.mcu.render import CORES, Row, mean, name, ratio

GAINS = ()
"""Ends of the names of figures that are better when they are larger: none is."""


def parts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each shape, as a document of its own; none of a quick run."""
    rows: list[Row] = [] if document["quick"] else document["rows"]
    return {
        shape: {**document, "rows": [row for row in rows if row["shape"] == shape]}
        for shape in dict.fromkeys(row["shape"] for row in rows)
    }


def machine(document: dict[str, Any]) -> str:
    """The tools that compiled and counted: the computer that they run on changes nothing."""
    return "; ".join(document["versions"].values())


def headlines(document: dict[str, Any]) -> dict[str, float]:
    """Instructions, their ratio to the dense network's, and bytes on the M4, by network and T."""
    found: dict[str, float] = {}
    for row in document["rows"]:
        for core in CORES:
            found[f"{name(row)}: {core} instructions"] = mean(row["ours"]["instructions"][core])
            found[f"{name(row)}: {core} instructions / dense int8"] = ratio(row, core)
        found[f"{name(row)}: RAM bytes"] = row["ours"]["ram"]
        found[f"{name(row)}: code bytes"] = row["ours"]["code"]
    return found
