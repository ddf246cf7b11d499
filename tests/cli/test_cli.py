"""The commands as a user meets them; one run is trained and compiled for all tests."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import COMMANDS, app
from shiftlif.cli.output import fresh_folder
from shiftlif.data import load
from shiftlif.program import GoldenVectors
from shiftlif.program import load as load_program
from tests.cli.calling import call

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(name):
    result = call(name, "--help")
    assert result.exit_code == 0
    assert "Example: shiftlif " in " ".join(result.output.split())


def test_training_and_compiling_show_their_results(made):
    folder, trained, compiled = made
    assert "test accuracy" in trained
    assert "T=2" in trained
    assert "verified equal" in compiled
    assert "neuron:" in (folder / "config.yaml").read_text()
    assert "surrogate: atan" in (folder / "config.yaml").read_text()


def test_compiling_shows_the_bits_of_the_membranes_of_every_layer(made, tmp_path):
    folder, _, compiled = made
    narrow = tmp_path / "narrow.safetensors"
    again = call("compile", folder, "--membranes", 16, "--qat-epochs", 0, "--out", narrow)
    assert again.exit_code == 0, again.output
    for file, output in ((folder / "program.safetensors", compiled), (narrow, again.output)):
        operations = json.loads(call("info", file, "--json").stdout)["operations"]
        bits = [row["bits"] for row in operations if row["kind"] == "Neuron"]
        assert len(bits) == 2
        assert set(bits) <= {16, 32}
        (row,) = (line for line in output.splitlines() if line.startswith("│ membranes "))
        assert f"│ {bits[0]}, {bits[1]} bits" in row
        assert ("16 asked for" in row) is (file == narrow and 32 in bits)


def test_figures_are_drawn_where_asked_for(made):
    for name in ("learning_curves.png", "letter_usage.png"):
        assert (made[0] / name).read_bytes().startswith(b"\x89PNG")


def test_a_compiled_run_exports_with_its_test_samples(made, tmp_path):
    result = call("export", "c", made[0], "--out", tmp_path / "c", "--samples", 3)
    assert result.exit_code == 0, result.output
    assert "#define SAMPLES 3u" in (tmp_path / "c" / "model_vectors.c").read_text()


def test_export_of_a_path_without_a_language_says_how_c_is_written():
    result = call("export", "runs/mine", "--out", "mine_c")
    assert result.exit_code == 2
    assert "to write C: shiftlif export c runs/mine --out mine_c" in result.output
    other = call("export", "cobol")
    assert other.exit_code == 2
    assert "to write C" not in other.output


def test_a_compiled_run_verifies(made):
    result = call("verify", made[0])
    assert result.exit_code == 0, result.output
    assert "whole test part" in result.output


def test_golden_vectors_verify_and_an_altered_one_does_not(made, program, tmp_path):
    assert call("verify", program, "--vectors", made[0] / "v.npz").exit_code == 0
    golden = GoldenVectors.load(made[0] / "v.npz")
    golden.logits[3, 1] += 1
    golden.save(tmp_path / "bad.npz")
    result = call("verify", program, "--vectors", tmp_path / "bad.npz")
    assert result.exit_code == 2
    assert "sample 3, class 1" in result.stderr


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_costs_break_no_word_and_leave_out_what_a_narrow_terminal_cannot_show(made, program, width):
    words = ["info", str(program), "--vectors", str(made[0] / "v.npz")]
    output = CliRunner().invoke(app, words, env={"COLUMNS": str(width)}).output
    assert all(len(line) <= width for line in output.splitlines())
    table = output[output.index("cost per inference") : output.index("energy per inference")]
    for word in ("operation", "operations", "shiftlif1", "shiftlif2", "readout", "events", "memory"):
        assert word in table, word
    assert ("without shifts" in " ".join(table.split())) is (width < 100)


def test_a_program_of_another_run_does_not_verify(made, program, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in made[0].iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    altered = load_program(program)
    bias = altered.operations[-1].bias.copy()
    bias[0] += 1
    object.__setattr__(altered.operations[-1], "bias", bias)
    altered.save(folder / "program.safetensors")
    result = call("verify", folder)
    assert result.exit_code == 2
    assert "error: " in result.stderr


def test_predictions_come_from_files_and_from_standard_input(program, tmp_path):
    dataset = load("digits")
    x, y = dataset.x_test[:40], dataset.y_test[:40]
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "x.csv", x.reshape(40, -1), delimiter=",")
    text = (tmp_path / "x.csv").read_text()
    outputs = [call("run", program, tmp_path / "x.npy"), call("run", program, tmp_path / "x.csv")]
    outputs += [call("run", program, stdin=text), call("run", program, "-", stdin=text)]
    assert [r.exit_code for r in outputs] == [0] * 4, outputs[0].output
    assert len({r.stdout for r in outputs}) == 1
    answers = np.array([int(line) for line in outputs[0].stdout.split()])
    assert (answers == y).mean() > 0.6


def test_scores_and_json_agree_with_the_prediction(program, tmp_path):
    np.save(tmp_path / "x.npy", load("digits").x_test[:3])
    rows = json.loads(call("run", program, tmp_path / "x.npy", "--json", "--scores").stdout)
    assert len(rows) == 3
    for row in rows:
        assert max(row["scores"], key=row["scores"].get) == row["class"]
    assert "scores" not in json.loads(call("run", program, tmp_path / "x.npy", "--json").stdout)[0]
    line = call("run", program, tmp_path / "x.npy", "--scores").stdout.splitlines()[0]
    assert line.split("\t")[0] == rows[0]["class"]
    assert len(line.split("\t")) == 11


def test_raw_samples_go_through_the_programs_front_end(program, tmp_path):
    np.save(tmp_path / "x.npy", load("digits").x_test[:5])
    plain = call("run", program, tmp_path / "x.npy")
    assert call("run", program, tmp_path / "x.npy", "--raw").stdout == plain.stdout
    assert call("run", program, "-", "--raw", stdin="1\n").exit_code == 2


def test_info_shows_operations_and_provenance(program):
    text = call("info", program).output
    assert "shiftlif1" in text
    assert "digits" in text
    described = json.loads(call("info", program, "--json").stdout)
    assert described["digest"] == load_program(program).digest()
    assert sum(row["weight_bytes"] for row in described["operations"]) == described["weight bytes"]
    assert described["metadata"]["weight_bits"] == 8


def test_info_prices_the_inputs_of_golden_vectors(made, program):
    text = call("info", program, "--vectors", made[0] / "v.npz").output
    assert "mean of 16 samples, 2 steps" in text
    assert "not measured" in text
    described = json.loads(call("info", program, "--vectors", made[0] / "v.npz", "--json").stdout)
    layers = described["cost"]["layers"]
    assert [row["name"] for row in described["energy"]["layers"]] == [row["name"] for row in layers]
    assert described["cost"]["totals"]["adds"] == sum(row["adds"] for row in layers) > 0
    assert 0 < described["energy"]["nanojoules"]["arithmetic"] < described["energy"]["nanojoules"]["memory"]
    assert described["energy constants"]["add32"]["value"] == 0.1


def test_behaviour_compares_the_float_network_with_the_compiled_one(made):
    text = call("behaviour", made[0]).output
    assert "int8 (compiled, 1 epochs of fine-tuning)" in " ".join(text.split())
    assert "Brier score" in text
    found = json.loads(call("behaviour", made[0], "--json").stdout)
    assert (found["bits"], found["compiled"], found["qat_epochs"], found["steps"]) == (8, True, 1, 2)
    assert [layer["name"] for layer in found["layers"]] == ["shiftlif1", "shiftlif2"]
    # the same accuracies that training and compiling reported on the test part
    for network, label in (("original", "test accuracy"), ("quantised", "integer")):
        accuracy = f"{100 * found[network]['accuracy']:.2f} %"
        lines = (made[1] + made[2]).splitlines()
        assert any(label in line and accuracy in line for line in lines), (label, accuracy)


def test_behaviour_quantises_with_other_bits_and_on_the_validation_part(made):
    found = json.loads(call("behaviour", made[0], "--bits", 4, "--part", "val", "--json").stdout)
    assert (found["bits"], found["compiled"], found["part"]) == (4, False, "val")
    fine = json.loads(call("behaviour", made[0], "--part", "val", "--json").stdout)
    assert found["samples"] == fine["samples"] < 359
    assert found["layers"][0]["agreement"] < 1
    refused = call("behaviour", made[0], "--part", "train")
    assert (refused.exit_code, "expected one of val, test" in refused.stderr) == (2, True)


def test_the_provenance_lets_the_run_be_repeated(made, program):
    metadata = load_program(program).metadata
    assert metadata["dataset"] == "digits"
    assert metadata["front_end"] == {"name": "none"}
    assert metadata["qat_epochs"] == 1
    assert metadata["neuron"]["K"] == 2


def test_datasets_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("SHIFTLIF_DATA", raising=False)
    text = call("datasets").output
    assert "digits" in text
    assert "set SHIFTLIF_DATA" in text
    assert any(row["name"] == "wiar" for row in json.loads(call("datasets", "--json").stdout))


def test_datasets_fetches_what_it_may_and_says_what_to_do_for_the_rest(monkeypatch, tmp_path):
    monkeypatch.setenv("SHIFTLIF_DATA", str(tmp_path))
    text = call("datasets").output
    assert "shiftlif datasets --fetch gsc35" in text
    assert "to be fetched by hand" in text
    (tmp_path / "gsc35").mkdir()
    (tmp_path / "gsc35" / "testing_list.txt").touch()
    result = call("datasets", "--fetch", "gsc35")
    assert result.exit_code == 0, result.output
    assert "CC BY 4.0" in result.output
    assert "nothing, all was there" in result.output
    refused = call("datasets", "--fetch", "aril")
    assert refused.exit_code == 2
    assert "cannot be fetched automatically; download the archive that https" in refused.stderr


def test_the_deployed_half_needs_no_torch(made, program, tmp_path):
    np.save(tmp_path / "x.npy", load("digits").x_test[:2])
    script = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "lightning", "yaml", "sklearn", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from typer.testing import CliRunner
from shiftlif.cli.app import app

program, samples, vectors = sys.argv[1:]
for words in (["run", program, samples], ["info", program, "--vectors", vectors], ["datasets"], ["train", "--help"],
              ["verify", program, "--vectors", vectors]):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (words, result.output, result.exception)
for words in (["train", "digits"], ["compile", "run"], ["demo"]):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2 and "pip install 'shiftlif[" in result.stderr, (words, result.stderr)
"""
    command = [sys.executable, "-c", script, str(program), str(tmp_path / "x.npy"), str(made[0] / "v.npz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_demo_goes_the_whole_way(tmp_path):
    result = call("demo", "--out", tmp_path / "demo", "--epochs", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert "multiplications" in result.output
    assert call("verify", tmp_path / "demo", "--vectors", tmp_path / "demo" / "vectors.npz").exit_code == 0


def test_a_fresh_folder_never_overwrites(tmp_path):
    assert fresh_folder(tmp_path / "demo") == tmp_path / "demo"
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo-2").mkdir()
    assert fresh_folder(tmp_path / "demo") == tmp_path / "demo-3"
