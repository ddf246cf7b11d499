"""What an installed wheel has to do with numpy and safetensors alone: import, load a program, run the compiled engine.

``python check.py``; wheels are tested with it where they are built (cibuildwheel in pyproject.toml).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from shiftlif import InputQuantizer, IntegerProgram
from shiftlif.program import Accumulate, Input, Linear, Neuron
from shiftlif.runtime import paths, unavailable


def program() -> IntegerProgram:
    random = np.random.default_rng(0)
    return IntegerProgram(
        (
            Input("x", (6,)),
            Linear("current", "x", random.integers(-99, 99, (8, 6)).astype(np.int8)),
            Neuron(
                "neuron",
                "current",
                leak_shift=1,
                current_shift=0,
                bias=np.zeros(8, np.int32),
                thresholds=np.full((8, 2), (2000, 4000), np.int32),
                resets=np.full((8, 3), (0, 2000, 4000), np.int32),
                letters=np.array([0, 1, 2], np.int32),
            ),
            Linear("scores", "neuron", random.integers(-99, 99, (3, 8)).astype(np.int8)),
            Accumulate("readout", "scores", current_shift=0, bias=np.zeros(3, np.int32)),
        ),
        InputQuantizer.identity(6),
        steps=4,
        max_steps=100,
        classes=("rest", "walk", "run"),
    )


def main() -> None:
    why = unavailable()
    if why is not None:
        raise SystemExit(f"the wheel has no engine: {why}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.safetensors"
        program().save(file)
        loaded = IntegerProgram.load(file)
    frames = np.random.default_rng(1).integers(-128, 128, (32, 6)).astype(np.int8)
    expected = loaded.run(frames, record=True)
    if not expected.letters["neuron"].any():
        raise SystemExit("no neuron sent a letter: this check would prove nothing")
    for path in paths():
        found = loaded.engine(path=path).run(frames, record=True)
        for table in ("letters", "membranes"):
            for name, values in getattr(expected, table).items():
                if not np.array_equal(getattr(found, table)[name], values):
                    raise SystemExit(f"{path}: {table} of {name} differ from the interpreter")
        if not np.array_equal(found.logits, expected.logits):
            raise SystemExit(f"{path}: the scores differ from the interpreter")
    if "torch" in sys.modules:
        raise SystemExit("torch was loaded")
    print(f"the wheel works without torch; engine: {', '.join(paths())}")


if __name__ == "__main__":
    main()
