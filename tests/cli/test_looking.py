"""``shiftlif levels`` and ``shiftlif gradients`` on a small run."""

import json
import sys

import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looking") / "run"
    options = ("--model", "dense", "--width", 16, "--epochs", 1, "--steps", 2, "--quiet")
    assert call("train", "digits", "--out", folder, *options).exit_code == 0
    return folder


def test_levels_shows_a_table_per_layer_and_draws(folder, tmp_path):
    result = call("levels", folder, "--out", tmp_path / "new", "--samples", 50)
    assert result.exit_code == 0, result.output
    for text in (
        "shiftlif1: trained as PowerOfTwo(K=3",
        "shiftlif2",
        "recommended K",
        "--set levels='{shiftlif1:",
    ):
        assert text in result.output
    assert (tmp_path / "new" / "levels.png").read_bytes().startswith(b"\x89PNG")


def test_levels_of_a_binary_run_recommends_but_offers_no_option_that_would_fail(tmp_path):
    options = ("--model", "dense", "--width", 16, "--epochs", 1, "--steps", 1, "--quiet", "--neuron", "LIF")
    assert call("train", "digits", "--out", tmp_path / "run", *options).exit_code == 0
    result = call("levels", tmp_path / "run")
    assert "recommended K (*)" in result.output
    assert "--set" not in result.output


def test_levels_as_json_can_be_trained_with(folder, tmp_path):
    found = json.loads(call("levels", folder, "--json", "--tolerance", 0.2, "--out", tmp_path).output)
    assert found["tolerance"] == 0.2
    assert found["samples"] == 216
    assert [layer["name"] for layer in found["layers"]] == ["shiftlif1", "shiftlif2"]
    for layer in found["layers"]:
        assert [c["size"] for c in layer["power_of_two"]] == [0, 1, 2, 3, 4, 5]
        chosen = layer["power_of_two"][layer["recommended_K"]]
        assert chosen["excess"] <= 0.2
        assert 0 < chosen["density"] < 1
        assert chosen["entropy"] <= chosen["capacity"]
    levels = json.dumps({layer["name"]: layer["recommended_K"] for layer in found["layers"]})
    options = ("--model", "dense", "--width", 16, "--epochs", 1, "--steps", 2, "--quiet", "--set")
    assert call("train", "digits", "--out", tmp_path / "run", *options, f"levels={levels}").exit_code == 0


def test_gradients_shows_both_networks_and_draws(folder, tmp_path):
    words = ("--surrogate", "relsget", "--surrogate", "rectangle", "--alpha", 2, "--alpha", 8)
    result = call("gradients", folder, *words, "--out", tmp_path / "new", "--samples", 50)
    assert result.exit_code == 0, result.output
    for text in ("initial network", "trained network", "relsget 2", "relsget 8", "rectangle"):
        assert text in result.output
    for state in ("initial", "trained"):
        assert (tmp_path / "new" / f"gradients_{state}.png").read_bytes().startswith(b"\x89PNG")


def test_gradients_as_json_have_a_row_per_surrogate_layer_and_step(folder, tmp_path):
    found = json.loads(call("gradients", folder, "--json", "--alpha", 4, "--out", tmp_path).output)
    for state in ("initial", "trained"):
        assert [(r["surrogate"], r["alpha"], r["layer"], r["step"]) for r in found[state]] == [
            ("relsget", 4.0, layer, step) for layer in ("shiftlif1", "shiftlif2") for step in (0, 1)
        ]
        assert all(r["norm"] > 0 for r in found[state])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("levels", "/nowhere"), "is not a run folder"),
        (("gradients", "RUN", "--surrogate", "step"), "no surrogate 'step'"),
        (("levels", "RUN", "--tolerance", "-1"), "tolerance must be"),
    ],
)
def test_mistakes_are_one_line(folder, words, message):
    result = call(*(folder if word == "RUN" else word for word in words))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("line", "table", "figures"),
    [
        ("levels RUN --out NEW", "shiftlif2: trained as", "levels.png"),
        (
            "gradients RUN --alpha 2 --out NEW",
            "trained network",
            "gradients_initial.png, gradients_trained.png",
        ),
        (
            "train digits --out NEW --model dense --width 16 --steps 1 --epochs 1 --figures --quiet",
            "test accuracy",
            "learning_curves.png, letter_usage.png",
        ),
    ],
)
def test_without_matplotlib_only_the_figures_are_missing_and_a_warning_says_how_to_get_them(
    folder, tmp_path, monkeypatch, line, table, figures
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = [{"RUN": folder, "NEW": tmp_path / "new"}.get(word, word) for word in line.split()]
    why = "this needs matplotlib, which is not installed: pip install 'shiftlif[plot]'"
    warning = f"warning: no figure ({figures}): {why}"
    planned = call(*words, "--dry-run", "--json")
    assert planned.exit_code == 0, planned.output
    assert warning in planned.stderr
    assert not any(file.endswith(".png") for file in json.loads(planned.stdout)["files"])
    result = call(*words)
    assert result.exit_code == 0, result.output
    assert warning in result.stderr
    assert table in result.stdout
    assert list(tmp_path.rglob("*.png")) == []
    assert not any(name in result.stdout for name in figures.split(", "))


def test_the_figure_that_was_not_drawn_is_null_in_json(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert json.loads(call("levels", folder, "--json").stdout)["figure"] is None
    assert json.loads(call("gradients", folder, "--json", "--alpha", 2).stdout)["figures"] == []
