import json

import numpy as np
import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app
from shiftlif.program import record
from tests.export.programs import edge_program
from tests.export.toolchain import need, run


def call(*args):
    return CliRunner().invoke(app, [str(a) for a in args])


@pytest.fixture
def file(tmp_path):
    edge_program(1, 2).save(tmp_path / "program.safetensors")
    return tmp_path / "program.safetensors"


def test_a_model_file_becomes_a_folder_that_proves_itself(file, tmp_path):
    need("make", "cc")
    result = call("export", "c", file, "--out", tmp_path / "c", "--name", "edge")
    assert result.exit_code == 0, result.output
    assert "8 of 8 samples equal" in run("make", "test", cwd=tmp_path / "c").stdout


def test_golden_vectors_become_the_self_test(file, tmp_path):
    frames = np.full((3, 6, 20), 7, np.int8)
    record(edge_program(1, 2), frames).save(tmp_path / "vectors.npz")
    result = call(
        "export", "c", file, "--out", tmp_path / "c", "--vectors", tmp_path / "vectors.npz", "--json"
    )
    assert json.loads(result.stdout)["self-test samples"] == 3
    assert "frames[360] = {\n    7, 7, 7," in (tmp_path / "c" / "model_vectors.c").read_text()


def test_vectors_of_another_program_are_refused(file, tmp_path):
    record(edge_program(1, 3), np.zeros((1, 6, 20), np.int8)).save(tmp_path / "other.npz")
    result = call("export", "c", file, "--out", tmp_path / "c", "--vectors", tmp_path / "other.npz")
    assert result.exit_code == 2
    assert "record them again" in " ".join(result.stderr.split())
    assert not (tmp_path / "c").exists()


def test_caching_the_first_layer_is_a_choice_between_memory_and_work(file, tmp_path):
    sizes = {}
    for option in ("--cache", "--no-cache"):
        result = call("export", "c", file, "--out", tmp_path / option, option, "--json")
        sizes[option] = json.loads(result.stdout)["ram"]["arena"]
    assert sizes["--no-cache"] < sizes["--cache"]


def test_packing_weights_of_4_bits_is_a_choice_between_flash_and_work(tmp_path):
    file, sizes = tmp_path / "program.safetensors", {}
    edge_program(1, 2, bits=4).save(file)
    for option in ("--pack", "--no-pack"):
        result = call("export", "c", file, "--out", tmp_path / option, option, "--json")
        sizes[option] = json.loads(result.stdout)["flash"]["weights"]
    assert 2 * sizes["--pack"] == sizes["--no-pack"]


def test_help_has_an_example():
    assert "Example: shiftlif export c " in " ".join(call("export", "c", "--help").output.split())
