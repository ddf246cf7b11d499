"""Sections as HTML: every text is escaped here, every chart and table leaves its data in `Material`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import Any

from shiftlif.report.embed import columnar, plain
from shiftlif.report.section import SMALL, Block, Chart, Facts, Section, Table

NO_BREAK = "\N{NO-BREAK SPACE}"
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|nJ|bytes|bits)(?!\w))")
LONG = 24
"""Characters of a cell from which it may break behind ``/`` and ``_`` too, as names of files have no spaces."""
SMALLEST = 1e-4
"""Smaller fractions are written with an exponent."""


@dataclass
class Material:
    """What the page's script works with: charts and tables by key."""

    charts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)


def section_body(section: Section, level: int, material: Material, prefix: str = "") -> str:
    """The answer and the blocks of a section.

    Args:
        section: without its heading.
        level: of the headings of its blocks, 3 to 6.
        material: takes the data.
        prefix: of the keys, which are unique in one report, where a page holds two.
    """
    parts = [_paragraph(section.answer, "answer")] if section.answer else []
    for kind, blocks in groupby(section.blocks, _kind):
        made = [_block(block, level, material, prefix) for block in blocks]
        parts.append(f'<div class="{kind}">{"".join(made)}</div>' if kind else "\n".join(made))
    return "\n".join(parts)


def _kind(block: Block) -> str:
    """What stands beside its like: facts, small charts, and nothing else."""
    if isinstance(block, Facts):
        return "facts-group"
    return "charts" if isinstance(block, Chart) and block.spec.get("width", SMALL + 1) <= SMALL else ""


def _block(block: Block, level: int, material: Material, prefix: str) -> str:
    if isinstance(block, Facts):
        return _facts(block, level)
    if isinstance(block, Chart):
        return _chart(block, level, material, prefix)
    if isinstance(block, Table):
        return _table(block, level, material, prefix)
    assert isinstance(block, str)
    return _paragraph(block, "note")


def _text(text: str) -> str:
    """Escaped, and a number keeps its unit in its line."""
    return escape(_BEFORE_UNIT.sub(NO_BREAK, text))


def _paragraph(text: str, kind: str) -> str:
    return f'<p class="{kind}">{_text(text)}</p>'


def heading(text: str, level: int) -> str:
    """A heading of a level."""
    return f"<h{level}>{escape(text)}</h{level}>"


def _facts(facts: Facts, level: int) -> str:
    pairs = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts.pairs
    )
    title = heading(facts.title, level) if facts.title else ""
    return f'<div class="facts">{title}<dl>{pairs}</dl></div>'


def _chart(chart: Chart, level: int, material: Material, prefix: str) -> str:
    key = prefix + chart.key
    material.charts[key] = {"spec": chart.spec, "title": chart.title} | columnar(chart.rows)
    label = escape(f"{chart.title}. {chart.reading}", quote=True)
    return f"""<figure class="chart" id="{key}" data-chart="{key}">
{_over(chart.title, level, "csv", "svg")}
<div class="scroll"><div class="plot" role="img" aria-label="{label}"></div></div>
<div class="paper" aria-hidden="true"></div>
<figcaption>{_text(chart.reading)}</figcaption>
<details class="as-table"><summary>Show as table<span class="hidden">: {escape(chart.title)}</span></summary>
<div class="scroll"></div></details>
</figure>"""


_EXPORTS = {"csv": ("data (CSV)", "data as CSV"), "svg": ("SVG", "picture as SVG")}


def _over(title: str, level: int, *exports: str) -> str:
    """The line over a chart or a table: its title, and buttons that save it."""
    buttons = "".join(
        f'<button type="button" data-do="{name}" aria-label="{escape(f"{title}: {spoken}", quote=True)}">'
        f"{written}</button>"
        for name, (written, spoken) in _EXPORTS.items()
        if name in exports
    )
    return f'<div class="over">{heading(title, level)}<div class="tools">{buttons}</div></div>'


def _table(table: Table, level: int, material: Material, prefix: str) -> str:
    key = prefix + table.key
    material.tables[key] = columnar(table.rows, table.columns)
    columns = {name: [row.get(name) for row in table.rows] for name in table.columns}
    numeric = {name: _is_numeric(values) for name, values in columns.items()}
    head = "".join(
        f'<th scope="col"{_class(numeric[name])}><button type="button" data-do="sort">{escape(name)}</button></th>'
        for name in columns
    )
    texts = zip(*(column_texts(values) for values in columns.values()), strict=True)
    body = "".join(
        f'<tr data-row="{i}">'
        + "".join(
            f"<td{_class(n)}>{_breaking(text)}</td>" for n, text in zip(numeric.values(), row, strict=True)
        )
        + "</tr>"
        for i, row in enumerate(texts)
    )
    return f"""<div class="table" id="{key}" data-table="{key}">
{_over(table.title, level, "csv")}
<p class="caption" id="{key}-reading">{_text(table.reading)}</p>
<div class="scroll"><table aria-label="{escape(table.title, quote=True)}" aria-describedby="{key}-reading">
<thead><tr>{head}</tr></thead>
<tbody>{body}</tbody></table></div>
</div>"""


def _breaking(text: str) -> str:
    made = _text(text)
    return re.sub("([/_])", r"\1<wbr>", made) if len(text) >= LONG else made


def _class(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _is_numeric(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(plain(value), (int, float)) for value in known)


def column_texts(values: Sequence[Any]) -> list[str]:
    """The cells of a column; one of fractions has as many decimals as the one that needs most, five digits in all."""
    found = [plain(value) for value in values]
    fractions = [value for value in found if isinstance(value, float)]
    alike = all(value is None or isinstance(value, float) for value in found)
    most = max((_decimals(value) for value in fractions), default=0)
    return [_cell(value, most if alike else None) for value in found]


def _decimals(value: float) -> int:
    return len(f"{value:.5g}".partition(".")[2]) if SMALLEST <= abs(value) < 1e5 else 0


def _cell(value: Any, decimals: int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < SMALLEST:
        return f"{value:.3g}"
    return f"{value:,.{_decimals(value) if decimals is None else decimals}f}"
