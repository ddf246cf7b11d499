"""docs/streaming.md: its worked examples run as they stand, networks of random weights in place of trained ones."""

import re
import shlex
from pathlib import Path

import pytest

from shiftlif.data import load
from tests.cli.test_run import call, program_for

PAGE = Path(__file__).parents[2] / "docs" / "streaming.md"


@pytest.mark.data
@pytest.mark.slow
def test_the_worked_examples_run(data_folder, tmp_path, monkeypatch, capsys):
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    monkeypatch.chdir(tmp_path)
    for data in (load("gsc12"), load("sphar")):
        (tmp_path / "runs" / data.name).mkdir(parents=True)
        program_for(data.sample_shape, data.front_end, tmp_path / "runs" / data.name / "program.safetensors")
    text = PAGE.read_text(encoding="utf-8").split("## Keyword spotting")[1]
    for kind, block in re.findall(r"```(python|sh)\n(.*?)```", text, re.DOTALL):
        if kind == "python":
            exec(compile(block, str(PAGE), "exec"), {})  # each one alone: it may be run on another day
            continue
        for line in block.splitlines():
            if line.startswith("shiftlif run") and "--speed 0" in line:
                command, target = line.split(">")
                result = call(*shlex.split(command)[1:])
                assert result.exit_code == 0, result.output
                (tmp_path / target.strip()).write_text(result.stdout)
    told = capsys.readouterr().out
    assert "aligned.jsonl: 60 decisions, 4.00 steps each" in told
    assert "sliding.jsonl: 473 decisions, " in told
    assert "319 decisions, " in told
    assert " of 160 windows of the data set right" in told
