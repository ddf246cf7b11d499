"""Going on with a run: what need not be said again, what is refused, and what the summary says of the time."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app
from tests.data.test_data_files import write_folder

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
SMALL = ("--model", "dense", "--width", 24, "--epochs", 3, "--steps", 2, "--K", 2, "--quiet")


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def seconds(folder):
    return json.loads((folder / "summary.json").read_text())["seconds"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on data of one's own."""
    root = tmp_path_factory.mktemp("resuming")
    write_folder(root / "motion", "npy", per_class=24)
    done = call("train", root / "motion", "--out", root / "run", *SMALL)
    assert done.exit_code == 0, done.output
    done = call("compile", root / "run", "--quiet")
    assert done.exit_code == 0, done.output
    return root / "run"


@pytest.fixture
def killed(finished, tmp_path):
    """A copy of the run as it is when its process was killed while it tested."""
    folder = shutil.copytree(finished, tmp_path / "killed")
    for name in ("summary.json", "network.safetensors"):
        (folder / name).unlink()
    return folder


def test_options_that_are_not_given_again_are_the_runs_own(finished, killed):
    data = finished.parent / "motion"
    done = call("train", data, "--resume", "--out", killed, "--K", 2, "--quiet")
    assert done.exit_code == 0, done.output
    assert (killed / "network.safetensors").read_bytes() == (finished / "network.safetensors").read_bytes()


def test_the_dataset_alone_names_the_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call("train", "digits", *SMALL).exit_code == 0
    assert call("train", "digits", "--resume", "--quiet").exit_code == 0


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--epochs", 4), "epochs was 3, now 4"),
        (("--set", "neuron.tau=4"), "'tau': 4.0"),
        (("--neuron", "QBLIF"), "'kind': 'QBLIF'"),
    ],
)
def test_an_option_that_differs_is_refused_with_the_way_to_go_on(finished, options, part):
    refused = call("train", "--resume", "--out", finished, *options)
    assert refused.exit_code == 2
    assert part in refused.stderr
    assert refused.stderr.count(" was ") == 1
    assert f"shiftlif train --resume --out {finished}" in refused.stderr


def test_a_configuration_file_counts_as_given(finished, tmp_path):
    (tmp_path / "c.yaml").write_text("epochs: 3\nneuron: {K: 2}\n")
    again = ("train", "--resume", "--out", finished, "--config", tmp_path / "c.yaml", "--dry-run")
    assert call(*again).exit_code == 0
    (tmp_path / "c.yaml").write_text("seed: 7\n")
    assert "seed was 0, now 7" in call(*again).stderr


def test_a_folder_without_a_run_is_named_with_what_to_do(tmp_path):
    refused = call("train", "--resume", "--out", tmp_path / "nope")
    assert refused.exit_code == 2
    assert "holds no run to resume" in refused.stderr
    assert "check the name" in refused.stderr


def test_a_finished_run_keeps_the_seconds_that_it_took(finished, killed):
    shutil.copy(finished / "summary.json", killed)
    summary = json.loads((killed / "summary.json").read_text())
    (killed / "summary.json").write_text(json.dumps(summary | {"seconds": 4321.0}))
    assert call("train", "--resume", "--out", killed, "--quiet").exit_code == 0
    assert seconds(killed) == 4321.0


def test_the_seconds_of_all_parts_of_a_run_add_up(killed):
    import torch

    checkpoint = torch.load(killed / "checkpoints" / "last.ckpt", weights_only=True)
    (state,) = (part for part in checkpoint["callbacks"].values() if "best_epoch" in part)
    assert 0 < state["seconds"] < 600
    state["seconds"] = 5000.0
    torch.save(checkpoint, killed / "checkpoints" / "last.ckpt")
    assert call("train", "--resume", "--out", killed, "--quiet").exit_code == 0
    assert 5000 < seconds(killed) < 5600


def test_moved_data_are_named_with_where_they_were_and_found_again(finished, killed, tmp_path):
    data, moved = finished.parent / "motion", tmp_path / "moved"
    data.rename(moved)
    try:
        for words in (("verify", finished), ("report", finished), ("compile", finished)):
            refused = call(*words)
            assert refused.exit_code == 2
            assert f"the data of {finished} were at {data}" in refused.stderr
            assert "pass --data PATH" in refused.stderr
            assert "known sets" not in refused.stderr
        refused = call("verify", finished, "--data", "nowhere")
        assert (
            f"nowhere: nothing is there, expected the file or folder to which the data of {finished} moved"
            in (refused.stderr)
        )
        assert call("verify", finished, "--data", moved).exit_code == 0
        refused = call("train", "--resume", "--out", killed)
        assert f"shiftlif train PATH --resume --out {killed}" in refused.stderr
        done = call("train", moved, "--resume", "--out", killed, "--quiet")
        assert done.exit_code == 0, done.output
    finally:
        moved.rename(data)


def test_a_run_folder_is_not_data(finished):
    refused = call("train", finished)
    assert refused.exit_code == 2
    assert f"{finished}: is a run folder, not data" in refused.stderr
    assert f"shiftlif train --resume --out {finished}" in refused.stderr
    assert "remove" not in refused.stderr


def test_a_file_where_a_run_folder_belongs_is_named_with_its_folder(finished):
    refused = call("compile", finished / "network.safetensors")
    assert refused.exit_code == 2
    assert f"give its folder, {finished}" in refused.stderr
