"""How each layer's scale, and with it its boundaries, moved while the run was trained."""

from __future__ import annotations

from typing import Any

from shiftlif.alphabet import Alphabet
from shiftlif.neuron import SpikingNeuron
from shiftlif.program.storage import read_file
from shiftlif.report.evidence import Evidence
from shiftlif.report.learning import Metrics, read_history
from shiftlif.report.section import SMALL, Block, Chart, Row, Section, Table
from shiftlif.report.wording import listing, number, percent, plural
from shiftlif.training.runs import HISTORY

KEY, TITLE = "scales", "How did scales and thresholds move in training?"
SETTLED = 0.02
"""A scale that moved less than this share in the last tenth of the epochs has settled."""
TABLE_ROWS = 60
SHOWN = 3
"""Significant digits of a scale in a sentence."""
Track = list[tuple[int, float, float, float]]
"""Epoch, mean, least and largest scale over channels."""


def scales(evidence: Evidence) -> Section:
    """Trajectories from ``metrics.csv``; it says so where the scales are fixed or were not written."""
    neurons = {
        name: neuron
        for name, neuron in evidence.run.network.stateful_layers()
        if isinstance(neuron, SpikingNeuron)
    }
    best = evidence.run.summary.get("best_epoch")
    now = _now(neurons, best)
    learnt = [name for name, neuron in neurons.items() if neuron.learnable_scale]
    if not learnt:
        return Section(
            KEY,
            TITLE,
            f"The scales of this run are fixed: {_fixed(neurons)}. Training did not move them.",
            [now],
        )
    file = evidence.run.folder / HISTORY
    history = read_history(read_file(file).decode(errors="replace")) if file.is_file() else []
    tracks = {name: track for name in learnt if (track := _track(history, name))}
    if not tracks:
        answer = (
            f"The scales of this run were learnt, but its {HISTORY} does not hold them: it was trained by a "
            "version that "
            "did not write them. The table shows where they ended; train again to see the way."
        )
        return Section(KEY, TITLE, answer, [now])
    blocks: list[Block] = [_scale_chart(tracks, best), _boundary_chart(tracks, neurons, best)]
    taus = [chart for chart in (_tau_chart(history, neurons, best),) if chart is not None]
    return Section(KEY, TITLE, _answer(tracks), [*blocks, *taus, now])


def _fixed(neurons: dict[str, SpikingNeuron]) -> str:
    found = sorted({number(float(neuron.effective_scale().mean())) for neuron in neurons.values()})
    return listing(found) if found else "there is no layer of neurons"


def _track(history: Metrics, name: str) -> Track:
    found = []
    for row in history:
        epoch, mean = row.get("epoch"), row.get(f"scale/{name}")
        if epoch is None or mean is None:
            continue
        low, high = row.get(f"scale_low/{name}"), row.get(f"scale_high/{name}")
        found.append((int(epoch), mean, mean if low is None else low, mean if high is None else high))
    return found


def _answer(tracks: dict[str, Track]) -> str:
    changes = {name: track[-1][1] / track[0][1] - 1 for name, track in tracks.items()}
    first, last = next(iter(tracks.values()))[0][0], next(iter(tracks.values()))[-1][0]
    if first == last:
        return (
            f"The run has scales of one epoch only, so there is no way to show: "
            f"{listing([f'{name} {number(track[-1][1])}' for name, track in tracks.items()])}."
        )
    most = max(changes, key=lambda name: abs(changes[name]))
    track = tracks[most]
    # The change is that of the figures as they are shown, so that a reader who checks it finds the same.
    before, after = (float(f"{track[at][1]:.{SHOWN}g}") for at in (0, -1))
    grew = "grew" if after > before else "shrank"
    still = f"no scale moved{' by as much as 1 %' if changes[most] else ''}"
    much = f"from {number(before)} to {number(after)}, by {percent(abs(after / before - 1))}"
    words = f"From epoch {first} to {last} " + (
        f"the scale of {most} moved most: it {grew} {much}" if before != after else still
    )
    moving = [name for name, track in tracks.items() if _late_change(track) > SETTLED]
    end = (
        f"{listing(moving)} still moved in the last epochs"
        if moving
        else "in the last epochs all had settled"
    )
    return f"{words}; {end}. A larger scale means higher boundaries and larger spikes."


def _late_change(track: Track) -> float:
    """Relative change over the last tenth of the epochs, at least one epoch."""
    if len(track) < 2:
        return 0.0
    before = track[-1 - max(1, len(track) // 10)][1]
    return abs(track[-1][1] / before - 1)


def _epoch_axis(ticks: int = 8) -> dict[str, Any]:
    return {
        "field": "epoch",
        "type": "quantitative",
        "axis": {"tickMinStep": 1, "format": "d", "tickCount": ticks},
        "scale": {"nice": False, "zero": False},
    }


def _kept(best: Any, ticks: int = 8) -> list[dict[str, Any]]:
    """A rule at the epoch whose weights were kept."""
    if not isinstance(best, int):
        return []
    return [
        {
            "transform": [{"filter": f"datum.epoch == {best}"}],
            "mark": {"type": "rule", "strokeDash": [3, 3], "color": "@muted"},
            "encoding": {
                "x": _epoch_axis(ticks),
                "tooltip": [{"field": "epoch", "type": "quantitative", "title": "kept epoch"}],
            },
        }
    ]


def _scale_chart(tracks: dict[str, Track], best: Any) -> Chart:
    rows: list[Row] = [
        {
            "epoch": epoch,
            "layer": name,
            "scale": round(mean, 6),
            "least": round(low, 6),
            "largest": round(high, 6),
        }
        for name, track in tracks.items()
        for epoch, mean, low, high in track
    ]
    colour = _coloured("layer", symbolOpacity=1)
    words = [
        {"field": "layer", "type": "nominal"},
        {"field": "epoch", "type": "quantitative"},
        {"field": "scale", "type": "quantitative", "format": ".4f"},
        {"field": "least", "type": "quantitative", "title": "least of its channels", "format": ".4f"},
        {"field": "largest", "type": "quantitative", "title": "largest of its channels", "format": ".4f"},
    ]
    y = {"type": "quantitative", "title": "scale", "scale": {"zero": False}}
    spec = {
        "width": SMALL,
        "height": 220,
        "layer": [
            *_kept(best),
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {
                    "x": _epoch_axis(),
                    "y": {**y, "field": "least"},
                    "y2": {"field": "largest"},
                    "color": colour,
                    "tooltip": words,
                },
            },
            {
                "mark": {"type": "line", "point": {"size": 24, "filled": True}},
                "encoding": {
                    "x": _epoch_axis(),
                    "y": {**y, "field": "scale"},
                    "color": colour,
                    "tooltip": words,
                },
            },
        ],
    }
    reading = (
        f"The scale of {plural(len(tracks), 'layer')} after each epoch; a band spans its channels where they have "
        "their "
        "own. The dashed rule marks the epoch whose weights were kept."
    )
    return Chart("scales-track", "Scales", spec, rows, reading)


def _thresholds(alphabet: Alphabet) -> dict[str, float]:
    """What is drawn of a layer, in units of its scale: from the first boundary above 0 to the largest letter."""
    first = alphabet.boundaries[alphabet.levels.index(0.0)]
    found = {"largest letter": alphabet.levels[-1], "top boundary": alphabet.boundaries[-1]}
    return found if first == alphabet.boundaries[-1] else {**found, "first boundary": first}


def _boundary_chart(tracks: dict[str, Track], neurons: dict[str, SpikingNeuron], best: Any) -> Chart:
    rows: list[Row] = [
        {"epoch": epoch, "layer": name, "of": of, "value": round(mean * factor, 6)}
        for name, track in tracks.items()
        for of, factor in _thresholds(neurons[name].alphabet).items()
        for epoch, mean, _, _ in track
    ]
    lines = {
        "mark": {"type": "line", "point": {"size": 16, "filled": True}},
        "encoding": {
            "x": _epoch_axis(4),
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": "membrane",
                "scale": {"type": "log", "nice": False, "padding": 8},
                "axis": {"format": ".2~g", "tickCount": 5},
            },
            "color": _coloured("of"),
            "tooltip": [
                {"field": "layer", "type": "nominal"},
                {"field": "epoch", "type": "quantitative"},
                {"field": "of", "type": "nominal", "title": "what"},
                {"field": "value", "type": "quantitative", "title": "membrane", "format": ".4f"},
            ],
        },
    }
    spec = {
        "facet": {"field": "layer", "type": "nominal", "sort": list(tracks), "title": None},
        "columns": 3,
        "spec": {"width": 200, "height": 150, "layer": [*_kept(best, 4), lines]},
    }
    means = {name: float(neurons[name].effective_scale().detach().mean()) for name in tracks}
    kept = [f"{name} {number(mean * neurons[name].alphabet.boundaries[-1])}" for name, mean in means.items()]
    reading = (
        "Where the boundaries of each layer lay after each epoch, in the unit of its membrane (mean over "
        "channels), on a "
        f"logarithmic axis. In the weights that were kept{_of(best)} the top boundary is: {', '.join(kept)}."
    )
    return Chart("scales-thresholds", "Boundaries of each layer", spec, rows, reading)


def _coloured(field: str, **legend: Any) -> dict[str, Any]:
    """A colour for each of a field's values, in their order, named above the chart."""
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "sort": None,
        "scale": {"scheme": "tableau10"},
        "legend": {"orient": "top", **legend},
    }


def _tau_chart(history: Metrics, neurons: dict[str, SpikingNeuron], best: Any) -> Chart | None:
    rows: list[Row] = [
        {"epoch": int(epoch), "layer": name, "tau": round(tau, 5)}
        for name in neurons
        for row in history
        if (epoch := row.get("epoch")) is not None and (tau := row.get(f"tau/{name}")) is not None
    ]
    if not rows:
        return None
    lines = {
        "mark": {"type": "line", "point": {"size": 24, "filled": True}},
        "encoding": {
            "x": _epoch_axis(),
            "y": {"field": "tau", "type": "quantitative", "title": "tau (steps)", "scale": {"zero": False}},
            "color": _coloured("layer"),
            "tooltip": [
                {"field": "layer", "type": "nominal"},
                {"field": "epoch", "type": "quantitative"},
                {"field": "tau", "type": "quantitative", "format": ".3f"},
            ],
        },
    }
    spec = {"width": SMALL, "height": 220, "layer": [*_kept(best), lines]}
    reading = "How many steps the membrane of each layer remembers (its time constant) after each epoch."
    return Chart("scales-tau", "Time constants", spec, rows, reading)


def _of(best: Any) -> str:
    return f", those of epoch {best}," if isinstance(best, int) else ""


def _now(neurons: dict[str, SpikingNeuron], best: Any) -> Table:
    """Where scales and boundaries are in the trained network."""
    rows: list[dict[str, Any]] = []
    for name, neuron in list(neurons.items())[:TABLE_ROWS]:
        scale = neuron.effective_scale().detach()
        mean = float(scale.mean())
        thresholds = _thresholds(neuron.alphabet)
        rows.append(
            {
                "layer": name,
                "neuron": type(neuron).__name__,
                "letters": neuron.alphabet.n_levels,
                "scale": round(mean, 5),
                "least scale": round(float(scale.min()), 5),
                "largest scale": round(float(scale.max()), 5),
                "learnt": "yes" if neuron.learnable_scale else "no",
                "first boundary": round(
                    mean * thresholds.get("first boundary", thresholds["top boundary"]), 5
                ),
                "top boundary": round(mean * thresholds["top boundary"], 5),
                "tau": number(neuron.tau),
            }
        )
    columns = list(rows[0]) if rows else ["layer"]
    reading = (
        "Scale, boundaries (mean over channels, in the unit of the membrane) and time constant of each layer in the "
        f"weights that were kept{_of(best).rstrip(',')}."
    )
    return Table("scales-now", "Where they are in the trained network", columns, rows, reading)
