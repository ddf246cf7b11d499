"""One HTML file out of sections: contents, landmarks, charts, scripts and styles, and nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from string import Template

from shiftlif.errors import ConfigurationError
from shiftlif.report.embed import asset, in_script, json_in_html, script_hash, vega_scripts
from shiftlif.report.markup import Material, section_body
from shiftlif.report.section import Section, Table

LAYERS = "layers"
LAYERS_ANSWER = "Every layer of neurons, front to back."
SIDES = ("a", "b")
BESIDE = 6
"""Columns of a table that has room beside another one, at most; wider tables of two runs stand below each other."""


@dataclass(frozen=True)
class Side:
    """One run on a page: its name, one line about it, its sections."""

    name: str
    about: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class _Entry:
    """A section of the page: what each run says about it, None where one has nothing."""

    key: str
    title: str
    layer: str | None
    found: tuple[Section | None, ...]


def page(sides: Sequence[Side], shared: Section | None = None) -> str:
    """The page of one run, or of two side by side.

    Args:
        sides: one or two.
        shared: of two, a section that compares them; it replaces both sections of its key.

    Raises:
        ConfigurationError: vl-convert is not installed, or there are more than two sides.
    """
    if len(sides) not in (1, 2):
        raise ConfigurationError(f"a report shows one run or two side by side, got {len(sides)}")
    material = Material()
    entries = _paired(sides)
    names = [side.name for side in sides]
    parts, contents = [], []
    layers = [entry for entry in entries if entry.layer is not None]
    for entry in entries:
        if entry.layer is not None:
            if entry is layers[0]:
                parts.append(_layers(layers, names, material))
                contents.append(_layer_contents(layers))
            continue
        if shared is not None and entry.key == shared.key:
            body = section_body(shared, 3, material)
        else:
            body = _bodies(entry, names, 3, material)
        parts.append(_section(entry.key, entry.title, body))
        contents.append(f'<li><a href="#{entry.key}">{escape(entry.title)}</a></li>')
    return _filled(sides, "\n".join(contents), "\n".join(parts), material)


def _paired(sides: Sequence[Side]) -> list[_Entry]:
    """The sections of all sides by key, in the order of the first side; then what only the second has."""
    by_key = [{section.key: section for section in side.sections} for side in sides]
    keys = dict.fromkeys(key for sections in by_key for key in sections)
    entries = []
    for key in keys:
        found = tuple(sections.get(key) for sections in by_key)
        first = next(section for section in found if section is not None)
        entries.append(_Entry(key, first.title, first.layer, found))
    return entries


def _section(key: str, title: str, body: str) -> str:
    head = f'<section id="{key}" aria-labelledby="{key}-title"><h2 id="{key}-title">{escape(title)}</h2>'
    return f"{head}\n{body}\n</section>"


def _bodies(entry: _Entry, names: Sequence[str], level: int, material: Material) -> str:
    if len(names) == 1:
        assert entry.found[0] is not None
        return section_body(entry.found[0], level, material)
    columns, below = [], []
    for side, name, section in zip(SIDES, names, entry.found, strict=True):
        head = f'<h{level} class="run">{escape(name)}</h{level}>'
        if section is None:
            body = '<p class="note">This run has no such section.</p>'
        else:
            wide = [b for b in section.blocks if isinstance(b, Table) and len(b.columns) > BESIDE]
            blocks = [block for block in section.blocks if block not in wide]
            body = section_body(replace(section, blocks=blocks), min(level + 1, 6), material, f"{side}-")
            if wide:
                whole = section_body(
                    replace(section, answer="", blocks=wide), min(level + 1, 6), material, f"{side}-"
                )
                below.append(f'<div class="side">{head}\n{whole}</div>')
        columns.append(f'<div class="side">{head}\n{body}</div>')
    return f'<div class="pair">{"".join(columns)}</div>{"".join(below)}'


def _by_layer(entries: Sequence[_Entry]) -> dict[str, list[_Entry]]:
    grouped: dict[str, list[_Entry]] = {}
    for entry in entries:
        grouped.setdefault(str(entry.layer), []).append(entry)
    return grouped


def _layers(entries: Sequence[_Entry], names: Sequence[str], material: Material) -> str:
    folded = []
    for number, (layer, own) in enumerate(_by_layer(entries).items()):
        bodies = "\n".join(
            f'<section id="{entry.key}" aria-labelledby="{entry.key}-title">'
            f'<h4 id="{entry.key}-title">{escape(entry.title)}</h4>\n{_bodies(entry, names, 5, material)}</section>'
            for entry in own
        )
        folded.append(
            f'<details class="layer" id="layer-{number}"{" open" if number == 0 else ""}>'
            f"<summary><h3>{escape(layer)}</h3></summary>\n{bodies}</details>"
        )
    buttons = (
        '<div class="tools"><button type="button" data-do="open">open all layers</button>'
        '<button type="button" data-do="close">close all layers</button></div>'
    )
    body = f'<p class="answer">{LAYERS_ANSWER}</p>{buttons}\n' + "\n".join(folded)
    return _section(LAYERS, "Layers", body)


def _layer_contents(entries: Sequence[_Entry]) -> str:
    items = "".join(
        f'<li><a href="#layer-{number}">{escape(layer)}</a></li>'
        for number, layer in enumerate(_by_layer(entries))
    )
    return f'<li><a href="#{LAYERS}">Layers</a><ol>{items}</ol></li>'


def _filled(sides: Sequence[Side], contents: str, body: str, material: Material) -> str:
    early, vega, late = (in_script(asset("theme.js")), vega_scripts(), in_script(asset("page.js")))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(script_hash(script) for script in (early, vega, late))}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    names = [side.name for side in sides]
    title = " and ".join(names)
    about = "".join(
        f'<p class="about">{f"<b>{escape(side.name)}</b> " if len(sides) > 1 else ""}{escape(side.about)}</p>'
        for side in sides
    )
    return Template(asset("page.html")).substitute(
        policy=escape(policy, quote=True),
        title=escape(title),
        about=about,
        kind="pairs" if len(sides) > 1 else "single",
        contents=contents,
        body=body,
        style=asset("page.css"),
        data=json_in_html({"name": title, "charts": material.charts, "tables": material.tables}),
        early=early,
        vega=vega,
        late=late,
    )
