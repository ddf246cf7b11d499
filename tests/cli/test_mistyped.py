"""A mistyped word is refused before what takes seconds to import."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from typer.testing import CliRunner
from shiftlif.cli.app import app

result = CliRunner().invoke(app, sys.argv[1:])
print(result.exit_code, sorted({"torch", "lightning"} & set(sys.modules)), result.stderr)
"""


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("digitz",), "did you mean digits?"),
        (("digits", "--neuron", "ShiftLif"), "did you mean ShiftLIF?"),
        (("digits", "--model", "dens"), "did you mean dense?"),
        (("digits", "--calibrate", "errors"), "did you mean error?"),
    ],
)
def test_a_mistyped_word_does_not_wait_for_torch(words, part, tmp_path):
    command = [sys.executable, "-c", SCRIPT, "train", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout.startswith("2 [] error: "), done.stdout + done.stderr
    assert part in done.stdout
