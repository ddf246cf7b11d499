"""A worker that trains nothing: it does what the neuron's label says, and notes when it begins and ends.

python stand_in.py NOTES teach|measure SCRATCH TEACHERS RESULT PARENT
"""

import json
import os
import sys
import time
from pathlib import Path

from literal import record  # beside this file


def main(notes, kind, _scratch, _teachers, result, parent):
    job = json.loads(sys.stdin.read())
    name = job["neuron"]

    def note(what):
        with open(notes, "a") as stream:
            stream.write(f"{what} {kind} {name} {os.getpid()}\n")

    if int(parent) != os.getppid():
        sys.exit(f"called by {os.getppid()}, told it was {parent}")
    note("begin")
    if name == "Raises":
        sys.exit("Traceback ...\nDataError: the data are unusable")
    if name == "Dies":
        os.kill(os.getpid(), 9)
    if name == "Silent":
        return
    time.sleep(60 if name == "Sleeps" else 0.2)
    note("end")
    if kind == "measure":
        labels = {field: job[field] for field in ("dataset", "neuron", "steps", "seed")}
        made = record(**labels, correct=[1, 0, 1, 1])
        Path(result).write_text(json.dumps({**made, "key": Path(result).stem}))


if __name__ == "__main__":
    main(*sys.argv[1:])
