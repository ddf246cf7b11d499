"""What a script relies on: one JSON value on standard output, silence, nothing written on a dry run, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app
from shiftlif.cli.output import show_pairs, show_table
from shiftlif.data import load

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
OPTIONS = ("--model", "dense", "--width", 16, "--epochs", 1, "--steps", 2)
RECIPE = """
datasets: {digits: null}
neurons: {A: {kind: LIF}, B: {kind: ShiftLIF}}
steps: [1]
seeds: [0]
"""


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a compiled run, golden vectors, samples and a recipe; and what train and compile printed."""
    place = tmp_path_factory.mktemp("modes")
    trained = call("train", "digits", "--out", place / "run", *OPTIONS, "--json", "--figures")
    assert trained.exit_code == 0, trained.output
    compiled = call("compile", place / "run", "--vectors", place / "v.npz", "--json")
    assert compiled.exit_code == 0, compiled.output
    np.save(place / "x.npy", load("digits").x_test[:3])
    (place / "recipe.yaml").write_text(RECIPE)
    return place, trained, compiled


def words_of(line, place):
    """A command line with RUN, PROGRAM, VECTORS, SAMPLES, RECIPE, MADE and NEW replaced by what lies in ``place``."""
    names = {
        "RUN": place / "run",
        "PROGRAM": place / "run" / "program.safetensors",
        "VECTORS": place / "v.npz",
        "SAMPLES": place / "x.npy",
        "RECIPE": place / "recipe.yaml",
        "MADE": place / "made",
        "NEW": place / "new" / "deeper",  # which no test makes
    }
    return [names.get(word, word) for word in line.split()]


def tree(folder):
    """Every file with its content and time, every folder."""
    return {
        path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def test_training_and_compiling_as_json_say_what_they_made(place):
    folder, trained, compiled = place
    summary = json.loads(trained.stdout)
    assert summary == {
        "folder": str(folder / "run"),
        **json.loads((folder / "run" / "summary.json").read_text()),
    }
    made = json.loads(compiled.stdout)
    assert made["accuracy"]["float"] == summary["test"]["accuracy"]
    assert made["verification"]["samples"] == 359
    for name in ("program", "prepared_network", "golden_vectors"):
        assert Path(made[name]).is_file()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("verify RUN", "membranes"),
        ("verify PROGRAM --vectors VECTORS", "letters"),
        ("info PROGRAM --vectors VECTORS", "energy"),
        ("behaviour RUN", "layers"),
        ("levels RUN", "figure"),
        ("gradients RUN --alpha 2", "figures"),
        ("export c RUN --out MADE", "flash"),
        ("datasets", None),
        ("run PROGRAM SAMPLES", None),
    ],
)
def test_json_is_all_that_is_on_standard_output_and_nothing_else_is_said(line, key, place):
    result = call(*words_of(line, place[0]), "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert key is None or key in value
    assert result.stderr == ""


@pytest.mark.parametrize(
    "line",
    [
        *("verify RUN", "info PROGRAM", "datasets", "run PROGRAM SAMPLES", "behaviour RUN", "levels RUN"),
        *("gradients RUN --alpha 2", "compile RUN", "export c PROGRAM --out MADE"),
    ],
)
def test_quiet_leaves_the_result_alone(line, place, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    monkeypatch.setattr("shiftlif.cli.progress.LINE_EVERY", 0.0)
    result = call(*words_of(line, place[0]), "--quiet")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert result.stdout


@pytest.mark.parametrize(
    ("line", "stages"),
    [
        ("verify RUN", ["loading the run", "verifying"]),
        ("verify PROGRAM --vectors VECTORS", ["verifying 16 samples"]),
        ("run PROGRAM SAMPLES", ["predicting"]),
        ("behaviour RUN", ["loading the run", "comparing"]),
        ("levels RUN", ["loading the run", "running the network", "comparing alphabets", "drawing"]),
        (
            "gradients RUN --alpha 2",
            ["loading the run", "gradients, initial network", "gradients, trained network"],
        ),
        ("compile RUN", ["loading the run", "predicting, float", "predicting, absorbed", "verifying"]),
        ("export c PROGRAM --out MADE", ["loading the program", "recording the self-test"]),
        ("info PROGRAM --vectors VECTORS", ["counting operations"]),
    ],
)
def test_every_command_that_takes_time_says_what_it_does(line, stages, place, monkeypatch):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    monkeypatch.setattr("shiftlif.cli.progress.LINE_EVERY", 0.0)
    result = call(*words_of(line, place[0]))
    assert result.exit_code == 0, result.output
    told = [said.split(": ")[0] for said in result.stderr.splitlines()]
    assert list(dict.fromkeys(told)) == stages


@pytest.mark.parametrize(
    ("line", "files"),
    [
        (
            "train digits --out NEW --epochs 2 --figures",
            ["config.yaml", "summary.json", "learning_curves.png"],
        ),
        ("demo --out NEW", ["network.safetensors", "program.safetensors", "vectors.npz"]),
        (
            "compile RUN --bits 4 --qat-epochs 3",
            ["run/program.safetensors", "run/program.prepared.safetensors"],
        ),
        ("compile RUN --out NEW --vectors NEW", ["new/deeper"]),
        ("export c RUN --out NEW", ["model_model.c", "report.json", "shiftlif.h"]),
        ("levels RUN --out NEW", ["levels.png"]),
        ("gradients RUN --out NEW --alpha 2", ["gradients_initial.png", "gradients_trained.png"]),
        ("bench RECIPE --out NEW.jsonl", None),
    ],
)
def test_a_dry_run_says_what_would_be_written_and_writes_nothing(line, files, place, monkeypatch):
    before = tree(place[0])
    monkeypatch.chdir(place[0])
    words = words_of(line, place[0])
    shown, told = call(*words, "--dry-run"), call(*words, "--dry-run", "--json")
    assert (shown.exit_code, told.exit_code) == (0, 0), shown.output + told.output
    assert tree(place[0]) == before
    plan = json.loads(told.stdout)
    assert plan["dry_run"] is True
    if files is None:
        assert [run["neuron"] for run in plan["runs"]] == ["A", "B"]
        return
    for name in files:
        assert any(file.endswith(name) for file in plan["files"]), (name, plan["files"])
    assert "nothing was written" in shown.stdout
    listed = "would replace" if line.startswith("compile RUN --bits") else "would write"
    assert listed in shown.stdout


def test_a_dry_run_of_training_shows_the_resolved_configuration(place, tmp_path):
    told = call("train", "digits", "--out", tmp_path / "r", *OPTIONS, "--dry-run", "--json")
    plan = json.loads(told.stdout)
    assert plan["configuration"]["neuron"]["K"] == 3
    assert plan["samples"] == {"train": 1222, "val": 216, "test": 359}
    assert plan["classes"] == 10
    assert plan["parameters"] == json.loads(place[1].stdout)["parameters"]


def test_a_dry_run_leaves_out_what_is_switched_off(place, tmp_path):
    def planned(*more):
        told = call("train", "digits", "--out", tmp_path / "r", *OPTIONS, "--dry-run", "--json", *more)
        return json.loads(told.stdout)["configuration"]

    fields = {"teacher", "teacher_weight", "teacher_temperature", "rate_target", "rate_penalty"}
    assert not fields & set(planned())
    assert fields <= set(planned("--rate-weight", 1, "--set", f"teacher={place[0] / 'run'}"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train digits --out RUN", "holds a run already"),
        ("train digits --out NEW --neuron Shift", "did you mean ShiftLIF?"),
        ("train digits --out PROGRAM/below", "no folder that can be written to"),
        ("train digits --out NEW --accelerator tpu", "accelerator"),
        ("train digits --out NEW --set teacher=nowhere", "nowhere"),
        ("compile RUN --bits 5", "5"),
        ("compile NEW", "is not a run folder"),
        ("export c RUN --out RUN", "is no earlier export"),
        ("export c RUN --out NEW --name 1", "name is '1'"),
        ("demo --bits 3", "3"),
        ("datasets --fetch aril", "cannot be fetched automatically"),
    ],
)
def test_a_dry_run_finds_the_mistakes_that_can_be_found(line, said, place):
    program = place[0] / "run" / "program.safetensors"
    words = [str(word).replace("PROGRAM/below", str(program / "x")) for word in words_of(line, place[0])]
    before = tree(place[0])
    result = call(*words, "--dry-run")
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert tree(place[0]) == before


def test_a_dry_run_of_a_download_names_the_files(monkeypatch, tmp_path):
    monkeypatch.setenv("SHIFTLIF_DATA", str(tmp_path))
    plan = json.loads(call("datasets", "--fetch", "gsc35", "--dry-run", "--json").stdout)
    assert len(plan["from"]) == len(plan["files"]) == 1
    assert plan["from"][0].startswith(("http://", "https://"))
    assert Path(plan["files"][0]).parent == tmp_path / "gsc35"
    assert list(tmp_path.iterdir()) == []


def test_the_exit_code_of_a_fault_is_1_and_of_a_mistake_2(monkeypatch):
    assert call("datasets").exit_code == 0
    assert call("datasets", "--no-such-option").exit_code == 2
    assert call("info", "nowhere").exit_code == 2

    def fault(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("shiftlif.program.load", fault)
    assert call("info", "p").exit_code == 1


def start(*words, **variables):
    cleaned = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR")}
    return subprocess.Popen(
        [sys.executable, "-m", "shiftlif.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cleaned | variables,
        text=True,
    )


def test_a_reader_that_has_had_enough_ends_the_command_with_1_and_without_a_word():
    process = start("datasets")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1


def test_in_a_pipe_lines_of_a_cell_end_between_words_and_json_has_the_values(place, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    program = place[0] / "run" / "program.safetensors"
    shown = call("info", program)
    assert max(map(len, shown.stdout.splitlines())) < 140
    for part in ("kind: ShiftLIF, K: 3, placement: nearest", "detach_reset: False", "learnable_scale: True"):
        assert part in shown.stdout
    neuron = json.loads(call("info", program, "--json").stdout)["metadata"]["neuron"]
    assert (neuron["K"], neuron["detach_reset"]) == (3, False)


def test_in_a_pipe_a_word_is_never_broken(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    path = "/deep-folder" * 20
    show_pairs("t", {"many": "word " * 60 + path})
    *lines, last = [line for line in capsys.readouterr().out.splitlines() if "word" in line or path in line]
    assert [line.count("word") for line in lines] == [20, 20, 20]
    assert path in last


def test_a_pipe_gets_whole_cells_and_no_colours_unless_they_are_asked_for():
    plain, error = start("datasets").communicate(timeout=60)
    assert error == ""
    assert "\x1b" not in plain
    task = "6 activities, waist phone, body acceleration, angular velocity, total acceleration, 50 Hz"
    assert task in plain, "a cell is not cut or folded"
    narrow, _ = start("datasets", COLUMNS="70").communicate(timeout=60)
    assert max(map(len, narrow.splitlines())) <= 70
    assert task not in narrow
    assert "accelerat" in narrow.replace("\n", ""), "it is folded and not cut"
    for command in (("datasets",), ("--help",)):
        forced, _ = start(*command, FORCE_COLOR="1").communicate(timeout=60)
        assert "\x1b[" in forced
        both, _ = start(*command, FORCE_COLOR="1", NO_COLOR="1").communicate(timeout=60)
        assert not any(f"\x1b[{code}" in both for code in (*range(31, 38), *range(91, 98)))


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (38, ["name", "long", "short", "last"]),  # words of 9, 7, 5 and 4 letters, 3 more for each, and 1
        (37, ["name", "short", "last"]),
        (28, ["name", "short", "last"]),
        (27, ["name", "last"]),
        (12, ["name", "last"]),  # no more to leave out: words are broken
    ],
)
def test_a_table_leaves_expendable_columns_out_one_by_one_until_its_words_fit(
    width, shown, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", str(width))
    row = ("shiftlif1", "sevens7", "fives", "end")
    show_table("costs", ("name", "long", "short", "last"), [row], expendable=("long", "short"))
    printed = capsys.readouterr().out
    assert all(len(line) <= width for line in printed.splitlines())
    texts = dict(zip(("name", "long", "short", "last"), row, strict=True))
    if width > 12:
        assert [name for name, text in texts.items() if text in printed] == shown
    left_out = [name for name in ("long", "short") if name not in shown]
    assert ("without" in printed) is bool(left_out)
