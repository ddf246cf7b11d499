"""The process of one run: ``python -m shiftlif.bench.worker teach|measure SCRATCH TEACHERS RESULT PARENT``.

PARENT is the process of the bench. The job comes on standard input. The record is written whole to the file RESULT,
since libraries may print what they like.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

ORPHANED = 3  # exit status where the bench that started this process is gone


def main(kind: str, scratch: Path, teachers: Path, result: Path, parent: int) -> None:
    """Run the job that standard input holds."""
    threading.Thread(target=leave_with, args=(parent,), daemon=True).start()
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
    """End this process when its bench was killed, so that no run goes on unseen.

    Args:
        parent: process of the bench. It tells its own: asked for here, one that died at once would go unnoticed.
    """
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(ORPHANED)


if __name__ == "__main__":
    kind, scratch, teachers, result, parent = sys.argv[1:]
    main(kind, Path(scratch), Path(teachers), Path(result), int(parent))
