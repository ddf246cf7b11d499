"""``shiftlif info``: what a model file holds; needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from shiftlif.cli.output import show_json, show_pairs, show_table


def info(
    program: Annotated[Path, typer.Argument(help="Model file (program.safetensors).")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Show a program: operations, shapes, bytes, proven ranges, digest and provenance."""
    from shiftlif.program import load

    description = describe(load(program))
    if as_json:
        show_json(description)
        return
    show_table(
        str(program),
        ("operation", "kind", "shape", "bytes", "bits", "largest sum"),
        [
            (
                row["name"],
                row["kind"],
                " x ".join(map(str, row["shape"])),
                row["weight_bytes"] + row["table_bytes"],
                row["bits"] or "",
                row["accumulator"],
            )
            for row in description["operations"]
        ],
    )
    head = {name: value for name, value in description.items() if name not in ("operations", "metadata")}
    show_pairs("program", {name: _text(value) for name, value in head.items()})
    if description["metadata"]:
        show_pairs("provenance", {name: _text(value) for name, value in description["metadata"].items()})


def describe(program: Any) -> dict[str, Any]:
    """Everything ``info`` shows, JSON-able."""
    from shiftlif.program import kind_of
    from shiftlif.program.operations import arrays_of, weight_bytes_of

    operations = []
    for operation in program.operations:
        reached = program.ranges[operation.name]
        tables = {name: array for name, array in arrays_of(operation).items() if name != "weight"}
        operations.append(
            {
                "name": operation.name,
                "kind": kind_of(operation),
                "shape": list(program.shapes()[operation.name]),
                "weight_bytes": weight_bytes_of(operation),
                "table_bytes": sum(4 * array.size for array in tables.values()),
                "bits": getattr(operation, "weight_bits", getattr(operation, "membrane_bits", None)),
                "low": reached.low,
                "high": reached.high,
                "accumulator": int(reached.accumulator),
            }
        )
    return {
        "classes": list(program.classes),
        "input shape": list(program.input_shape),
        "input exponent": program.quantizer.exponent,
        "steps": program.steps,
        "overflow is excluded up to steps": program.max_steps,
        "weights": program.parameters,
        "weight bytes": program.weight_bytes,
        "digest": program.digest(),
        "operations": operations,
        "metadata": program.metadata,
    }


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
