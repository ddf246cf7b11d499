"""What Tab offers, and that a shell does not have to wait for torch."""

import os
import subprocess
import sys

import pytest

from shiftlif.cli import completion
from shiftlif.data import names

PROTOCOL = {
    "bash": ("complete_bash", "COMP_WORDS", {"COMP_CWORD": None}),
    "zsh": ("complete_zsh", "_TYPER_COMPLETE_ARGS", {}),
    "fish": ("complete_fish", "_TYPER_COMPLETE_ARGS", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
}
ENTRY = "import sys; sys.argv = ['shiftlif']; from shiftlif.cli import main; main()"


def environment(shell, line):
    instruction, variable, more = PROTOCOL[shell]
    words = line.split(" ")
    values = {name: str(len(words) - 1) if value is None else value for name, value in more.items()}
    separator = "\n" if shell == "bash" else " "
    return {"_SHIFTLIF_COMPLETE": instruction, variable: separator.join(words), **values}


def offered(line, shell="bash", cwd=None, entry=ENTRY):
    done = subprocess.run(
        [sys.executable, "-c", entry],
        env=os.environ | environment(shell, line),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
    )
    return done.stdout


def test_the_names_written_down_again_are_those_that_the_commands_accept():
    from typing import get_args

    from shiftlif.models import MODELS
    from shiftlif.neuron import NEURONS
    from shiftlif.surrogate import SURROGATES
    from shiftlif.training.augment import AUGMENTATIONS
    from shiftlif.training.config import TrainingConfig

    fields = TrainingConfig.model_fields
    assert set(completion.NEURONS) == set(NEURONS)
    assert set(completion.MODELS) == {"auto", *MODELS} == set(get_args(fields["model"].annotation))
    assert set(completion.SURROGATES) == set(SURROGATES)
    assert set(completion.CALIBRATIONS) == set(get_args(fields["calibrate"].annotation))
    assert set(completion.AUGMENTATIONS) == set(AUGMENTATIONS)


@pytest.mark.parametrize("shell", PROTOCOL)
def test_every_shell_gets_the_data_sets_that_begin_like_this(shell):
    text = offered("shiftlif train di", shell)
    assert "digits" in text
    assert "wiar" not in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("shiftlif tra", ["train"]),
        ("shiftlif export ", ["c"]),
        ("shiftlif train digits --neuron Shift", ["ShiftLIF"]),
        ("shiftlif train digits --model conv", ["conv1d", "conv2d"]),
        ("shiftlif train digits --augment s", ["shift="]),
        ("shiftlif gradients r --surrogate re", ["relsget", "rectangle"]),
        ("shiftlif behaviour r --part v", ["val"]),
        ("shiftlif bench r --only s", ["steps=", "seed="]),
        ("shiftlif compile r --dry", ["--dry-run"]),
        ("shiftlif datasets --fetch gsc3", ["gsc35"]),
    ],
)
def test_commands_options_and_values_are_offered(line, expected):
    found = offered(line).split()
    assert set(expected) <= set(found)
    last = line.split(" ")[-1]
    assert all(word.startswith(last) for word in found)


def test_where_no_data_set_begins_like_this_the_shell_is_left_to_complete_paths():
    assert set(offered("shiftlif train ").split()) == set(names())
    assert offered("shiftlif train windows/").strip() == ""
    assert offered("shiftlif info pro").strip() == ""


@pytest.mark.parametrize("line", ["shiftlif train di", "shiftlif train digits --neuron S"])
def test_completing_loads_no_torch(line):
    entry = f"import atexit, sys\natexit.register(lambda: print('torch' in sys.modules, len(sys.modules)))\n{ENTRY}"
    assert offered(line, entry=entry).splitlines()[-1].startswith("False ")


@pytest.mark.parametrize("module", ["shiftlif.cli.app", "shiftlif.cli.completion"])
def test_the_commands_are_known_without_numpy_or_anything_heavier(module):
    code = f"import sys, {module}; print(*(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "torch", "lightning", "pydantic", "yaml", "matplotlib", "sklearn"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_every_shell_can_be_shown(shell):
    done = subprocess.run(
        [sys.executable, "-c", ENTRY],
        env=os.environ | {"_SHIFTLIF_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "_SHIFTLIF_COMPLETE" in done.stdout


def test_bash_itself_completes_with_the_script(tmp_path):
    program = tmp_path / "shiftlif"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom shiftlif.cli import main\nsys.argv[0] = 'shiftlif'\nmain()\n"
    )
    program.chmod(0o755)
    script = (
        'eval "$(_SHIFTLIF_COMPLETE=source_bash shiftlif)"\n'
        "COMP_WORDS=(shiftlif train digits --neuron Sign)\nCOMP_CWORD=4\n"
        '_shiftlif_completion shiftlif\necho "${COMPREPLY[@]}"\n'
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["SignedShiftLIF"], done.stderr
