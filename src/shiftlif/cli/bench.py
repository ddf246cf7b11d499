"""``shiftlif bench``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from shiftlif.cli.output import Interrupted, percent, show_pairs, show_table
from shiftlif.errors import ConfigurationError, ModelFileError

if TYPE_CHECKING:
    from shiftlif.bench.recipe import Job, Recipe
    from shiftlif.bench.schedule import Outcome
    from shiftlif.bench.store import Record

SUFFIX = ".jsonl"


def bench(
    recipe: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file that describes the grid.")],
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once, of one thread each.")] = 1,
    out: Annotated[
        Path, typer.Option(help="Records, one JSON line a run; tables and figures go beside it.")
    ] = Path("results/bench.jsonl"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=VALUE of dataset, neuron, steps or seed; may be repeated."),
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
        show_pairs("pruned", {"lines dropped": keep_records(out, list(keys)), "file": out})
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
            _plan(missing, list(records.values()), jobs, _teachers(out))
            return
        if missing:
            failed = _run(missing, list(records.values()), jobs, out, recipe)
            records = read_records(out)
    if not failed or keys & records.keys():
        _render(described, grid, records, out, readme)
    if failed:
        raise ConfigurationError(
            f"{failed} of {len(missing)} runs failed, see {_errors(out)}; the others are kept; call the command again "
            "to retry them"
        )


def _note(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(Text(text, style="yellow"))


def _errors(out: Path) -> Path:
    return out.with_suffix(".errors.jsonl")


def _teachers(out: Path) -> Path:
    return out.with_suffix(".teachers")


def _trained(teachers: Path) -> list[str]:
    """Training keys of the teachers that are there."""
    from shiftlif.training.runs import SUMMARY

    return [folder.name for folder in teachers.glob("*") if (folder / SUMMARY).is_file()]


def _plan(missing: Sequence[Job], records: Sequence[Record], jobs: int, teachers: Path) -> None:
    """Show the runs, and among them the teachers that are to be trained, in their order."""
    from shiftlif.bench.schedule import expected_seconds, plan

    tasks = plan(missing, _trained(teachers))
    expected = [expected_seconds(task.job, records) for task in tasks]
    rows = [
        (
            task.job.dataset,
            f"{task.job.neuron} (teacher)" if task.teaching else task.job.neuron,
            task.job.steps,
            task.job.seed,
            "" if seconds is None else f"{seconds:.0f}",
        )
        for task, seconds in zip(tasks, expected, strict=True)
    ]
    known = [seconds for seconds in expected if seconds is not None]
    total = sum(known) / max(1, len(known)) * len(tasks) / jobs
    taught = f" and {more} teachers" if (more := len(tasks) - len(missing)) else ""
    about = f", about {_duration(total)} with {jobs} processes" if known else ""
    show_table(f"{len(missing)} runs{taught}{about}", ("data set", "neuron", "T", "seed", "seconds"), rows)


def _available(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """The runs whose data are here, and a line for each known data set that is not."""
    from shiftlif.data import describe, names

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


def _run(missing: Sequence[Job], records: list[Record], jobs: int, out: Path, recipe: Path) -> int:
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
    try:
        with _progress() as progress:
            bar = progress.add_task("", total=len(missing), done="", left="")
            for outcome in outcomes:
                if outcome.record is not None:
                    append_record(out, outcome.record)
                    records.append(outcome.record)
                elif outcome.error is not None:
                    failed += not outcome.task.teaching
                    append_record(_errors(out), _failure(outcome))
                progress.console.print(_line(outcome))
                if not outcome.task.teaching:
                    left.pop(outcome.task.job.key, None)
                    progress.update(
                        bar, advance=1, **_estimate(list(left.values()), records, jobs, progress, bar)
                    )
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; the records of finished runs are in {out}; go on with: shiftlif bench {recipe} --out {out}"
        ) from None
    finally:
        outcomes.close()  # type: ignore[attr-defined]
    return failed


def _progress() -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
    )


def _estimate(
    left: Sequence[Job], records: Sequence[Record], jobs: int, progress: Progress, bar: Any
) -> dict[str, Any]:
    """Rate so far and time still needed, from how long runs like those that are left took."""
    from shiftlif.bench.schedule import expected_seconds

    shown = progress.tasks[bar]
    elapsed, finished = shown.elapsed or 0.0, shown.completed + 1
    known = [seconds for job in left if (seconds := expected_seconds(job, records)) is not None]
    mean = sum(known) / len(known) if known else elapsed * jobs / finished
    needed = (sum(known) + mean * (len(left) - len(known))) / jobs
    return {
        "done": f"{60 * finished / elapsed:.1f} runs/min" if elapsed else "",
        "left": f"about {_duration(needed)} left" if left else "",
    }


def _line(outcome: Outcome) -> Text:
    if outcome.error is not None:
        return Text(f"failed: {outcome.task}: {outcome.error.splitlines()[-1]}", style="bold red")
    if outcome.record is None:
        return Text(f"{outcome.task}: trained in {outcome.seconds:.0f} s", style="dim")
    programs = outcome.record["deploy"]
    shown = [f"{name} {percent(p['accuracy'])}" for name, p in programs.items() if isinstance(p, dict)]
    more = f" ({', '.join(shown)})" if shown else ""
    accuracy = percent(outcome.record["test"]["accuracy"])
    return Text(f"{outcome.task}: {accuracy}{more} in {outcome.seconds:.0f} s")


def _failure(outcome: Outcome) -> dict[str, Any]:
    job = outcome.task.job
    named = dict(zip(("dataset", "neuron", "steps", "seed"), job.labels, strict=True))
    return {"key": job.key, **named, "teaching": outcome.task.teaching, "error": outcome.error}


def _render(
    recipe: Recipe, grid: Sequence[Job], records: dict[str, Record], out: Path, readme: Path | None
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
    files = write_all(
        rows,
        out,
        baseline=recipe.baseline,
        opponent=recipe.opponent,
        headline=headline,
        missing=len(grid) - len(current),
    )
    if readme is not None:
        tables = [summary_table(rows)] if headline is None else [headline, summary_table(rows)]
        page = between_marks(read_file(readme).decode(), "\n".join(map(markdown, tables)))
        write_atomically(readme, page.encode())
        files.append(readme)
    shown: dict[str, object] = {"records": f"{len(current)} of {len(grid)} runs in {out}"}
    show_pairs("bench", {**shown, "files": ", ".join(map(str, files))})


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
