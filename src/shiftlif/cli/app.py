"""The Typer application: which commands there are. Their imports are light; heavy ones wait inside them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shiftlif.cli.behaviour import behaviour
from shiftlif.cli.bench import bench
from shiftlif.cli.compile import compile_run
from shiftlif.cli.datasets import datasets
from shiftlif.cli.demo import demo
from shiftlif.cli.export import export_c
from shiftlif.cli.gradients import gradients
from shiftlif.cli.info import info
from shiftlif.cli.levels import levels
from shiftlif.cli.output import NOTHING_WRITTEN, guarded
from shiftlif.cli.report import report
from shiftlif.cli.run import run
from shiftlif.cli.train import train
from shiftlif.cli.verify import verify

app = typer.Typer(
    name="shiftlif",
    help="Train multi-level spiking networks; run exactly what was trained as multiplier-free integer code.",
    epilog="Example: shiftlif demo\n\n"
    "Exit codes: 0 done; 1 a fault of shiftlif itself, or nobody reads the output any more; 2 something you gave is "
    "wrong, or a check found a difference, and one line on standard error says what; 130 interrupted (Ctrl-C).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"shiftlif {version('shiftlif')}")
        except PackageNotFoundError:
            typer.echo("shiftlif (not installed)")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "demo": (demo, "shiftlif demo"),
    "train": (train, "shiftlif train digits --neuron ShiftLIF --steps 4 --epochs 15 --out runs/digits"),
    "compile": (compile_run, "shiftlif compile runs/digits --bits 8 --vectors vectors.npz"),
    "verify": (
        verify,
        "shiftlif verify runs/digits, or: shiftlif verify program.safetensors --vectors vectors.npz",
    ),
    "run": (
        run,
        "shiftlif run program.safetensors x.csv, or: cat x.csv | shiftlif run program.safetensors",
    ),
    "info": (info, "shiftlif info program.safetensors"),
    "datasets": (datasets, "shiftlif datasets"),
    "behaviour": (behaviour, "shiftlif behaviour runs/digits --bits 4"),
    "report": (report, "shiftlif report runs/digits, or: shiftlif report runs/a runs/b --out both.html"),
    "levels": (levels, "shiftlif levels runs/digits"),
    "gradients": (gradients, "shiftlif gradients runs/digits --surrogate relsget --alpha 2 --alpha 8"),
    "bench": (bench, "shiftlif bench benchmarks/recipes/quick.yaml --jobs 2 --out bench.jsonl"),
}
INTERRUPTED = {
    **dict.fromkeys(("verify", "info", "behaviour", "report"), NOTHING_WRITTEN),
    "datasets": "interrupted; files that had arrived are kept; call it again for the rest",
}
"""What Ctrl-C leaves, for commands that do not say it themselves."""
for _name, (_function, _example) in COMMANDS.items():
    _guarded = guarded(_function, INTERRUPTED[_name]) if _name in INTERRUPTED else guarded(_function)
    app.command(_name, epilog=f"Example: {_example}")(_guarded)


class _Languages(TyperGroup):
    """The commands of ``export``; a path in the place of one was meant for C."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and (os.sep in args[0] or Path(args[0]).exists()):
            ctx.fail(
                f"No such command {args[0]!r}; to write C: {shlex.join(['shiftlif', 'export', 'c', *args])}"
            )
        return super().resolve_command(ctx, args)


export = typer.Typer(cls=_Languages, no_args_is_help=True, help="Write a program as source code.")
export.command("c", epilog="Example: shiftlif export c runs/digits --out digits_c --name digits")(
    guarded(export_c)
)
app.add_typer(export, name="export")
