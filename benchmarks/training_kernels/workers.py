"""A process per task: settings go in as JSON, records come out as lines of JSON, each as soon as it is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.training_kernels.timing import Record

ROOT = Path(__file__).parents[2]
TIMEOUT = 3600


def serve(section: str, task: Record) -> None:
    """Run one task in this process and write its records to standard output."""
    with os.fdopen(os.dup(1), "w") as records:
        os.dup2(2, 1)  # compilers and libraries that print must not print between the records
        import torch

        from benchmarks.training_kernels.sections import SECTIONS

        torch.set_num_threads(task["threads"])
        for record in SECTIONS[section].run(task):
            print(json.dumps(record), file=records, flush=True)


def _environment(task: Record, cache: str) -> dict[str, str]:
    threads = str(task["threads"])
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TORCHINDUCTOR_CACHE_DIR": cache,
        **{name: str(value) for name, value in task.get("environment", {}).items()},
    }


def run(section: str, task: Record, cache: str, found: Callable[[Record], Any]) -> None:
    """Run one task in a process of its own; ``found`` is called with each record, and with an error if it fails."""
    command = [sys.executable, "-m", "benchmarks.training_kernels", "--serve", section, json.dumps(task)]
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            env=_environment(task, cache),
            cwd=ROOT,
        )
        assert process.stdout is not None
        limit = threading.Timer(TIMEOUT, process.kill)
        limit.start()
        for line in process.stdout:
            found({**json.loads(line), **_settings(task)})
        code = process.wait()
        limit.cancel()
        if code:
            messages.seek(0)
            last = [line for line in messages.read().splitlines() if line.strip()][-1:]
            reason = (
                last[0].strip()
                if last and code > 0
                else "killed (out of memory or time?)"
                if code < 0
                else "no message"
            )
            found({"task": task, "error": f"the process ended with {code}: {reason}"[:400]})


def _settings(task: Record) -> Record:
    environment = task.get("environment")
    return {"environment": environment} if environment else {}
