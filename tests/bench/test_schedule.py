import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shiftlif.bench.recipe import Job
from shiftlif.bench.schedule import expected_seconds, in_order, plan, remove_stale, run_tasks
from shiftlif.bench.worker import ORPHANED


def job(neuron="LIF", seed=0, teacher=None, dataset="digits", steps=1):
    training = {"dataset": dataset, "seed": seed, "neuron": {"kind": neuron}, "steps": steps}
    return Job(
        dataset=dataset,
        neuron=neuron,
        steps=steps,
        seed=seed,
        training=training,
        deploy=(),
        limit=10,
        teacher=teacher,
    )


@pytest.fixture
def bench(tmp_path):
    """Runs jobs with the stand-in worker; the outcomes, and what the workers noted."""
    notes = tmp_path / "notes"
    notes.touch()
    worker = (sys.executable, str(Path(__file__).with_name("stand_in.py")), str(notes))

    def start(jobs, workers=2, trained=()):
        return run_tasks(plan(jobs, trained), workers=workers, teachers=tmp_path / "teachers", worker=worker)

    start.notes = lambda: [line.split()[:3] for line in notes.read_text().splitlines()]
    start.processes = lambda: {int(line.split()[3]) for line in notes.read_text().splitlines()}
    start.folder = tmp_path
    return start


def test_a_run_that_fails_or_dies_takes_no_other_with_it(bench):
    outcomes = {o.task.job.neuron: o for o in bench([job(n) for n in ("A", "Raises", "Dies", "Silent", "B")])}
    assert {name for name, o in outcomes.items() if o.error is None} == {"A", "B"}
    assert outcomes["A"].record["neuron"] == "A"
    assert outcomes["A"].record["key"] == job("A").key
    assert outcomes["A"].record["seconds"] >= 0.2
    assert outcomes["Raises"].error == "Traceback ...\nDataError: the data are unusable"
    assert outcomes["Dies"].error.splitlines()[-1] == "killed by signal 9"
    assert "without a record" in outcomes["Silent"].error


def test_a_teacher_comes_before_its_students_and_is_trained_once(bench):
    teacher = job("Teacher")
    jobs = [job("A", teacher=teacher), job("Free"), teacher, job("B", teacher=teacher)]
    outcomes = list(bench(jobs, workers=4))
    assert [o.error for o in outcomes] == [None] * 5
    notes = bench.notes()
    taught = notes.index(["end", "teach", "Teacher"])
    assert notes.count(["begin", "teach", "Teacher"]) == 1
    assert notes.index(["begin", "measure", "Free"]) < taught  # it need not wait
    for name in ("A", "B", "Teacher"):
        assert notes.index(["begin", "measure", name]) > taught


def test_students_of_a_teacher_that_failed_are_reported_and_not_run(bench):
    outcomes = {str(o.task): o for o in bench([job("A", teacher=job("Raises")), job("B")])}
    assert outcomes["digits Raises T=1 seed 0 (teacher)"].error.endswith("unusable")
    assert outcomes["digits A T=1 seed 0"].error == "the network that teaches it could not be trained"
    assert outcomes["digits B T=1 seed 0"].error is None
    assert ["begin", "measure", "A"] not in bench.notes()


def test_a_teacher_that_is_there_is_not_trained_again():
    teacher = job("Teacher")
    assert [str(task) for task in plan([job("A", teacher=teacher)], [teacher.training_key])] == [
        "digits A T=1 seed 0"
    ]


def test_no_more_processes_run_than_asked_for(bench):
    list(bench([job(str(i)) for i in range(4)], workers=1))
    assert [what for what, *_ in bench.notes()] == ["begin", "end"] * 4


def test_closing_ends_the_processes_and_leaves_no_files(bench):
    outcomes = bench([job("A", teacher=job("Teacher")), job("Sleeps"), job("B")], workers=3)
    while next(outcomes).task.job.neuron != "B":
        pass
    outcomes.close()
    for process in bench.processes():
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert list((bench.folder / "teachers").iterdir()) == []


def test_runs_are_ordered_by_seed_and_then_by_length():
    records = [
        {"dataset": "digits", "neuron": "A", "steps": 1, "seconds": 10.0},
        {"dataset": "digits", "neuron": "A", "steps": 1, "seconds": 20.0},
        {"dataset": "digits", "neuron": "B", "steps": 1, "seconds": 90.0},
    ]
    assert expected_seconds(job("A", seed=5), records) == 15
    assert expected_seconds(job("C"), records) == 40  # the mean of its data set and T
    assert expected_seconds(job("A", dataset="wiar"), records) is None
    jobs = [
        job(n, seed=s, dataset=d)
        for s in (1, 0)
        for n, d in (("A", "digits"), ("B", "digits"), ("A", "wiar"))
    ]
    assert [(j.seed, j.dataset, j.neuron) for j in in_order(jobs, records)] == [
        (seed, dataset, neuron)
        for seed in (0, 1)
        for dataset, neuron in (("wiar", "A"), ("digits", "B"), ("digits", "A"))
    ]


def test_a_worker_ends_when_its_bench_is_killed(tmp_path):
    code = (
        "import os, subprocess, sys, time\n"
        "child = ('import os, sys, threading, time; from shiftlif.bench.worker import leave_with;'\n"
        "         'threading.Thread(target=leave_with, args=(int(sys.argv[1]),), daemon=True).start();'\n"
        "         'print(os.getpid(), flush=True); time.sleep(60)')\n"
        "subprocess.Popen([sys.executable, '-c', child, str(os.getpid())], start_new_session=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.1)
    assert not _runs(child)


def test_a_worker_whose_bench_was_gone_before_it_began_ends_at_once(tmp_path):
    words = ["measure", str(tmp_path), str(tmp_path), str(tmp_path / "r.json"), str(_ended())]
    # its standard input stays open: only the watch on its parent can end it
    worker = subprocess.Popen([sys.executable, "-m", "shiftlif.bench.worker", *words], stdin=subprocess.PIPE)
    try:
        assert worker.wait(timeout=20) == ORPHANED
    finally:
        worker.kill()
        worker.stdin.close()


def test_what_killed_benches_left_beside_the_teachers_is_removed(bench):
    teachers = bench.folder / "teachers"
    here = platform.node()
    stale = f".bench-{here}-{_ended()}-abc_1"
    kept = [
        f".bench-{here}-{os.getpid()}-abc_1",
        f".bench-{here}-2-{_ended()}-abc_1",  # of a machine whose name begins like this one's
        ".bench-abc_1",
        "0123abc",
    ]
    for name in (stale, *kept):
        (teachers / name / "run-x").mkdir(parents=True)
    remove_stale(teachers)
    assert sorted(folder.name for folder in teachers.iterdir()) == sorted(kept)
    (teachers / stale).mkdir()
    list(bench([]))
    assert not (teachers / stale).exists()


def _ended():
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _runs(process):
    """Whether it runs; a process that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
