"""docs/cli.md says what the program does: its tables are compared with the commands."""

import re
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from shiftlif.cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
MODES = ("--quiet", "--json", "--dry-run")


def _commands(group, before=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield before + name, command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def rows(heading):
    """The table below a heading, as lists of cells."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


@pytest.mark.parametrize("heading", ["Commands", "Output modes"])
def test_every_command_has_a_row(heading):
    assert [row[0].strip("`") for row in rows(heading)[1:]] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_output_modes_are_those_of_the_command(name):
    header, *table = rows("Output modes")
    assert tuple(cell.strip("`") for cell in header[2:]) == MODES
    (row,) = (row for row in table if row[0] == f"`{name}`")
    options = {word for parameter in COMMANDS[name].params for word in parameter.opts}
    assert row[2:] == ["yes" if mode in options else "–" for mode in MODES]


def test_every_option_that_is_named_exists():
    shared = {"--install-completion", "--show-completion", "--help"}
    known = {
        word for command in COMMANDS.values() for p in command.params for word in (*p.opts, *p.secondary_opts)
    }
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert named <= known | shared


def test_every_environment_variable_of_the_package_is_listed():
    found = {
        name
        for path in (ROOT / "src" / "shiftlif").rglob("*.py")
        for name in re.findall(r"\bSHIFTLIF_[A-Z]+\b(?!_)", path.read_text(encoding="utf-8"))
    }
    listed = {row[0].strip("`") for row in rows("Environment variables")[1:]}
    assert found <= listed
    assert {name for name in listed if name.startswith("SHIFTLIF_")} <= found


def test_help_lists_the_exit_codes_of_the_page():
    text = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    codes = [row[0] for row in rows("Exit codes")[1:]]
    assert codes == ["0", "1", "2", "130"]
    said = text.split("Exit codes:")[1]
    assert re.findall(r"(?:^|; )\s*(\d+) ", said) == codes
