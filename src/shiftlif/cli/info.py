"""``shiftlif info``: what a model file holds; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shiftlif.cli.options import AsJson, Quiet
from shiftlif.cli.output import show_json, show_pairs, show_table
from shiftlif.cli.progress import Progress


def info(
    program: Annotated[Path, typer.Argument(help="Model file (program.safetensors).")],
    vectors: Annotated[
        Path | None,
        typer.Option(help="Golden vectors (.npz): also show what their inputs cost, energy included."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show a program: operations, shapes, bytes, proven ranges, digest and provenance.

    How often neurons fire depends on the input, and so does the cost: it is counted over the inputs of --vectors.
    """
    from shiftlif.program import load

    loaded = load(program)
    description = describe(loaded)
    if vectors is not None:
        with Progress(quiet, as_json) as progress:
            progress.begin("counting operations")
            description |= priced(loaded, vectors)
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
        expendable=("shape",),
    )
    apart = ("operations", "metadata", "cost", "energy", "energy constants")
    head = {name: value for name, value in description.items() if name not in apart}
    show_pairs("program", {name: _text(value) for name, value in head.items()})
    if description["metadata"]:
        show_pairs("provenance", {name: _text(value) for name, value in description["metadata"].items()})
    if vectors is not None:
        _show_cost(description["cost"], description["energy"], vectors)


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
        "input digits": "all" if program.quantizer.digits is None else program.quantizer.digits,
        "steps": program.steps,
        "overflow is excluded up to steps": program.max_steps,
        "weights": program.parameters,
        "weight bytes": program.weight_bytes,
        "digest": program.digest(),
        "operations": operations,
        "metadata": program.metadata,
    }


def priced(program: Any, vectors: Path) -> dict[str, Any]:
    """Cost and energy per inference over the inputs of golden vectors, JSON-able."""
    from dataclasses import asdict

    from shiftlif.program import GoldenVectors, measure
    from shiftlif.program.energy import energy
    from shiftlif.program.energy_constants import ENERGY_CONSTANTS

    golden = GoldenVectors.load(vectors)
    cost = measure(program, golden.inputs, golden.steps)
    return {
        "cost": cost.to_dict(),
        "energy": energy(cost).to_dict(),
        "energy constants": {name: asdict(constant) for name, constant in ENERGY_CONSTANTS.items()},
    }


def _show_cost(cost: dict[str, Any], energy: dict[str, Any], vectors: Path) -> None:
    totals, nanojoules = cost["totals"], energy["nanojoules"]
    show_table(
        f"cost per inference, mean of {cost['samples']} samples, {cost['steps']} steps",
        (
            "operation",
            "events",
            "synaptic operations",
            "adds",
            "shifts",
            "compares",
            "pJ arithmetic",
            "pJ memory",
        ),
        [
            (
                layer["name"],
                *(
                    f"{layer[name]:,.0f}"
                    for name in ("events", "synaptic_operations", "adds", "shifts", "compares")
                ),
                f"{priced['arithmetic']['total']:,.0f}",
                f"{priced['memory']['total']:,.0f}",
            )
            for layer, priced in zip(cost["layers"], energy["layers"], strict=True)
        ],
        expendable=("shifts", "compares", "pJ arithmetic", "adds"),
    )
    show_pairs(
        "energy per inference (modelled, not measured: docs/energy.md)",
        {
            "counted on": f"the {cost['samples']} inputs of {vectors}; 'shiftlif report' counts on samples spread over "
            "the whole test part, so its figures differ",
            "events per neuron and step": f"{cost['events_per_neuron_step']:.3f}",
            "synaptic operations": f"{totals['synaptic_operations']:,.0f}",
            "arithmetic, 45 nm": f"{nanojoules['arithmetic']:,.2f} nJ",
            "with memory, event by event": f"{nanojoules['memory']:,.2f} nJ",
            "with memory, dense": f"{nanojoules['memory_reuse']:,.2f} nJ",
            "naive (float32, neurons free; only to compare with papers)": f"{nanojoules['naive']:,.2f} nJ",
        },
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
    return str(value)
