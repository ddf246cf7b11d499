"""``shiftlif bench``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftlif.cli import completion
from shiftlif.cli.options import AsJson, Quiet
from shiftlif.cli.output import ERRORS, Interrupted, duration, percent, show_json, show_pairs, show_table
from shiftlif.cli.progress import Progress
from shiftlif.errors import ConfigurationError, DataError, ModelFileError

if TYPE_CHECKING:
    from shiftlif.bench.recipe import Job, Recipe
    from shiftlif.bench.schedule import Outcome
    from shiftlif.bench.store import Record

SUFFIX = ".jsonl"
UNKNOWN = "–"  # of seconds
FIELDS = ("dataset", "neuron", "steps", "seed")


def bench(
    recipe: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file that describes the grid.")],
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once, of one thread each.")] = 1,
    out: Annotated[
        Path, typer.Option(help="Records, one JSON line a run; tables and figures go beside it.")
    ] = Path("results/bench.jsonl"),
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="FIELD=VALUE of dataset, neuron, steps or seed; may be repeated.",
            autocompletion=completion.one_of(completion.GRID),
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Run at most so many of what is missing.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run, and stop.")] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Only make tables and figures of the records.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop records that the recipe does not describe any more.")
    ] = False,
    readme: Annotated[
        Path | None,
        typer.Option(help="Also renew the summary between the marks <!-- bench --> of this page."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train and measure neurons x data sets x steps x seeds; runs what has no record yet.

    Each run adds one line to the records as soon as it ends, so the command can be stopped at any time and
    called again. A run whose recipe has changed is made again. Runs that fail are listed beside OUT, in *.errors.jsonl,
    and tried again at the next call, which ends with exit code 2.
    """
    from shiftlif.bench.recipe import chosen, expand, load_recipe
    from shiftlif.bench.schedule import in_order
    from shiftlif.bench.store import keep_records, read_records

    if out.suffix != SUFFIX:
        raise ConfigurationError(
            f"--out is {out}, expected a name that ends in {SUFFIX}; the tables lie beside the records under the same "
            "name with .md, .csv and .tex, and would take their place"
        )
    described = load_recipe(recipe)
    grid = expand(described)
    wanted = chosen(grid, only or [])
    keys = {job.key for job in grid}
    if prune and not dry_run:
        dropped = keep_records(out, list(keys))
        if not as_json:
            show_pairs("pruned", {"lines dropped": dropped, "file": out})
    records = read_records(out)
    if stale := len(records.keys() - keys):
        _note(
            f"{stale} records of {out} are not of this recipe (it changed, or they are of another); --prune drops them"
        )
    failed = 0
    if dry_run or not render:
        missing, left_out = _available([job for job in wanted if job.key not in records])
        for reason in left_out:
            _note(reason)
        missing = in_order(missing, list(records.values()))[:limit]
        if dry_run:
            nothing = f"nothing to run: {_state(wanted, records, left_out)}"
            _plan(missing, list(records.values()), jobs, _teachers(out), nothing, as_json)
            return
        if missing:
            with Progress(quiet, as_json) as progress:
                failed = _run(missing, list(records.values()), jobs, out, recipe, progress)
            records = read_records(out)
    if not failed or keys & records.keys():
        _render(described, grid, records, out, readme, as_json)
    if failed:
        raise ConfigurationError(
            f"{failed} of {len(missing)} runs failed, see {_errors(out)}; the others are kept; call the command again "
            "to retry them"
        )


def _state(wanted: Sequence[Job], records: dict[str, Record], left_out: Sequence[str]) -> str:
    """How many of the wanted runs have a record, and why others are not made."""
    done = sum(job.key in records for job in wanted)
    if done == len(wanted):
        return f"all {done} runs have a record"
    here = "; the data of the others are not here" if left_out else ""
    return f"{done} of {len(wanted)} runs have a record{here}"


def _note(text: str) -> None:
    ERRORS.line(text, "yellow")


def _errors(out: Path) -> Path:
    return out.with_suffix(".errors.jsonl")


def _teachers(out: Path) -> Path:
    return out.with_suffix(".teachers")


def _trained(teachers: Path) -> list[str]:
    """Training keys of the teachers that are there."""
    from shiftlif.training.runs import SUMMARY

    return [folder.name for folder in teachers.glob("*") if (folder / SUMMARY).is_file()]


def _plan(
    missing: Sequence[Job],
    records: Sequence[Record],
    jobs: int,
    teachers: Path,
    nothing: str,
    as_json: bool,
) -> None:
    """Show the runs, and among them the teachers that are to be trained, in their order; ``nothing`` where none is."""
    from shiftlif.bench.schedule import expected_seconds, plan

    tasks = plan(missing, _trained(teachers))
    expected = [expected_seconds(task.job, records) for task in tasks]
    rows = [
        (
            task.job.dataset,
            f"{task.job.neuron} (teacher)" if task.teaching else task.job.neuron,
            task.job.steps,
            task.job.seed,
            UNKNOWN if seconds is None else f"{seconds:.0f}",
        )
        for task, seconds in zip(tasks, expected, strict=True)
    ]
    known = [seconds for seconds in expected if seconds is not None]
    total = sum(known) / max(1, len(known)) * len(tasks) / jobs
    if as_json:
        planned = [
            {**dict(zip(FIELDS, task.job.labels, strict=True)), "teaching": task.teaching, "seconds": seconds}
            for task, seconds in zip(tasks, expected, strict=True)
        ]
        show_json({"dry_run": True, "runs": planned, "seconds": total if known else None})
        return
    if not tasks:
        typer.echo(nothing)
        return
    taught = f" and {more} teachers" if (more := len(tasks) - len(missing)) else ""
    about = f", about {duration(total)} with {jobs} processes" if known else ""
    untimed = f"; {UNKNOWN}: no run on this data set has a record to estimate from" * (None in expected)
    show_table(
        f"{len(missing)} runs{taught}{about}{untimed}", ("data set", "neuron", "T", "seed", "seconds"), rows
    )


def _available(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """The runs whose data are here, and a line for each known data set that is not.

    Raises:
        ConfigurationError: a data set is neither a known one nor a path to anything.
    """
    from shiftlif.data import describe, names
    from shiftlif.data.registry import known_or_there

    for job in jobs:
        name = job.training["dataset"]
        if not known_or_there(name):
            try:
                describe(name)
            except DataError as error:
                raise ConfigurationError(
                    f"the recipe's datasets.{job.dataset}: {error} (no file or folder of this name is here either)"
                ) from None
    absent = {
        name
        for job in jobs
        if (name := job.training["dataset"]) in names() and not describe(name)["available"]
    }
    there = [job for job in jobs if job.training["dataset"] not in absent]
    return there, [
        f"left out: the data set {name} is not here (set SHIFTLIF_DATA; see 'shiftlif datasets')"
        for name in sorted(absent)
    ]


def _run(
    missing: Sequence[Job],
    records: list[Record],
    jobs: int,
    out: Path,
    recipe: Path,
    progress: Progress,
) -> int:
    """Run what is missing; how many failed."""
    from shiftlif.bench.schedule import plan, run_tasks
    from shiftlif.bench.store import append_record

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _errors(out).unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(
            f"{out}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    teachers = _teachers(out)
    left = {job.key: job for job in missing}
    failed = 0
    outcomes = run_tasks(plan(missing, _trained(teachers)), workers=jobs, teachers=teachers)
    report = progress("bench", "runs")
    report(0, len(missing), left=_expected(list(left.values()), records, jobs))
    try:
        for outcome in outcomes:
            if outcome.record is not None:
                append_record(out, outcome.record)
                records.append(outcome.record)
            elif outcome.error is not None:
                failed += not outcome.task.teaching
                append_record(_errors(out), _failure(outcome))
            if outcome.error is not None or not progress.silent:
                ERRORS.line(*_line(outcome))
            if not outcome.task.teaching:
                left.pop(outcome.task.job.key, None)
            report(len(missing) - len(left), len(missing), left=_expected(list(left.values()), records, jobs))
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; the records of finished runs are in {out}; go on with: shiftlif bench {recipe} --out {out}"
        ) from None
    finally:
        outcomes.close()  # type: ignore[attr-defined]
    return failed


def _expected(left: Sequence[Job], records: Sequence[Record], jobs: int) -> float | None:
    """Seconds that the runs that are left still need, from how long runs like them took; None where none is known."""
    from shiftlif.bench.schedule import expected_seconds

    known = [seconds for job in left if (seconds := expected_seconds(job, records)) is not None]
    return sum(known) / len(known) * len(left) / jobs if known else None


def _line(outcome: Outcome) -> tuple[str, str]:
    """What is said of a task that has ended, and in which style."""
    if outcome.error is not None:
        return f"failed: {outcome.task}: {outcome.error.splitlines()[-1]}", "bold red"
    if outcome.record is None:
        return f"{outcome.task}: trained in {outcome.seconds:.0f} s", "dim"
    programs = outcome.record["deploy"]
    shown = [f"{name} {percent(p['accuracy'])}" for name, p in programs.items() if isinstance(p, dict)]
    more = f" ({', '.join(shown)})" if shown else ""
    accuracy = percent(outcome.record["test"]["accuracy"])
    return f"{outcome.task}: {accuracy}{more} in {outcome.seconds:.0f} s", ""


def _failure(outcome: Outcome) -> dict[str, Any]:
    job = outcome.task.job
    named = dict(zip(FIELDS, job.labels, strict=True))
    return {"key": job.key, **named, "teaching": outcome.task.teaching, "error": outcome.error}


def _render(
    recipe: Recipe,
    grid: Sequence[Job],
    records: dict[str, Record],
    out: Path,
    readme: Path | None,
    as_json: bool,
) -> None:
    from shiftlif.bench.render import headline_of, rows_of, write_all
    from shiftlif.bench.tables import between_marks, markdown, summary_table
    from shiftlif.program.storage import read_file, write_atomically

    current = [records[job.key] for job in grid if job.key in records]
    if not current:
        raise ConfigurationError(
            f"{out} holds no record of this recipe; run the bench without --render first, where its data are"
        )
    rows = rows_of(recipe, grid, current)
    headline = headline_of(recipe, rows)
    summary = headline or summary_table(rows)
    files = write_all(
        rows,
        out,
        baseline=recipe.baseline,
        opponent=recipe.opponent,
        headline=headline,
        missing=len(grid) - len(current),
    )
    if readme is not None:
        page = between_marks(read_file(readme).decode(), markdown(summary))
        write_atomically(readme, page.encode())
        files.append(readme)
    if as_json:
        paths = [str(file) for file in files]
        show_json({"records": len(current), "runs": len(grid), "file": str(out), "files": paths})
        return
    about = (
        "accuracy in %, million synaptic operations per inference" if headline is None else "test accuracy"
    )
    show_table(f"{summary.title.lower()}: {about}", summary.columns, summary.cells)
    shown: dict[str, object] = {"records": f"{len(current)} of {len(grid)} runs in {out}"}
    show_pairs("bench", {**shown, "files": ", ".join(map(str, files))})
