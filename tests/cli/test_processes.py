"""Real processes: signals, resuming, several devices."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

LIMIT = 600
"""Seconds after which a process hangs. Nothing here is about speed, and a busy machine takes minutes for seconds."""


@pytest.fixture
def start():
    """Starts a training in a process of its own; what is left of them when a test fails is killed."""
    started = []

    def training(folder, *words):
        command = [sys.executable, "-m", "shiftlif.cli", "train", *words, "--out", str(folder), "--quiet"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield training
    for process in started:
        with process:  # closes its pipes and waits
            process.kill()


OPTIONS = ("digits", "--model", "dense", "--width", "16", "--epochs", "12", "--set", "batch_size=16")


def stop(process, folder, kind):
    """Send a signal to a training in the middle of an epoch, and return what it left."""
    deadline = time.monotonic() + LIMIT
    while not (folder / "checkpoints" / "last.ckpt").is_file():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.15)
    os.kill(process.pid, kind)
    _, err = process.communicate(timeout=LIMIT)
    assert not (folder / "summary.json").exists(), "it must be stopped before it ends"
    return process.returncode, err


@pytest.mark.slow
def test_ctrl_c_is_one_line_that_says_how_to_go_on(start, tmp_path):
    code, err = stop(start(tmp_path / "cut", *OPTIONS), tmp_path / "cut", signal.SIGINT)
    assert code == 130
    assert "continue with: shiftlif train --resume" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_weights_of_an_uninterrupted_one(start, tmp_path):
    stop(start(tmp_path / "cut", *OPTIONS), tmp_path / "cut", signal.SIGKILL)
    whole, resumed = start(tmp_path / "whole", *OPTIONS), start(tmp_path / "cut", "--resume")
    for process in (whole, resumed):
        _, err = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, err
    a, b = ((tmp_path / name / "network.safetensors").read_bytes() for name in ("whole", "cut"))
    assert a == b
    summaries = [json.loads((tmp_path / n / "summary.json").read_text()) for n in ("whole", "cut")]
    assert summaries[0]["test"] == summaries[1]["test"]


@pytest.mark.slow
def test_two_devices_train_one_run_and_print_one_table(start, tmp_path):
    process = start(tmp_path / "run", *OPTIONS, "--devices", "2")
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    assert out.count("test accuracy") == 1
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 13
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["validation"]["accuracy"] > 0.5


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_behind_standard_output_is_one_line(options):
    command = [sys.executable, "-m", "shiftlif.cli", "datasets", *options]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: output: No space left on device")
    assert len(done.stderr.splitlines()) == 1
