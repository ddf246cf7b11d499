"""The command line in this process."""

from typer.testing import CliRunner

from shiftlif.cli.app import app


def call(*words, stdin=None):
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin, env={"COLUMNS": "200"})
