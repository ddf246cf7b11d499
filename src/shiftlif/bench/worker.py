"""The process of one run: ``python -m shiftlif.bench.worker teach|measure SCRATCH TEACHERS RESULT``.

The job comes on standard input. The record is written whole to the file RESULT, since libraries may print what
they like.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

ORPHANED = 3  # exit status where the bench that started this process is gone


def main(kind: str, scratch: Path, teachers: Path, result: Path) -> None:
    """Run the job that standard input holds."""
    threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    from shiftlif.bench.recipe import Job
    from shiftlif.bench.record import measured, teach
    from shiftlif.program.storage import write_atomically

    job = Job.model_validate_json(sys.stdin.read())
    if kind == "teach":
        teach(job, scratch / f"teach-{job.training_key}", teachers)
        return
    record = measured(job, scratch / f"run-{job.key}", teachers)
    write_atomically(result, json.dumps(record, allow_nan=False).encode())


def leave_with(parent: int) -> None:
    """End this process when its bench was killed, so that no run goes on unseen."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(ORPHANED)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]))
