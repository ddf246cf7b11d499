"""How each layer's letters lie on its membrane, and why a layer is silent."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.analysis.layers import CALIBRATED, QUIET, SILENT
from shiftlif.report.evidence import Evidence
from shiftlif.report.letters import dead
from shiftlif.report.recordings import Drive, Floats, Layer, recordings
from shiftlif.report.section import Chart, Facts, Section
from shiftlif.report.wording import key_of, letter_name, letter_names, number, percent

BINS = 80
TAIL = 0.001
"""Share of the membranes at either end that the first and the last bin take in."""
MOST_RULES = 24
MUTE = 0.2
"""Share of neurons that never speak above which a layer's section says what keeps them silent."""


def membranes(evidence: Evidence) -> list[Section]:
    """One section for each layer of neurons: the membrane before emission over the boundaries of its letters."""
    found = []
    seen = recordings(evidence)
    for position, layer in enumerate(seen.layers, start=1):
        before = seen.layers[position - 2] if position > 1 else None
        blocks: list[Any] = [_facts(layer)]
        if len(layer.original.membranes):
            blocks.insert(0, _histogram(layer, position, seen.samples))
        else:
            blocks.append(
                f"{layer.kind} takes steps of its own, so only its letters can be shown, not its membrane before "
                "them."
            )
        found.append(
            Section(
                key_of("membrane", position, layer.name),
                f"Membrane of {layer.name}",
                _answer(layer, before),
                blocks,
                layer.name,
            )
        )
    return found


def _answer(layer: Layer, before: Layer | None) -> str:
    usage = layer.original.usage
    mute = dead(layer.original, layer.zero)
    many = mute.mean() > MUTE
    if 1 - usage[layer.zero] < QUIET:
        words = why_silent(layer, before)
        return f"{words} {why_mute(layer, mute)}" if many and not mute.all() else words
    silent, top = usage[layer.zero], usage[-1]
    boundary, letters = number(layer.boundary), letter_names(layer.alphabet)
    if layer.alphabet.signed:
        words = (
            f"{percent(silent)} of the membranes of {layer.name} lie between the two boundaries around 0 and send "
            f"nothing; {percent(usage[0])} lie at the lower end and get the letter {letters[0]}, {percent(top)} "
            "at the "
            f"upper end and get {letters[-1]}."
        )
    else:
        words = (
            f"{percent(silent)} of the membranes of {layer.name} stay below the first boundary ({boundary}) and send "
            f"nothing; {percent(top)} lie at or above the top boundary ({number(layer.alphabet.boundaries[-1])}) "
            "and get the "
            f"largest letter {letters[-1]}."
        )
    if many:
        return f"{words} {why_mute(layer, mute)}"
    if not len(layer.original.membranes):
        return words
    beyond = _beyond(layer)
    if beyond == 0:
        return f"{words} The letters cover all of it."
    what = "the outermost letters" if layer.alphabet.signed else f"the largest letter ({letters[-1]}) itself"
    covered, lost = percent(1 - beyond), percent(beyond)
    return f"{words} The letters cover {covered} of it: {lost} lie beyond {what} and are cut off."


def _beyond(layer: Layer) -> float:
    """Share of the membranes that are larger than the largest letter, or smaller than the smallest negative one."""
    u, levels = layer.original.membranes, layer.alphabet.levels
    below = float(np.mean(u < levels[0])) if layer.alphabet.signed else 0.0
    return below + float(np.mean(u > levels[-1]))


def why_silent(layer: Layer, before: Layer | None) -> str:
    """Why a layer hardly ever sends a letter, in words, with the figures that say so.

    A current that lasts makes a membrane of ``drive.lasting`` times the current; that has to reach the first boundary.

    Args:
        layer: whose events are rarer than 2 %.
        before: the layer of neurons in front of it; None for the first.
    """
    events = float(1 - layer.original.usage[layer.zero])
    rarely = (
        "never sends a letter" if events == 0 else f"is nearly silent ({percent(events)} of its emissions)"
    )
    words = f"{layer.name} {rarely}."
    u = layer.original.membranes
    if not len(u):
        return words
    size = np.sort(np.abs(u)) if layer.alphabet.signed else u
    most = 0.99 if events < SILENT else 0.9  # of what is looked at: fewer than its complement may be events
    high, highest = (max(float(v), 0.0) for v in (np.quantile(size, most), size[-1]))
    reached = (
        f"Its membrane is at most {number(highest)}, and {percent(most)} of it lie below {number(high)}; the first "
        "boundary is "
        f"{number(layer.boundary)}"
    )
    times = f", {number(layer.boundary / high)} times as much." if high > 0 else "."
    return f"{words} {reached}{times} {_cause(layer, layer.drive, before, most)}"


def why_mute(layer: Layer, mute: npt.NDArray[np.bool_]) -> str:
    """What keeps some neurons of a layer silent, in words, with the figures that say so.

    Args:
        layer: in which other neurons speak.
        mute: which neurons never sent a letter, ``[neurons]``.
    """
    words = (
        f"{int(mute.sum()):,} of its {len(mute):,} neurons never {'speaks' if mute.sum() == 1 else 'speak'}."
    )
    if not len(layer.original.membranes):
        return words
    reached = np.abs(layer.original.charges) if layer.alphabet.signed else layer.original.charges
    if reached.size:
        highest = float(reached[:, :, mute].max())
        words += (
            f" The highest of their membranes in the samples of the raster is {number(highest)}; the first boundary is "
            f"{number(layer.boundary)}."
        )
    bias = layer.drive.bias
    if len(bias):
        each = np.repeat(bias, len(mute) // len(bias))  # neurons of one channel share a bias
        held, others = float(np.median(each[mute])), float(np.median(each[~mute]))
        if held < min(others, 0.0):
            words += f" Their bias holds them down (median {number(held)}, of the others {number(others)})."
    return f"{words} Train with a lower rate penalty or a smaller scale, or do without them: a smaller width."


def _cause(layer: Layer, drive: Drive, before: Layer | None, most: float) -> str:
    lift, source = drive.lifts, drive.source or "what comes before"
    needed = layer.boundary / drive.lasting
    if lift[0] == 0 == lift[-1]:
        mute = before is not None and before.original.usage[before.zero] == 1
        why = f", because {before.name} never sends a letter" if mute and before is not None else ""
        return f"Nothing arrives: all inputs of {source} are 0{why}."
    strong = float(np.quantile(np.abs(lift) if layer.alphabet.signed else lift, most))
    part_of = f"({percent(most)} of the currents"
    lasting = f"a lasting current of {number(needed)} is what a letter needs"
    if strong >= needed and len(drive.bias) and float(np.median(drive.bias)) < 0:
        return (
            f"Its bias holds it down (median {number(float(np.median(drive.bias)))}): its inputs alone would "
            "bring up "
            f"to {number(strong)} {part_of}), and {lasting}. Train with a lower rate penalty, or start "
            f"with a smaller scale ({CALIBRATED})."
        )
    if strong < needed:
        part = "nothing above 0" if strong <= 0 else f"no more than {number(strong)}"
        return (
            f"What arrives is too weak: {source} brings {part} {part_of} without bias), and "
            f"{lasting}. Its "
            f"weights are small for its scale: lower the scale ({CALIBRATED}), or the rate penalty and the weight "
            "decay that made them small."
        )
    return (
        f"Its inputs bring up to {number(strong)} {part_of}), {lasting}, but they do not last or cancel "
        f"each other out. More steps or a smaller scale ({CALIBRATED}) would let it speak."
    )


def _facts(layer: Layer) -> Facts:
    alphabet, drive = layer.alphabet, layer.drive
    names = letter_names(alphabet)
    pairs = [
        ("neuron", f"{layer.kind} with the letters of {alphabet.name}"),
        ("letters", ", ".join(names if len(names) <= MOST_RULES else [*names[:3], "...", *names[-2:]])),
        ("first and top boundary", f"{number(layer.boundary)} and {number(alphabet.boundaries[-1])}"),
    ]
    for title, record in (("float", layer.original), ("integer", layer.integer)):
        if record is not None and len(record.membranes):
            quantiles = np.quantile(record.membranes, (0.01, 0.5, 0.99)).tolist()
            text = ", ".join(number(q) for q in (*quantiles, float(record.membranes[-1])))
            pairs.append((f"membrane at 1, 50, 99 and 100 % ({title})", text))
    if len(drive.currents):
        quantiles = np.quantile(drive.currents, (0.01, 0.5, 0.99)).tolist()
        pairs.append(("current at 1, 50 and 99 %", ", ".join(map(number, quantiles))))
    if len(drive.bias):
        low, middle, high = (float(f(drive.bias)) for f in (np.min, np.median, np.max))
        pairs.append(
            (
                f"bias of {drive.source}, least, median, largest",
                ", ".join(map(number, (low, middle, high))),
            )
        )
    return Facts(pairs, "In units of the layer's scale")


def _edges(layer: Layer) -> Floats:
    """Ends of the bins: most membranes of both networks, and the letters, or the first boundary of a silent layer."""
    parts = [layer.original.membranes, *([] if layer.integer is None else [layer.integer.membranes])]
    low = min(float(np.quantile(u, TAIL)) for u in parts)
    high = max(float(np.quantile(u, 1 - TAIL)) for u in parts)
    silent = high < layer.boundary
    top = 1.25 * layer.boundary if silent else 1.1 * layer.alphabet.levels[-1]
    bottom = -top if layer.alphabet.signed else -0.1 * top
    edges: Floats = np.linspace(min(low, bottom), max(high, top), BINS + 1)
    return edges


def _shares(u: Floats, edges: Floats) -> Floats:
    inside = np.clip(u, edges[0], edges[-1])
    shares: Floats = np.histogram(inside, edges)[0] / len(u)
    return shares


def _histogram(layer: Layer, position: int, samples: int) -> Chart:
    edges = _edges(layer)
    original = _shares(layer.original.membranes, edges)
    integer = None if layer.integer is None else _shares(layer.integer.membranes, edges)
    rows: list[dict[str, Any]] = [
        {
            "kind": "bin",
            "from": round(float(a), 6),
            "to": round(float(b), 6),
            "float": round(float(original[i]), 6),
            "integer": None if integer is None else round(float(integer[i]), 6),
        }
        for i, (a, b) in enumerate(pairwise(edges))
    ]
    rows += _rules(layer, edges)
    bins = [
        {"field": "from", "type": "quantitative", "title": "membrane from", "format": ".3g"},
        {"field": "to", "type": "quantitative", "title": "to", "format": ".3g"},
        {"field": "float", "type": "quantitative", "title": "share, float", "format": ".2%"},
        {"field": "integer", "type": "quantitative", "title": "share, integer", "format": ".2%"},
    ]
    x = {
        "field": "from",
        "type": "quantitative",
        "title": "membrane before emission / scale",
        "axis": {"tickCount": 10},
        "scale": {"domain": [float(edges[0]), float(edges[-1])], "nice": False},
    }
    # Half as much again above the highest bar: four lines of letters lie there.
    most = max(float(shares.max()) for shares in (original, integer) if shares is not None)
    y = {
        "type": "quantitative",
        "title": "share of membranes",
        "axis": {"format": "%"},
        "scale": {"type": "sqrt", "domain": [0, 1.6 * most]},
    }
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "datum.kind == 'bin'"}],
            "mark": {"type": "rect", "opacity": 0.6},
            "encoding": {
                "x": x,
                "x2": {"field": "to"},
                "y": {**y, "field": "float"},
                "y2": {"datum": 0},
                "color": {"datum": "float network"},
                "tooltip": bins,
            },
        }
    ]
    if integer is not None:
        layers.append(
            {
                "transform": [{"filter": "datum.kind == 'bin'"}],
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "integer"},
                    "color": {"datum": "integer network"},
                    "tooltip": bins,
                },
            }
        )
    boundary = {"at": {"field": "at", "type": "quantitative"}}
    words = [
        {"field": "letter", "type": "nominal", "title": "letter from here on"},
        {"field": "at", "type": "quantitative", "title": "boundary", "format": ".4g"},
        {"field": "float", "type": "quantitative", "title": "share of it, float", "format": ".2%"},
        {"field": "integer", "type": "quantitative", "title": "share of it, integer", "format": ".2%"},
    ]
    rules = {"transform": [{"filter": "datum.kind == 'boundary'"}]}
    layers.append(
        {
            **rules,
            "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1.5},
            "encoding": {
                "x": boundary["at"],
                "color": {"datum": "boundaries and their letters"},
                "tooltip": words,
            },
        }
    )
    layers.append(
        {
            **rules,
            "mark": {
                "type": "text",
                "align": "left",
                "dx": 3,
                "dy": {"expr": "6 + 13 * datum.line"},
                "baseline": "top",
            },
            "encoding": {
                "x": boundary["at"],
                "y": {"value": 0},
                "text": {"field": "letter"},
                "color": {"datum": "boundaries and their letters"},
                "tooltip": words,
            },
        }
    )
    spec = {
        "height": 260,
        "layer": layers,
        "encoding": {"color": {"type": "nominal", "scale": {"scheme": "tableau10"}, "title": None}},
    }
    drawn, boundaries = sum(row["kind"] == "boundary" for row in rows), len(layer.alphabet.boundaries)
    which = "the boundaries" if drawn == boundaries else f"{drawn} of the {boundaries} boundaries"
    both = "the float" if integer is None else "the float and in the integer"
    return Chart(
        key_of("membrane-histogram", position, layer.name),
        f"Membrane of {layer.name} when it meets its boundaries",
        spec,
        rows,
        f"How often the membrane of {layer.name} has which size before it emits, in {both} network, over "
        f"{samples} samples and all steps; dashed lines are {which}, each with the letter that begins there. "
        "The height grows with the square root of the share; the outermost bars hold what lies outside.",
    )


def _rules(layer: Layer, edges: Floats) -> list[dict[str, Any]]:
    """A row for each boundary inside the bins, or for some of them, evenly chosen, where there are many."""
    alphabet = layer.alphabet
    inside = [i for i, b in enumerate(alphabet.boundaries) if edges[0] <= b <= edges[-1]]
    if len(inside) > MOST_RULES:
        inside = [inside[i] for i in np.linspace(0, len(inside) - 1, MOST_RULES).round().astype(int)]
    original, integer = layer.original.usage, None if layer.integer is None else layer.integer.usage
    rows = []
    for line, i in enumerate(inside):
        # The letter above a boundary is the next one; below 0 the boundary is where the letter under it ends.
        rows.append(
            {
                "kind": "boundary",
                "at": alphabet.boundaries[i],
                "letter": letter_name(alphabet.levels[i + 1]),
                "line": line % 4,
                "float": round(float(original[i + 1]), 6),
                "integer": None if integer is None else round(float(integer[i + 1]), 6),
            }
        )
    return rows
