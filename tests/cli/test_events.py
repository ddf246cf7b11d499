"""From a folder of recordings to predictions on one of them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app
from shiftlif.data.events import Binning, event_frames, event_lists, read_events, read_spikes
from shiftlif.program import load, run_events
from tests.data.events import layouts
from tests.data.events.spikes import both
from tests.data.events.test_folder import recorded, rows


def call(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_recordings_train_compile_and_run(tmp_path):
    folder, out = recorded(tmp_path / "data", count=16), tmp_path / "run"
    settings = ("--set", "events.limit=1", "--set", "events.block=2", "--steps", 3)
    call("train", folder, "--out", out, "--model", "dense", "--epochs", 1, "--quiet", *settings)
    call("compile", out)
    program = load(out / "program.safetensors")
    assert program.metadata["front_end"]["block"] == 2
    assert (program.input_shape, program.steps) == ((2, 5, 5), 3)
    assert (program.input.low, program.input.high) == (0, 1)

    recording = tmp_path / "later.bin"
    recording.write_bytes(layouts.nmnist_bin(rows(1, 2)))
    answer = json.loads(call("run", out / "program.safetensors", recording, "--json", "--scores"))
    frames = np.zeros((3, 1, 2, 5, 5), np.int8)
    events = read_events(recording).events
    frames[events["t"] * 3 // 801, 0, events["p"], events["y"] // 2, events["x"] // 2] = 1
    expected = program.run(frames).logits[0] * (program.output_unit / 3)
    assert list(answer[0]["scores"].values()) == expected.tolist()
    lists = [events[events["t"] * 3 // 801 == k].copy() for k in range(3)]
    for each in lists:
        each["x"] //= 2
        each["y"] //= 2
    assert run_events(program, lists).logits[0].tolist() == program.run(frames).logits[0].tolist()


def test_a_program_of_other_samples_refuses_a_recording(tmp_path):
    from tests.cli.test_run import program_for

    program_for((2, 4), {"name": "none"}, tmp_path / "p.safetensors")
    recording = tmp_path / "x.bin"
    recording.write_bytes(layouts.nmnist_bin(rows(0, 0)))
    result = CliRunner().invoke(app, ["run", str(tmp_path / "p.safetensors"), str(recording)])
    assert result.exit_code == 2
    assert "takes samples of the front end none" in " ".join(result.output.split())


def test_spikes_train_compile_run_and_become_c(tmp_path):
    pytest.importorskip("h5py")
    folder, out = tmp_path / "shd", tmp_path / "run"
    folder.mkdir()
    both(folder)
    settings = ("--set", "events.limit=1", "--set", "events.block=10", "--steps", 3, "--width", 16)
    call("train", folder, "--out", out, "--epochs", 12, "--lr", 0.02, "--quiet", *settings)
    call("compile", out)
    program = load(out / "program.safetensors")
    assert (program.input_shape, program.steps) == ((1, 1, 70), 3)
    assert (program.input.low, program.input.high) == (0, 1)
    answers = json.loads(call("run", out / "program.safetensors", folder / "shd_test.h5", "--json"))
    labels = read_spikes(folder / "shd_test.h5").labels
    assert len(answers) == len(labels) == 9
    assert np.mean([answer["index"] == label for answer, label in zip(answers, labels, strict=True)]) > 0.5

    binning = Binning.of({k: v for k, v in program.metadata["front_end"].items() if k != "name"})
    spoken = read_spikes(folder / "shd_test.h5").recordings[0]
    stream = [run_events(program, event_lists(spoken, binning)).logits[0].tolist()]
    stream.append(program.run(event_frames(spoken, binning)[:, None]).logits[0].tolist())
    assert stream[0] == stream[1]
    call("export", "c", out, "--out", tmp_path / "c", "--name", "shd")
    assert "shd_step_events" in (tmp_path / "c" / "shd_model.h").read_text()
