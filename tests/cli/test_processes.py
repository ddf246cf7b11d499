"""Real processes: signals, resuming, several devices."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import safetensors.numpy


def start(folder, *words):
    command = [sys.executable, "-m", "shiftlif.cli", "train", *words, "--out", str(folder), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


OPTIONS = ("digits", "--model", "dense", "--width", "16", "--epochs", "12", "--set", "batch_size=16")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_process_resumes_to_the_weights_of_an_uninterrupted_one(tmp_path, kind):
    process = start(tmp_path / "cut", *OPTIONS)
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not last.is_file():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.15)
    os.kill(process.pid, kind)
    _, err = process.communicate(timeout=30)
    if kind is signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in err
        assert "continue with: shiftlif train --resume" in err
        assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "cut" / "summary.json").exists(), "it must be stopped before it ends"
    whole, resumed = start(tmp_path / "whole", *OPTIONS), start(tmp_path / "cut", "--resume")
    for process in (whole, resumed):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    a, b = ((tmp_path / name / "network.safetensors").read_bytes() for name in ("whole", "cut"))
    assert safetensors.numpy.load(a).keys() == safetensors.numpy.load(b).keys()
    assert a == b
    summaries = [json.loads((tmp_path / n / "summary.json").read_text()) for n in ("whole", "cut")]
    assert summaries[0]["test"] == summaries[1]["test"]


@pytest.mark.slow
def test_two_devices_train_one_run_and_print_one_table(tmp_path):
    process = start(tmp_path / "run", *OPTIONS, "--devices", "2")
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert out.count("test accuracy") == 1
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 13
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["validation"]["accuracy"] > 0.5
