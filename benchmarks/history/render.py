"""results/history.jsonl as Markdown: what each figure was first, before, and is now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.history.kinds import ABSOLUTE, KINDS, Kind
from benchmarks.history.records import Record
from benchmarks.training_kernels.markdown import number, table

ABOUT = """\
Made by `python -m benchmarks.history` from `history.jsonl`, which the benchmarks add to whenever they measure in full.

- A number in brackets says in which measurement (listed under each table) a figure was found: a figure's first, the
  one before the latest, and the latest. What was not measured again has no change.
- **Compare ratios.** Absolute times depend on the machine: their change is shown only where both measurements were on
  the same one. Ratios are of times from one process, and still depend on the processor's instruction sets, so that a
  change between machines may be the machine's. Instructions and bytes depend on the compiler, which is named instead.
- A change for the worse by more than {margins} is **bold**.
- The commit is the one that was measured; in lines taken from the repository's log (`--from-git`) date and commit are
  those of the commit that brought the results.
"""


class Point(NamedTuple):
    """A figure in one measurement, with the measurement's number."""

    value: float
    measurement: int
    machine: str


def worse(kind: Kind, figure: str, before: float, after: float) -> bool:
    """Whether a change is for the worse by more than the benchmark's margin."""
    low, high = (after, before) if figure.endswith(kind.gains) else (before, after)
    return high > low * (1 + kind.margin)


def change(kind: Kind, figure: str, before: Point | None, after: Point) -> str:
    """``+3.1 %``, bold where it is worse; a dash where there is nothing to compare with."""
    if before is None or before.value == 0:
        return "–"
    if figure.endswith(ABSOLUTE) and before.machine != after.machine:
        return "other machine"
    text = f"{100 * (after.value / before.value - 1):+.1f} %"
    return f"**{text}**" if worse(kind, figure, before.value, after.value) else text


def _shown(point: Point | None) -> str:
    return "–" if point is None else f"{number(point.value)} [{point.measurement}]"


def _numbered(records: list[Record]) -> dict[tuple[str, str, str], int]:
    """Day, commit and machine of each measurement; the parts that a run noted one by one are one measurement."""
    keys = dict.fromkeys((record.date[:10], record.commit, record.machine) for record in records)
    return {key: i for i, key in enumerate(keys, start=1)}


def _points(records: list[Record]) -> dict[str, list[Point]]:
    """Every figure's points, oldest first."""
    numbers = _numbered(records)
    found: dict[str, list[Point]] = {}
    for record in records:
        where = numbers[record.date[:10], record.commit, record.machine]
        for figure, value in record.figures.items():
            found.setdefault(figure, []).append(Point(value, where, record.machine))
    return found


def _section(kind: Kind, records: list[Record]) -> str:
    rows = []
    for figure, points in _points(records).items():
        latest, previous = points[-1], points[-2] if len(points) > 1 else None
        first = points[0] if previous else None
        rows.append(
            [
                figure,
                *(_shown(point) for point in (points[0], previous, latest)),
                *(change(kind, figure, point, latest) for point in (previous, first)),
            ]
        )
    header = ("figure", "first", "previous", "latest", "since previous", "since first")
    measured = [
        f"- [{i}] {day}, commit {commit}, {machine}"
        for (day, commit, machine), i in _numbered(records).items()
    ]
    better = (
        "Less is better" + (", more where a figure says how many times as fast" if kind.gains else "") + "."
    )
    return f"## {kind.title}\n\n{better}\n\n{table(header, rows)}\n" + "\n".join(measured) + "\n"


def _summary(held: Iterable[tuple[Kind, list[Record]]]) -> str:
    """What is worse than it was before, all benchmarks together."""
    lines = []
    for kind, records in held:
        for figure, points in _points(records).items():
            if len(points) > 1 and (text := change(kind, figure, points[-2], points[-1])).startswith("**"):
                lines.append(
                    f"- {kind.title}: {figure}: {_shown(points[-2])} to {_shown(points[-1])}, {text.strip('*')}"
                )
    return "## Worse than before\n\n" + "\n".join(lines or ["Nothing."]) + "\n"


def render(records: list[Record]) -> str:
    """The whole page.

    Args:
        records: oldest first; those of benchmarks that are gone are left out.
    """
    held = [
        (kind, own)
        for name, kind in KINDS.items()
        if (own := [record for record in records if record.benchmark == name])
    ]
    margins = ", ".join(f"{kind.margin:.0%} ({kind.title.lower()})" for kind in KINDS.values())
    parts = [f"# What the benchmarks measured before\n\n{ABOUT.format(margins=margins)}", _summary(held)]
    return "\n".join([*parts, *(_section(kind, own) for kind, own in held)])
