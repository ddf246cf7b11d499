"""What is missing, in processes of their own; a run that fails or is killed takes no other with it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import IO, Any

from shiftlif.bench.recipe import Job
from shiftlif.bench.store import Record

WORKER = (sys.executable, "-m", "shiftlif.bench.worker")
POLL = 0.1  # seconds between looks at the running processes
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, eq=False)
class Task:
    """One process: a run, or the training of a network that teaches others.

    Attributes:
        job: what is run.
        teaching: train only, and keep the run folder.
        needs: training key of the network that must have been trained before, or None.
    """

    job: Job
    teaching: bool = False
    needs: str | None = None

    def __str__(self) -> str:
        return f"{self.job} (teacher)" if self.teaching else str(self.job)


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a task ended.

    Attributes:
        task: what was run.
        record: of a run that succeeded.
        error: None, or why it failed, the last line the most telling.
        seconds: how long it took.
    """

    task: Task
    record: Record | None
    error: str | None
    seconds: float


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    started: float


def expected_seconds(job: Job, records: Sequence[Record]) -> float | None:
    """How long a run takes, from the records most like it; None where no record is of its data set."""
    for fields in (("dataset", "neuron", "steps"), ("dataset", "steps"), ("dataset",)):
        alike = [r["seconds"] for r in records if all(r[name] == getattr(job, name) for name in fields)]
        if alike:
            return float(mean(alike))
    return None


def in_order(jobs: Sequence[Job], records: Sequence[Record]) -> list[Job]:
    """Seed by seed; within a seed the longest first, before it those of unknown length as they come."""

    def rank(job: Job) -> tuple[int, float]:
        seconds = expected_seconds(job, records)
        return job.seed, -float("inf") if seconds is None else -seconds

    return sorted(jobs, key=rank)


def plan(jobs: Sequence[Job], trained: Sequence[str] = ()) -> list[Task]:
    """The tasks of runs, in their order: a teacher directly before the first run that needs it.

    Args:
        jobs: what is to be run.
        trained: training keys of teachers that are there already.
    """
    teachers = {job.teacher.training_key for job in jobs if job.teacher is not None}
    ready = set(trained)
    tasks: list[Task] = []
    for job in jobs:
        needs = None
        if job.teacher is not None:
            needs = job.teacher.training_key
            if needs not in ready:
                ready.add(needs)
                tasks.append(Task(job.teacher, teaching=True))
        elif job.training_key in teachers:
            needs = job.training_key  # the same network: it is trained once
        tasks.append(Task(job, needs=needs))
    return tasks


def run_tasks(
    tasks: Sequence[Task], *, workers: int, teachers: Path, worker: Sequence[str] | None = None
) -> Iterator[Outcome]:
    """Run tasks, ``workers`` at once, each in a process of one thread; outcomes as they come.

    Closing the iterator, or an exception in it (Ctrl-C), ends the processes that run.

    Args:
        tasks: from `plan`.
        workers: processes at once.
        teachers: folder of the teachers' run folders; made when there is one to train.
        worker: None is `WORKER`; a command that is called with ``teach`` or ``measure``, a scratch folder,
            ``teachers``, the file for the record and this process's id, and gets the job on standard input.
    """
    remove_stale(teachers)
    awaited = {task.job.training_key for task in tasks if task.teaching}
    if awaited:
        teachers.mkdir(parents=True, exist_ok=True)
    waiting = list(tasks)
    running: dict[Task, _Running] = {}
    failed: set[str] = set()
    with ExitStack() as stack:
        # Beside the teachers, so that a finished run folder can be renamed into its place.
        place = teachers if awaited else None
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{_mark()}{os.getpid()}-", dir=place))
        )
        stack.callback(_end, running)
        while waiting or running:
            for task in [task for task in waiting if task.needs in failed]:
                waiting.remove(task)
                yield Outcome(task, None, "the network that teaches it could not be trained", 0.0)
            ready = [task for task in waiting if task.needs not in awaited]
            for task in ready[: workers - len(running)]:
                waiting.remove(task)
                running[task] = _start(task, scratch, teachers, worker or WORKER)
            ended = [task for task, entry in running.items() if entry.process.poll() is not None]
            for task in ended:
                outcome = _outcome(task, running.pop(task), scratch)
                if task.teaching:
                    awaited.discard(task.job.training_key)
                    if outcome.error is not None:
                        failed.add(task.job.training_key)
                yield outcome
            if not ended:
                time.sleep(POLL)


def remove_stale(teachers: Path) -> None:
    """Remove the scratch folders of benches on this machine that were killed."""
    for folder in teachers.glob(".bench-*"):
        name = re.fullmatch(re.escape(_mark()) + r"(\d+)-[^-]+", folder.name)
        if name is not None and not _runs(int(name[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True


def _mark() -> str:
    """How the scratch folders of this machine begin; a process number follows, which means nothing on another."""
    return f".bench-{platform.node()}-"


def _start(task: Task, scratch: Path, teachers: Path, worker: Sequence[str]) -> _Running:
    kind = "teach" if task.teaching else "measure"
    words = (kind, scratch, teachers, _result(task, scratch), os.getpid())
    log = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed when the process has ended
    process = subprocess.Popen(
        [*worker, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=log,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
        start_new_session=True,  # Ctrl-C is for the bench, which then ends its processes
    )
    assert process.stdin is not None
    try:
        with process.stdin as stream:
            stream.write(task.job.model_dump_json().encode())
    except BrokenPipeError:
        pass  # it died at once; its status will tell
    return _Running(process, log, time.perf_counter())


def _result(task: Task, scratch: Path) -> Path:
    return scratch / f"{task.job.key}.json"


def _outcome(task: Task, entry: _Running, scratch: Path) -> Outcome:
    seconds = time.perf_counter() - entry.started
    status = entry.process.wait()
    with entry.log as log:
        log.seek(0)
        said = log.read().decode(errors="replace").strip()
    shutil.rmtree(scratch / f"run-{task.job.key}", ignore_errors=True)
    if status:
        lines = said.splitlines()[-30:]
        if status < 0 or not lines:
            lines.append(f"killed by signal {-status}" if status < 0 else f"ended with status {status}")
        return Outcome(task, None, "\n".join(lines), seconds)
    if task.teaching:
        return Outcome(task, None, None, seconds)
    file = _result(task, scratch)
    try:
        record: dict[str, Any] = json.loads(file.read_bytes())
        file.unlink()
    except (OSError, ValueError) as error:
        return Outcome(task, None, f"the process ended without a record ({error})", seconds)
    return Outcome(task, {**record, "seconds": round(seconds, 1)}, None, seconds)


def _end(running: Mapping[Task, _Running]) -> None:
    for entry in running.values():
        entry.process.terminate()
    for entry in running.values():
        entry.process.wait()
        entry.log.close()
