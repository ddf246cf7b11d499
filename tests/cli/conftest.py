"""One run for the tests of the commands, trained and compiled as a user would."""

import pytest

from tests.cli.calling import call


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A run on digits, compiled, with golden vectors."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    options = (
        "--model",
        "dense",
        "--width",
        24,
        "--epochs",
        3,
        "--steps",
        2,
        "--K",
        2,
        "--lr",
        0.01,
        "--figures",
        "--quiet",
    )
    trained = call("train", "digits", "--out", folder, *options, "--set", "neuron.surrogate=atan")
    assert trained.exit_code == 0, trained.output
    compiled = call("compile", folder, "--vectors", folder / "v.npz", "--qat-epochs", 1, "--quiet")
    assert compiled.exit_code == 0, compiled.output
    return folder, trained.output, compiled.output


@pytest.fixture
def program(made):
    return made[0] / "program.safetensors"
