"""The command line ``shiftlif``: demo, train, compile, verify, run, info, datasets, levels, gradients, bench."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``shiftlif`` command."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError as error:
        sys.stderr.write(f"error: the command line needs {error.name}: pip install 'shiftlif[cli]'\n")
        raise SystemExit(2) from None
    from shiftlif.cli.app import app

    app()
