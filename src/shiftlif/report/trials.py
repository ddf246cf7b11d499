"""What a run reaches and costs with other letters: a sentence, a table, and accuracy over additions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from shiftlif.report.section import Chart, Table
from shiftlif.report.wording import accuracy, listing, number, percent, plural

SAME = 0.001
"""Numbers of additions that differ by a smaller share are as many."""
NEAR = {"additions": 0.12, "accuracy": 0.1}
"""Shares of the axes within which the labels of two points would lie on each other; such points have one label."""
LEAST_SPAN = 0.1
"""Of the axis of accuracies: where all points lie closer together, they are shown to."""


@dataclass(frozen=True)
class Trial:
    """The network of a run with other letters, everything else as it was trained.

    Attributes:
        size: K or L of every layer; None: as trained.
        accuracy: of the float network on the validation samples.
        adds: additions per inference of the program; None where it has none.
        events: letters other than 0 per neuron and step in it.
    """

    size: int | None
    accuracy: float
    adds: float | None
    events: float | None


def answer(kind: str, sizes: list[int], trials: list[Trial], samples: int) -> str:
    """The best other choice and the next smaller size (or, where there is none, larger), against the run as trained.

    Choices within the standard error of the samples (`alike`) are not ranked.
    """
    trained = trials[0]
    now = f"{kind}={sizes[0]}" if len(set(sizes)) == 1 else f"{kind} from {min(sizes)} to {max(sizes)}"
    known = {trial.size: trial for trial in trials[1:]}
    wanted = max(sizes) - 1
    which, few = (wanted, "fewer") if wanted in known else (max(sizes) + 1, "more")
    if which not in known:
        return f"The layers have {now}, and there is no other size to compare with."
    best, other = max(trials[1:], key=lambda trial: trial.accuracy), known[which]
    equal = [trial for trial in trials[1:] if alike(trial, trained, samples)]
    text = (
        _unranked(kind, now, trained, equal, samples)
        if best in equal
        else _best(kind, now, trials, best, samples)
    )
    if other is not best and not (best in equal and other in equal):
        text += (
            f" With {kind}={which} in every layer ({few} letters) it is {accuracy(other.accuracy)}"
            f"{_additions(other, trained)}."
        )
    if any(trial not in equal and trial.accuracy < trained.accuracy for trial in (best, other)):
        text += " Training with other letters would usually do better than that."
    return text


def alike(a: Trial, b: Trial, samples: int) -> bool:
    """Whether two accuracies differ by no more than the standard error of their difference.

    That of two binomial shares p of n answers, sqrt(p (1 - p) / n + q (1 - q) / n). Each share is taken as
    (right + 1) / (n + 2), Laplace's rule of succession: few samples that are all answered right are not certain.
    """
    variance = 0.0
    for share in (a.accuracy, b.accuracy):
        expected = (share * samples + 1) / (samples + 2)
        variance += expected * (1 - expected) / samples
    return abs(a.accuracy - b.accuracy) <= math.sqrt(variance)


def _unranked(kind: str, now: str, trained: Trial, equal: list[Trial], samples: int) -> str:
    """Which other choices do as well as the run as trained, as far as the samples can tell."""
    least, most = (accuracy(find(trial.accuracy for trial in equal)) for find in (min, max))
    names = [f"{kind}={trial.size}" for trial in equal]
    reached = most if least == most else f"{least} to {most}"
    text = (
        f"As trained, with {now}, {accuracy(trained.accuracy)} of {plural(samples, 'validation sample')} are answered "
        f"right; without retraining, {listing(names)} {'reaches' if len(equal) == 1 else 'reach'} {reached}: these "
        "samples are too few to tell which is best."
    )
    counted = [(trial.adds, trial) for trial in equal if trial.adds is not None]
    if not counted or not trained.adds:
        return text
    adds, cheapest = min(counted, key=lambda pair: pair[0])
    if adds > (1 - SAME) * trained.adds:
        return text
    which = "It is cheaper" if len(equal) == 1 else f"The cheapest of them is {kind}={cheapest.size}"
    return f"{text} {which}{_additions(cheapest, trained)}."


def _best(kind: str, now: str, trials: list[Trial], best: Trial, samples: int) -> str:
    """The most accurate other choice, which is better or worse than the run as trained."""
    trained = trials[0]
    equal = [f"{kind}={t.size}" for t in trials[1:] if t is not best and alike(t, best, samples)]
    also = f" ({listing(equal)} too, as far as these samples can tell)" if equal else ""
    return (
        f"The best other choice is {kind}={best.size}{also}: without retraining, {accuracy(best.accuracy)} of "
        f"{samples} validation samples are answered right instead of {accuracy(trained.accuracy)} with {now} as trained"
        f"{_additions(best, trained)}."
    )


def _additions(trial: Trial, trained: Trial) -> str:
    if not trained.adds or trial.adds is None:
        return ""
    change = trial.adds / trained.adds - 1
    much = f"{percent(abs(change))} {'more' if change > 0 else 'fewer'}"
    return f", with {much if abs(change) >= SAME else 'as many'} additions"


def trial_table(kind: str, trials: list[Trial], sizes: list[int]) -> Table:
    """Accuracy, additions and letters sent of every trial."""
    own = f"{kind}={sizes[0]}" if len(set(sizes)) == 1 else ", ".join(map(str, sizes))
    counted = any(trial.adds is not None for trial in trials)
    columns = [
        "letters",
        "accuracy %, not retrained",
        *(["additions per inference", "letters per neuron and step"] if counted else []),
    ]
    rows = [
        {
            "letters": f"as trained ({own})" if trial.size is None else f"{kind}={trial.size}",
            "accuracy %, not retrained": round(100 * trial.accuracy, 2),
            "additions per inference": None if trial.adds is None else round(trial.adds),
            "letters per neuron and step": None if trial.events is None else round(trial.events, 4),
        }
        for trial in trials
    ]
    return Table(
        "alphabets-trials",
        f"The same weights with another {kind} in every layer",
        columns,
        [{name: row[name] for name in columns} for row in rows],
        "Accuracy of the float network on validation samples with the letters of each row and the trained weights; "
        "additions are those of its integer program. The largest letter stays as large as it was trained.",
    )


def tradeoff(kind: str, trials: list[Trial]) -> list[Chart]:
    """Accuracy over additions; nothing where there are no additions to show."""
    rows: list[dict[str, Any]] = [
        {
            "letters": "as trained" if trial.size is None else f"{kind}={trial.size}",
            "kind": "as trained" if trial.size is None else "not retrained",
            "accuracy": round(trial.accuracy, 4),
            "additions": round(trial.adds),
        }
        for trial in trials
        if trial.adds is not None
    ]
    if len(rows) < 2:
        return []
    for row, label in zip(rows, labels(rows), strict=True):
        row["label"] = label
    text = {"field": "label", "type": "nominal"}
    axes = {
        "x": {
            "field": "additions",
            "type": "quantitative",
            "title": "additions per inference",
            "scale": {"zero": False, "padding": 36},
            "axis": {"format": "~s", "tickCount": 8},
        },
        "y": {
            "field": "accuracy",
            "type": "quantitative",
            "title": "validation accuracy",
            "scale": {"zero": False, "nice": False, "padding": 28, "domain": _span(rows)},
            "axis": {
                "format": ".1~%",
                "tickCount": 5,
                # the padding goes beyond the shares that there are
                "labelExpr": "datum.value < -0.0001 || datum.value > 1.0001 ? '' : datum.label",
            },
        },
        "color": {"field": "kind", "type": "nominal", "scale": {"scheme": "tableau10"}, "title": None},
        "tooltip": [
            {"field": "letters", "type": "nominal"},
            {"field": "accuracy", "type": "quantitative", "format": ".2%"},
            {"field": "additions", "type": "quantitative", "format": ","},
        ],
    }
    spec = {
        "height": 240,
        "encoding": axes,
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 80}},
            {
                "transform": [{"filter": "datum.kind != 'as trained'"}],
                "mark": {"type": "text", "dy": -14},
                "encoding": {"text": text},
            },
            {
                "transform": [{"filter": "datum.kind == 'as trained'"}],
                "mark": {"type": "text", "dy": 18},
                "encoding": {"text": text},
            },
        ],
    }
    least = min(rows, key=lambda row: row["additions"])
    reading = (
        f"Each point is the run with other letters: up is better, left is cheaper. The cheapest, {least['letters']}, "
        f"needs {number(least['additions'])} additions and reaches {accuracy(least['accuracy'])}."
    )
    return [Chart("alphabets-tradeoff", "Accuracy over additions, not retrained", spec, rows, reading)]


def _span(rows: list[dict[str, Any]]) -> list[float]:
    """The least and the largest accuracy, at least `LEAST_SPAN` apart."""
    low, high = (find(row["accuracy"] for row in rows) for find in (min, max))
    missing = max(0.0, LEAST_SPAN - (high - low))
    above = min(missing / 2, 1 - high)
    return [round(max(0.0, low - (missing - above)), 4), round(high + above, 4)]


def labels(rows: list[dict[str, Any]]) -> list[str]:
    """What stands beside each point of the tradeoff: its letters, with those of later points that lie on it.

    Such a point has no label of its own. That of the run as trained is below its point, the others are above.
    """
    spans = {"additions": _range(rows, "additions"), "accuracy": max(LEAST_SPAN, _range(rows, "accuracy"))}
    found = [""] * len(rows)
    kept: list[int] = []
    for place, row in enumerate(rows):
        near = [
            other
            for other in kept
            if row["kind"] == rows[other]["kind"]
            and all(abs(row[axis] - rows[other][axis]) <= share * spans[axis] for axis, share in NEAR.items())
        ]
        if near:
            found[near[0]] += f", {row['letters']}"
        else:
            found[place] = row["letters"]
            kept.append(place)
    return found


def _range(rows: list[dict[str, Any]], axis: str) -> float:
    values = [row[axis] for row in rows]
    return float(max(values) - min(values))
