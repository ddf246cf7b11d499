"""What the commands say to a mistake, an interruption and a missing package."""

import builtins

import pytest

from tests.cli.calling import call

pytestmark = pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("train",), "which data set"),
        (("train", "digitz"), "digitz"),
        (("train", "digits", "--neuron", "Shift"), "did you mean ShiftLIF?"),
        (("train", "digits", "--set", "epochs"), "NAME=VALUE"),
        (("train", "digits", "--set", "a.b=1"), "no such field"),
        (("train", "digits", "--epochs", 0), "epochs"),
        (("train", "--resume"), "--out"),
        (("train", "--resume", "--out", "nowhere"), "holds no run to resume"),
        (("train", "digits", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("train", "digits", "--K", 2, "--neuron", "LIF"), "no K"),
        (("compile", "nowhere"), "not a run folder"),
        (("verify", "nowhere"), "--vectors"),
        (("run", "nowhere.safetensors"), "nowhere.safetensors"),
        (("info", "nowhere.safetensors"), "nowhere.safetensors"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_run_is_not_trained_over(made):
    result = call("train", "digits", "--out", made[0])
    assert result.exit_code == 2
    assert "--resume" in result.stderr


def test_bits_that_do_not_exist_are_refused(made):
    result = call("compile", made[0], "--bits", 5)
    assert result.exit_code == 2
    assert "5" in result.stderr


def test_a_finished_run_resumes_from_its_own_configuration(made):
    before = (made[0] / "network.safetensors").read_bytes()
    result = call("train", "--resume", "--out", made[0], "--quiet")
    assert result.exit_code == 0, result.output
    assert (made[0] / "network.safetensors").read_bytes() == before


def test_ctrl_c_is_one_line_with_exit_code_130(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("shiftlif.training.fitting.fit", interrupted)
    result = call("train", "digits", "--out", tmp_path / "r")
    assert result.exit_code == 130
    assert "nothing was written; call it again" in result.stderr
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "config.yaml").touch()
    result = call("train", "digits", "--out", tmp_path / "r")
    assert (result.exit_code, f"--resume --out {tmp_path / 'r'}" in result.stderr) == (130, True)
    monkeypatch.setattr("shiftlif.program.load", interrupted)
    assert call("info", "p").exit_code == 130


def test_ctrl_c_of_a_compilation_says_that_nothing_was_written(made, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("shiftlif.training.deployment.deploy", interrupted)
    result = call("compile", made[0], "--out", tmp_path / "p.safetensors")
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted; nothing was written; call it again"
    assert not list(tmp_path.iterdir())


def test_a_folder_is_not_written_over_by_a_file(made):
    for words in (("compile", made[0]), ("compile", made[0], "--dry-run"), ("report", made[0], "--dry-run")):
        result = call(*words, "--out", made[0])
        assert result.exit_code == 2
        assert f"{made[0]}: is a folder, expected the name of a file to write" in result.stderr


@pytest.mark.parametrize("name", ["program.prepared.safetensors", "network.safetensors"])
def test_weights_that_are_no_program_are_told_with_the_program_beside_them(made, program, name):
    result = call("info", made[0] / name)
    assert result.exit_code == 2
    assert f"use {program}" in result.stderr
    assert "compile the run first" not in result.stderr


def test_a_share_above_one_is_no_tolerance(made):
    result = call("levels", made[0], "--tolerance", 5)
    assert result.exit_code == 2
    assert "tolerance must be 0 to 1" in result.stderr


@pytest.mark.parametrize("command", ["compile", "demo", "behaviour"])
def test_help_lists_the_values_of_the_bits(command):
    text = call(command, "--help").output
    assert "8|4" in text
    assert ("32|16" in text) == (command == "compile")


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'lightning'", name="lightning.pytorch")

    monkeypatch.setattr("shiftlif.training.fitting.fit", missing)
    result = call("train", "digits", "--out", tmp_path / "r")
    assert result.exit_code == 2
    assert "pip install 'shiftlif[train]'" in result.stderr


def test_without_typer_one_line_says_what_to_install(monkeypatch, capsys):
    from shiftlif.cli import main

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name in ("typer", "rich"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
