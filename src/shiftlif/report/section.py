"""What a report is made of: sections, and in them facts, tables, charts and pictures of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SMALL = 420
"""Width in pixels up to which charts stand beside each other."""
Row = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class Facts:
    """Names and values, in reading order; a value is text as it is to be shown."""

    pairs: Sequence[tuple[str, str]]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        key: unique in a report, of ``[a-z0-9-]``; names the exported file.
        title: above it.
        columns: names of the rows' fields, in order.
        rows: numbers stay numbers, so that the reader can sort and export them.
        reading: one sentence that says what it shows; what a screen reader says first.
    """

    key: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    reading: str


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite figure and the rows behind it, which can be exported and read as a table.

    Attributes:
        key: unique in a report, of ``[a-z0-9-]``.
        title: above it.
        spec: Vega-Lite without ``data``, ``config`` and colours of the theme, which the page adds. The outermost view
            takes the width there is, at most its own ``width`` where it says one; charts of at most `SMALL` pixels
            stand beside each other. A facet or a concatenation may say sizes; one with ``columns`` has fewer where
            there is no room. A colour ``"@ink"``, ``"@paper"``, ``"@muted"``, ``"@accent"``, ``"@bad"``, ``"@grid"``
            or ``"@rule"`` is the theme's; where a scale names a scheme of Vega, the theme's range of its kind is taken.
            Every mark has a tooltip.
        rows: what the spec's fields name; strings are data, never markup.
        reading: one sentence that says what it shows: the caption, and the description for screen readers.
    """

    key: str
    title: str
    spec: Mapping[str, Any]
    rows: Sequence[Row]
    reading: str


Block = Facts | Table | Chart | str
"""A string is a paragraph of plain text."""


@dataclass(frozen=True)
class Section:
    """One question a reader has, answered.

    Attributes:
        key: unique in a report, of ``[a-z0-9-]``; the anchor.
        title: a few words.
        answer: one or two plain sentences, computed from the run, that answer the section's question.
        blocks: the evidence.
        layer: name of the layer it is about, for sections that exist once per layer.
    """

    key: str
    title: str
    answer: str
    blocks: Sequence[Block]
    layer: str | None = None
