"""The history of measurements: what goes into it, that it is never lost, what its page says, and its past from git."""

import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from benchmarks.engine import headlines as engine
from benchmarks.history.kinds import KINDS
from benchmarks.history.note import check, note
from benchmarks.history.past import missing
from benchmarks.history.records import Record, add, read
from benchmarks.history.render import render
from benchmarks.training_kernels import headlines as training
from benchmarks.training_kernels import machine

from benchmarks.mcu import headlines as mcu
from shiftlif.errors import DataError
from tests.benchmarks.test_engine import MACHINE, document

ENGINE = {
    "digits dense T=1: engine µs": 2.0,
    "digits dense T=1: engine / ONNX Runtime int8": 0.2,
    "digits dense T=1: PyTorch / engine": 20.0,
    "digits dense T=4: engine µs": 4.0,
    "digits dense T=4: engine / ONNX Runtime int8": 0.4,
    "digits dense T=4: PyTorch / engine": 12.5,
}


def counted(shape="digits dense", steps=1, instructions=(100, 300)):
    return {
        "shape": shape,
        "steps": steps,
        "ours": {
            "instructions": {"M4": list(instructions), "M55": [150, 150]},
            "ram": 2000,
            "code": 9000,
            "membranes": 700,
            "largest activation": 300,
        },
        "dense": {"instructions": {"M4": [80, 80], "M55": [100, 100]}},
    }


def cores_document(*rows, quick=False):
    return {"quick": quick, "versions": {"gcc": "gcc 12", "qemu": "qemu 7"}, "rows": list(rows)}


def section(*ratios, quick=False, **content):
    """A training step where SpikingJelly takes so many times as long."""
    records = [
        {
            "model": "dense",
            "batch": 64,
            "coding": "direct",
            "threads": 1,
            "contenders": {
                "shiftlif LIF": {"median": 1.0, "min": 1.0},
                "SpikingJelly LIF": {"median": r, "min": r},
            },
        }
        for r in ratios
    ]
    return {"machine": {**MACHINE, "gpu": None}, "quick": quick, "records": records, **content}


def record(figures, day=1, **changed):
    made = {"benchmark": "engine", "date": f"2026-01-0{day}T00:00:00+00:00", "commit": f"c{day}"}
    return Record(**{**made, "machine": "a machine", "figures": figures, **changed})


def test_the_headlines_of_the_engine_are_its_times_and_ratios_at_batch_1_on_one_thread():
    assert engine.headlines(document()) == pytest.approx(ENGINE)
    assert engine.machine(document()) == "a processor, 2 cores, AVX2"


def test_what_was_not_measured_has_no_headline():
    held = document()
    contenders = held["shapes"]["digits dense"]["records"][1]["contenders"]
    contenders["T=1: engine, bound array"] = {"error": "gone"}
    for name in [name for name in contenders if name.startswith("ONNX")]:
        del contenders[name]
    assert list(engine.headlines(held)) == [
        "digits dense T=4: engine µs",
        "digits dense T=4: PyTorch / engine",
    ]
    held["shapes"]["digits dense"]["records"] = [{"threads": 1, "error": "ended with 1"}]
    assert engine.headlines(held) == {}


def test_the_headlines_of_the_cores_are_means_ratios_and_bytes():
    assert mcu.headlines(cores_document(counted())) == {
        "digits dense T=1: M4 instructions": 200.0,
        "digits dense T=1: M4 instructions / dense int8": 2.5,
        "digits dense T=1: M55 instructions": 150.0,
        "digits dense T=1: M55 instructions / dense int8": 1.5,
        "digits dense T=1: RAM bytes": 2000,
        "digits dense T=1: code bytes": 9000,
    }
    assert mcu.machine(cores_document()) == "gcc 12; qemu 7"


def test_the_headlines_of_training_are_the_worst_point_and_the_geometric_mean_of_each_target():
    found = training.headlines({"training_step": section(2.0, 8.0)})
    target = "times as fast as SpikingJelly's training step (direct)"
    assert found == pytest.approx({f"{target}, worst": 2.0, f"{target}, mean": 4.0})
    assert all(name.endswith(training.GAINS) for name in found)


def test_quick_and_unfinished_parts_are_no_results():
    quick = document()
    quick["shapes"]["digits dense"]["quick"] = True
    assert engine.parts(quick) == {}
    assert mcu.parts(cores_document(counted(), quick=True)) == {}
    sections = {"a": section(2.0, seconds=3), "b": section(2.0), "c": section(2.0, seconds=3, quick=True)}
    assert list(training.parts(sections)) == ["a"]


def test_only_the_part_that_was_measured_is_noted(tmp_path):
    both = cores_document(counted(), counted("digits conv2d"))
    note(tmp_path / "mcu.json", both, "digits conv2d", "2026-01-02T00:00:00+00:00", None)
    (held,) = read(tmp_path / "history.jsonl")
    assert (held.benchmark, held.commit, held.machine) == ("mcu", "unknown", "gcc 12; qemu 7")
    assert {name.split(" T=")[0] for name in held.figures} == {"digits conv2d"}
    assert (tmp_path / "history.md").read_text() == render([held])


def test_a_quick_run_leaves_no_history(tmp_path):
    note(tmp_path / "mcu.json", cores_document(counted(), quick=True), "digits dense", "2026-01-02", "c")
    assert list(tmp_path.iterdir()) == []


def test_a_document_under_another_name_has_no_history(tmp_path):
    note(tmp_path / "second.json", cores_document(counted()), "digits dense", "2026-01-02", "c")
    assert not list(tmp_path.iterdir())


def test_the_engine_benchmark_notes_each_shape_as_it_finishes(tmp_path, monkeypatch):
    from benchmarks.engine import __main__ as entry

    def records(task):
        if task["shape"] == "digits conv2d":
            raise KeyboardInterrupt
        return document()["shapes"]["digits dense"]["records"] if task["threads"] == 1 else []

    monkeypatch.setitem(sys.modules, "benchmarks.engine.points", SimpleNamespace(THREADS=(1, 2)))
    monkeypatch.setattr(entry, "_records", records)
    with pytest.raises(KeyboardInterrupt):
        entry.measure(tmp_path / "engine.json", ["digits dense", "digits conv2d"], quick=False)
    (held,) = read(tmp_path / "history.jsonl")
    assert held.figures == pytest.approx(ENGINE)
    kept = json.loads((tmp_path / "engine.json").read_text())["shapes"]["digits dense"]["machine"]
    assert (held.date, held.commit) == (kept["date"], kept["commit"] or "unknown")


def test_the_benchmark_of_cores_notes_each_shape(tmp_path, monkeypatch):
    from benchmarks.mcu import __main__ as entry

    monkeypatch.setattr(entry, "measure", lambda shape, *_: [counted(shape)])
    monkeypatch.setattr(
        entry, "cores", SimpleNamespace(missing=list, versions=lambda: {"gcc": "gcc 12", "qemu": "qemu 7"})
    )
    entry._measure(tmp_path / "mcu.json", ["digits dense", "digits conv2d"], quick=False)
    names = [{name.split(" T=")[0] for name in held.figures} for held in read(tmp_path / "history.jsonl")]
    assert names == [{"digits dense"}, {"digits conv2d"}]


def test_the_training_benchmark_notes_a_section_once_it_is_finished(tmp_path, monkeypatch):
    from benchmarks.training_kernels import __main__ as entry
    from benchmarks.training_kernels import sections

    path = tmp_path / "training_kernels.json"
    during = []

    def run(name, task, cache, found):
        found(section(2.0, 8.0)["records"][task])
        during.append(read(tmp_path / "history.jsonl"))

    monkeypatch.setattr(sections, "SECTIONS", {"training_step": sections.Section(lambda quick: [0, 1], None)})
    monkeypatch.setattr(entry.workers, "run", run)
    entry.measure(path, ["training_step"], quick=False, cache="")
    (held,) = read(tmp_path / "history.jsonl")
    assert during == [[], []]
    assert sorted(held.figures.values()) == pytest.approx([2.0, 4.0])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-9], "line 2: no JSON"),
        (lambda text: text[:-1], "line 2: it does not end: it was cut off"),
        (lambda text: "[1]\n" + text, "line 1: expected an object with benchmark, date"),
        (lambda text: text.replace("2.0", "NaN"), "line 1: figure 'x: engine µs' is nan, expected a finite"),
        (lambda text: text.replace("2026-01-02", "yesterday"), "line 2: date is 'yesterday"),
        (lambda text: text.replace("+00:00", ""), "line 1: date is '2026-01-01T00:00:00'"),
        (lambda text: text.replace('"c1"', "7"), "line 1: commit is 7, expected text"),
    ],
)
def test_a_damaged_history_is_named_and_stays_as_it_is(tmp_path, damage, message):
    path = tmp_path / "history.jsonl"
    add(path, [record({"x: engine µs": 2.0}), record({"x: engine µs": 3.0}, day=2)])
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()
    with pytest.raises(DataError, match=message) as raised:
        add(path, [record({"x": 4.0}, day=3)])
    assert "restore the file: git checkout -- history.jsonl" in str(raised.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SystemExit, match=message):
        check(tmp_path / "engine.json")


def test_writers_that_add_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "history.jsonl"
    workers = [
        threading.Thread(target=add, args=(path, [record({"x": float(i)}, day=1 + i % 9)])) for i in range(24)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    held = read(path)
    assert sorted(r.figures["x"] for r in held) == list(range(24))
    assert [r.date for r in held] == sorted(r.date for r in held)


def test_a_slow_down_is_bold_and_stands_at_the_top():
    names = ("x: engine µs", "x: engine / ONNX Runtime int8", "x: PyTorch / engine")
    values = [(10.0, 0.5, 20.0), (8.0, 0.4, 30.0), (10.0, 0.41, 24.0)]
    page = render([record(dict(zip(names, v, strict=True)), day=i) for i, v in enumerate(values, start=1)])
    assert "| x: engine µs | 10 [1] | 8 [2] | 10 [3] | **+25.0 %** | +0.0 % |" in page
    assert "| x: engine / ONNX Runtime int8 | 0.5 [1] | 0.4 [2] | 0.41 [3] | +2.5 % | -18.0 % |" in page
    assert "| x: PyTorch / engine | 20 [1] | 30 [2] | 24 [3] | **-20.0 %** | +20.0 % |" in page
    assert page.index("x: engine µs: 8 [2] to 10 [3], +25.0 %") < page.index("| x: engine µs |")
    assert "- [2] 2026-01-02, commit c2, a machine" in page


def test_times_of_two_machines_are_not_compared_and_ratios_are():
    figures = {"x: engine µs": 2.0, "x: PyTorch / engine": 20.0}
    faster = {"x: engine µs": 1.0, "x: PyTorch / engine": 30.0}
    page = render([record(figures), record(faster, day=2, machine="another")])
    assert "| x: engine µs | 2 [1] | 2 [1] | 1 [2] | other machine | other machine |" in page
    assert "| x: PyTorch / engine | 20 [1] | 20 [1] | 30 [2] | +50.0 % | +50.0 % |" in page


def test_figures_of_one_run_are_one_measurement_and_a_figure_measured_once_has_no_change():
    page = render([record({"x: engine µs": 2.0}), record({"y: engine µs": 3.0})])
    assert "| y: engine µs | 3 [1] | – | 3 [1] | – | – |" in page
    assert "[2]" not in page
    assert "## Worse than before\n\nNothing." in page


@pytest.fixture
def git(tmp_path):
    """Git in a repository of its own: a function of arguments, with the day of a commit."""
    who = {
        f"GIT_{role}_{what}": text
        for role in ("AUTHOR", "COMMITTER")
        for what, text in (("NAME", "a"), ("EMAIL", "b"))
    }

    def run(*arguments, day=1):
        when = {f"GIT_{role}_DATE": f"2026-01-0{day}T00:00:00+00:00" for role in ("AUTHOR", "COMMITTER")}
        command = ["git", "-c", "commit.gpgsign=false", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **who, **when}, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    run("init", "-q")
    return run


def test_the_past_is_taken_from_committed_versions_once_and_in_order(git, tmp_path):
    def commit(day, name, content):
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps(content))
        git("add", "-A")
        git("commit", "-q", "-m", "measured", day=day)
        return git("rev-parse", "--short", "HEAD")

    first = commit(1, "mcu", cores_document(counted()))
    second = commit(2, "mcu", cores_document(counted(), counted("digits conv2d")))
    third = commit(3, "mcu", cores_document(counted(instructions=(160, 160)), counted("digits conv2d")))
    unfinished = {"training_step": section(2.0)}
    commit(4, "training_kernels", unfinished)
    finished = commit(5, "training_kernels", {"training_step": section(2.0, 8.0, seconds=9)})
    found = missing(tmp_path, [])
    assert [(r.benchmark, r.commit, r.date[:10]) for r in found] == [
        ("mcu", first, "2026-01-01"),
        ("mcu", second, "2026-01-02"),
        ("mcu", third, "2026-01-03"),
        ("training_kernels", finished, "2026-01-05"),
    ]
    assert {name.split(" T=")[0] for name in found[1].figures} == {"digits conv2d"}
    assert found[2].figures["digits dense T=1: M4 instructions"] == 160.0
    assert missing(tmp_path, found) == []


def test_what_measuring_writes_does_not_mark_the_commit(git, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    for file in ("code.py", "results/engine.json"):
        (tmp_path / file).write_text("1")
    git("add", "-A")
    git("commit", "-q", "-m", "measured")
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    (tmp_path / "results/engine.json").write_text("2")
    assert machine.commit() == git("rev-parse", "--short", "HEAD")
    (tmp_path / "code.py").write_text("2")
    assert machine.commit().endswith(" with changes")


def test_without_a_repository_the_past_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(DataError, match="needs git and the repository"):
        missing(tmp_path, [])


def test_the_kept_history_is_whole_and_its_page_is_that_of_the_file():
    from benchmarks.history.__main__ import ROOT

    held = read(ROOT / "results" / "history.jsonl")
    assert {r.benchmark for r in held} == set(KINDS)
    page = (ROOT / "results" / "history.md").read_text(encoding="utf-8")
    assert page == render(held), "write it again: python -m benchmarks.history"
