"""``shiftlif bench`` as a user meets it; the runs themselves are made by the stand-in, but for one test."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from shiftlif.bench import schedule
from shiftlif.bench.recipe import expand, load_recipe
from shiftlif.bench.store import read_records
from shiftlif.cli.app import app

QUICK = Path(__file__).parents[2] / "benchmarks" / "recipes" / "quick.yaml"
STAND_IN = Path(__file__).with_name("stand_in.py")


class Bench:
    """A recipe, its records, and the command that runs it with the stand-in."""

    def __init__(self, folder):
        self.out = folder / "made" / "bench.jsonl"
        self.recipe = folder / "recipe.yaml"
        self.notes = folder / "notes"
        self.notes.touch()
        self.worker = (sys.executable, str(STAND_IN), str(self.notes))

    def describe(self, neurons, **changes):
        entries = {name: {"kind": "LIF"} for name in neurons}
        values = {"datasets": {"digits": None}, "neurons": entries, "steps": [1], "seeds": [0], **changes}
        self.recipe.write_text(yaml.safe_dump(values, sort_keys=False))

    def __call__(self, *options):
        words = ["bench", str(self.recipe), "--out", str(self.out), *map(str, options)]
        return CliRunner().invoke(app, words, env={"COLUMNS": "200"})

    def started(self):
        """Neurons whose runs were begun, since the last call."""
        names = [line.split()[2] for line in self.notes.read_text().splitlines() if line.startswith("begin")]
        self.notes.write_text("")
        return names

    def recorded(self):
        return [record["neuron"] for record in read_records(self.out).values()]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    monkeypatch.setattr(schedule, "WORKER", bench.worker)
    return bench


def test_only_what_has_no_record_is_run(bench):
    bench.describe("AB")
    first = bench("--jobs", 2)
    assert first.exit_code == 0, first.output
    assert sorted(bench.started()) == sorted(bench.recorded()) == ["A", "B"]
    assert "2 of 2 runs" in first.output
    bench.describe("ABC")
    assert bench().exit_code == 0
    assert bench.started() == ["C"]
    names = {path.name for path in bench.out.parent.iterdir()}
    assert names == {"bench.jsonl", "bench.md", "bench.csv", "bench.tex", "bench_pareto.png"}


def test_a_changed_recipe_runs_again_and_pruning_drops_the_old_records(bench):
    bench.describe("AB")
    bench()
    bench.started()
    bench.describe("AB", common={"epochs": 3})
    changed = bench()
    assert "2 records" in changed.output
    assert "--prune" in changed.output
    assert sorted(bench.started()) == ["A", "B"]  # the longest first, as long as they happened to take
    assert len(read_records(bench.out)) == 4
    assert "lines dropped" in bench("--prune").output
    assert {record["key"] for record in read_records(bench.out).values()} == {
        job.key for job in expand(load_recipe(bench.recipe))
    }
    assert bench.started() == []


def test_a_failed_run_is_reported_and_tried_again_and_the_others_are_kept(bench):
    bench.describe(["A", "Raises", "B"])
    result = bench("--jobs", 2)
    assert result.exit_code == 2
    assert "failed: digits Raises T=1 seed 0: DataError: the data are unusable" in result.output
    assert "1 of 3 runs failed" in result.output
    (line,) = (bench.out.parent / "bench.errors.jsonl").read_text().splitlines()
    assert json.loads(line)["neuron"] == "Raises"
    assert sorted(bench.recorded()) == ["A", "B"]
    bench.started()
    assert bench().exit_code == 2
    assert bench.started() == ["Raises"]


def test_only_and_limit_choose_among_what_is_missing(bench):
    bench.describe("ABC", seeds=[0, 1])
    assert bench("--only", "seed=1", "--only", "neuron=A", "--only", "neuron=C", "--limit", 1).exit_code == 0
    assert bench.started() == ["A"]
    assert [(r["neuron"], r["seed"]) for r in read_records(bench.out).values()] == [("A", 1)]
    wrong = bench("--only", "neuron=Z")
    assert wrong.exit_code == 2
    assert "neuron is one of A, B, C" in wrong.output


def test_a_dry_run_shows_and_does_nothing(bench):
    bench.describe("AB")
    result = bench("--dry-run")
    assert result.exit_code == 0
    assert "2 runs" in result.output
    assert bench.started() == []
    assert not bench.out.parent.exists()


def test_a_dry_run_says_why_seconds_are_missing_and_that_nothing_is_left(bench, monkeypatch):
    bench.describe("AB")
    assert "no run on this data set has a record" in " ".join(bench("--dry-run").output.split())
    bench()
    assert bench("--dry-run").output == "nothing to run: all 2 runs have a record\n"
    assert json.loads(bench("--dry-run", "--json").stdout)["runs"] == []
    bench.describe("ABC")
    assert "no run on this data set" not in bench("--dry-run").output
    bench.describe("AB", datasets={"digits": None, "wiar": None})
    monkeypatch.setenv("SHIFTLIF_DATA", "/nowhere")
    assert (
        "nothing to run: 2 of 4 runs have a record; the data of the others are not here"
        in bench("--dry-run").output
    )


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_data_set_that_is_neither_known_nor_a_path_is_refused(bench, options, tmp_path):
    bench.describe("A", datasets={"digits": None, "digist": None})
    result = bench(*options)
    assert result.exit_code == 2
    assert "datasets.digist: data set 'digist' is unknown" in result.stderr
    assert "did you mean digits?" in result.stderr
    assert bench.started() == []
    assert bench("--only", "dataset=digits", *options).exit_code == 0
    bench.describe("A", datasets={"mine": {"dataset": str(tmp_path)}})
    assert bench("--dry-run").exit_code == 0


def test_the_summary_is_shown_at_the_end(bench):
    bench.describe("AB")
    shown = bench().stdout
    assert "summary: accuracy in %, million synaptic operations per inference" in " ".join(shown.split())
    assert "│ digits, T=1 │ 75.0 (0.00 M) │ 75.0 (0.00 M) │" in shown
    bench.describe("AB", subject="B", baseline="A")
    lines = bench("--render").stdout.splitlines()
    assert any(line.startswith("headline: test accuracy") for line in lines)
    assert any("75.00 (T=1)" in line for line in lines)


def test_json_is_the_plan_on_a_dry_run_and_the_files_afterwards(bench):
    bench.describe("AB")
    plan = json.loads(bench("--dry-run", "--json").stdout)
    assert [(run["neuron"], run["teaching"], run["seconds"]) for run in plan["runs"]] == [
        ("A", False, None),
        ("B", False, None),
    ]
    assert plan["seconds"] is None
    result = bench("--json")
    made = json.loads(result.stdout)
    assert (made["records"], made["runs"], made["file"]) == (2, 2, str(bench.out))
    assert {Path(file).suffix for file in made["files"]} == {".md", ".csv", ".tex", ".png"}
    assert result.stderr == ""
    bench.describe("ABC")
    assert json.loads(bench("--dry-run", "--json").stdout)["seconds"] > 0, "runs like it have a record"


def test_quiet_says_only_what_failed(bench):
    bench.describe(["A", "Raises"])
    lines = bench("--quiet").stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["failed", "error"]


def test_progress_counts_runs_and_estimates_from_runs_like_those_left(bench, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    monkeypatch.setattr("shiftlif.cli.progress.LINE_EVERY", 0.0)
    bench.describe("AB")
    told = [line for line in bench().stderr.splitlines() if line.startswith("bench: ")]
    assert [line.split(",")[0] for line in told] == [f"bench: {done}/2 runs" for done in (0, 1, 2)]
    assert "left" not in told[0], "no record of this data set yet"
    assert "left" in told[1]
    assert "left" not in told[2]


def test_a_dry_run_shows_the_teachers_and_leaves_absent_data_out(bench, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_DATA", "/nowhere")
    bench.describe("AT", datasets={"wiar": None, "digits": None}, common={"teacher": "T"}, seeds=[0, 1])
    result = bench("--dry-run", "--only", "neuron=A")
    assert "2 runs and 2 teachers" in result.output
    assert result.output.count("T (teacher)") == 2
    assert "left out: the data set wiar is not here" in result.output
    assert result.output.count("wiar") == 1
    assert bench("--dry-run", "--only", "neuron=A", "--limit", 1).output.count("T (teacher)") == 1


def test_a_limit_counts_the_runs_whose_data_are_here(bench, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_DATA", "/nowhere")
    bench.describe("A", datasets={"wiar": None, "digits": None})
    assert bench("--limit", 1).exit_code == 0
    assert [record["dataset"] for record in read_records(bench.out).values()] == ["digits"]


@pytest.mark.parametrize("name", ["bench.csv", "bench.md", "bench.tex", "bench", "bench.json"])
def test_records_that_the_tables_would_overwrite_are_refused(bench, name):
    bench.describe("A")
    bench()
    records = bench.out.rename(bench.out.with_name(name))
    before = records.read_bytes()
    bench.out = records
    for options in ((), ("--render",), ("--prune",)):
        result = bench(*options)
        assert result.exit_code == 2
        assert "expected a name that ends in .jsonl" in result.output
    assert records.read_bytes() == before


def test_where_every_run_failed_the_failure_is_what_is_said(bench):
    bench.describe(["Raises"])
    result = bench()
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "1 of 1 runs failed, see" in said
    assert "bench.errors.jsonl" in said.replace(" ", "")
    assert "--render" not in said


def test_rendering_alone_runs_nothing(bench, tmp_path):
    bench.describe("AB")
    nothing = bench("--render")
    assert nothing.exit_code == 2
    assert "holds no record of this recipe" in nothing.output
    bench("--only", "neuron=A")
    bench.started()
    page = tmp_path / "README.md"
    page.write_text("# Title\n<!-- bench -->\nold\n<!-- end -->\n")
    result = bench("--render", "--readme", page)
    assert result.exit_code == 0, result.output
    assert bench.started() == []
    assert "1 runs of the recipe have no record yet" in (bench.out.parent / "bench.md").read_text()
    assert page.read_text() == (
        "# Title\n<!-- bench -->\n|  | A |\n|---|---|\n| digits, T=1 | 75.0 (0.00 M) |\n<!-- end -->\n"
    )


def test_data_that_are_not_here_are_left_out_and_said(bench, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_DATA", "/nowhere")
    bench.describe("A", datasets={"wiar": None, "digits": None})
    result = bench()
    assert "left out: the data set wiar is not here" in result.output
    assert [record["dataset"] for record in read_records(bench.out).values()] == ["digits"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_bench_that_is_stopped_keeps_its_records_and_goes_on(bench, number, status):
    bench.describe(["A", "B", "Sleeps", "C"])
    code = (
        "import sys\nfrom shiftlif.bench import schedule\nfrom shiftlif.cli import main\n"
        f"schedule.WORKER = {bench.worker!r}\nmain()\n"
    )
    words = ["bench", str(bench.recipe), "--out", str(bench.out)]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    while "Sleeps" not in bench.notes.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == status
    assert sorted(bench.recorded()) == ["A", "B"]
    sleeper = int(bench.notes.read_text().split()[-1])
    if number == signal.SIGINT:
        assert f"go on with: shiftlif bench {bench.recipe}" in " ".join(said.split())
        with pytest.raises(ProcessLookupError):
            os.kill(sleeper, 0)
    else:
        os.kill(sleeper, signal.SIGKILL)  # the stand-in does not watch its parent; a worker does
    bench.started()
    assert bench("--only", "neuron=C").exit_code == 0
    assert bench.started() == ["C"]


@pytest.mark.slow
def test_the_quick_recipe_trains_deploys_and_measures(tmp_path):
    out = tmp_path / "bench.jsonl"
    result = CliRunner().invoke(app, ["bench", str(QUICK), "--out", str(out), "--jobs", "2"])
    assert result.exit_code == 0, result.output
    records = {record["neuron"]: record for record in read_records(out).values()}
    assert set(records) == {"LIF", "ShiftLIF"}
    for record in records.values():
        program = record["deploy"]["int8"]
        assert program["bit_exact"] is True
        assert program["verified_samples"] == record["float"]["samples"] == 50
        assert record["test_samples"] == 359
        assert 0 <= record["calibration_error"] <= 1
        assert program["synaptic_operations"] == pytest.approx(
            record["float"]["synaptic_operations"], rel=0.05
        )
    assert "| digits | 1 | ShiftLIF | 1 |" in out.with_suffix(".md").read_text()
