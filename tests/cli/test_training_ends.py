"""What ``train`` says at its end: whether the network compiles, and which layers hardly speak."""

import json

import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app

SMALL = ("--model", "dense", "--width", 24, "--epochs", 1, "--steps", 2, "--quiet")


def train(folder, *options):
    words = ("train", "digits", "--out", folder, *SMALL, *options)
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--neuron", "GLIF"), "layer glif1 (GLIF) cannot be compiled"),
        (("--neuron", "ReLU"), "train QuantReLU instead"),
        (("--tau", 3), "tau is 3"),
    ],
)
def test_a_network_that_does_not_compile_is_not_sent_to_the_compiler(tmp_path, options, reason):
    text = train(tmp_path / "r", *options).output
    assert "does not compile" in text
    assert reason in " ".join(text.split())
    assert f"shiftlif report {tmp_path / 'r'}" in text
    assert "shiftlif compile" not in text


@pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
def test_a_network_that_compiles_is_sent_to_the_compiler(tmp_path):
    text = train(tmp_path / "r").output
    assert "does not compile" not in text
    assert f"shiftlif compile {tmp_path / 'r'}" in text


def test_a_nearly_silent_network_is_warned_of(tmp_path):
    done = train(tmp_path / "r", "--set", "neuron.scale=12")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    rare = [layer["name"] for layer in summary["layers"] if 0.001 <= layer["events"] < 0.02]
    assert rare
    for name in rare:
        assert any(f"layer {name} is nearly silent" in text for text in summary["warnings"])
        assert f"warning: layer {name} is nearly silent" in done.stderr
