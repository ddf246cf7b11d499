"""The integer program as a graph, laid out from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shiftlif.program import IntegerProgram, Operation, kind_of
from shiftlif.program.operations import (
    Accumulate,
    Add,
    Conv,
    Input,
    Linear,
    Neuron,
    SumPool,
    arrays_of,
    sources_of,
    weight_bytes_of,
)
from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Chart, Section
from shiftlif.report.wording import number, plural

HALF_WIDTH, HALF_HEIGHT = 0.46, 0.3
ROW = 46  # pixels


@dataclass(frozen=True)
class Edge:
    """A wire from the operation that writes it to one that reads it.

    Attributes:
        source: name of the writer.
        target: name of the reader.
        lane: the column it runs in at the rows in between; None between neighbours.
    """

    source: str
    target: str
    lane: int | None


@dataclass(frozen=True)
class Layout:
    """Where operations stand.

    Attributes:
        depths: row of each operation, from 0: one more than that of its deepest source.
        lanes: column of each operation, from 0.
        edges: all wires, in program order of their readers.
    """

    depths: dict[str, int]
    lanes: dict[str, int]
    edges: tuple[Edge, ...]


def layout(operations: Sequence[Operation]) -> Layout:
    """Rows and columns without crossings of a chain: an operation stays in the column of what it reads first.

    A branch, and a wire that skips rows, takes the next column that is free in all the rows that it needs.
    """
    depths: dict[str, int] = {}
    for operation in operations:
        depths[operation.name] = 1 + max((depths[s] for s in sources_of(operation)), default=-1)
    taken: set[tuple[int, int]] = set()  # depth and lane

    def free(wanted: int, rows: range) -> int:
        lane = wanted
        while any((row, lane) in taken for row in rows):
            lane += 1
        taken.update((row, lane) for row in rows)
        return lane

    lanes: dict[str, int] = {}
    edges = []
    for operation in operations:
        depth, sources = depths[operation.name], sources_of(operation)
        lanes[operation.name] = free(lanes[sources[0]] if sources else 0, range(depth, depth + 1))
        for source in sources:
            between = range(depths[source] + 1, depth)
            edges.append(Edge(source, operation.name, free(lanes[source], between) if between else None))
    return Layout(depths, lanes, tuple(edges))


def graph(evidence: Evidence) -> Section:
    """What is computed from what: operations, shapes, letters, bits and bytes."""
    title = "What is computed from what?"
    program = evidence.measured
    if program is None:
        why = f" ({evidence.refusal})" if evidence.refusal else ""
        return Section("graph", title, f"The run has no integer program to draw{why}.", [])
    return Section("graph", title, _answer(program), [_chart(program)])


def _answer(program: IntegerProgram) -> str:
    adds = sum(isinstance(op, Add) for op in program.operations)
    neurons = program.neurons
    branches = f" Branches meet in {plural(adds, 'sum')}." if adds else ""
    bits = sorted({op.weight_bits for op in program.operations if isinstance(op, Linear | Conv)})
    layers = plural(len(neurons), "layer")
    return (
        f"The program computes {len(program.operations)} operations in order, {layers} of neurons among them, with "
        f"{number(program.parameters)} weights of {' and '.join(map(str, bits))} bits in "
        f"{number(program.weight_bytes)} "
        f"bytes, and gives one sum for each of {len(program.classes)} classes.{branches}"
    )


def _chart(program: IntegerProgram) -> Chart:
    placed = layout(program.operations)
    rows: list[dict[str, Any]] = []
    for i, edge in enumerate(placed.edges):
        rows += _edge_rows(program, placed, edge, i)
    rows += [_node_row(program, placed, operation) for operation in program.operations]
    lanes = 1 + max([*placed.lanes.values(), *(edge.lane or 0 for edge in placed.edges)])
    depth = 1 + max(placed.depths.values())
    x_scale, y_scale = {"domain": [-0.5, lanes - 0.5]}, {"domain": [depth - 0.5, -0.5]}
    x, y = (
        {"type": "quantitative", "axis": None, "scale": {**scale, "nice": False, "zero": False}}
        for scale in (x_scale, y_scale)
    )
    node = [
        {"field": field, "type": "nominal", "title": title}
        for field, title in (
            ("name", "name"),
            ("operation", "operation"),
            ("shape", "shape of its output"),
            ("letters", "letters on its wire"),
            ("weights", "weights"),
            ("bits", "bits"),
            ("bytes", "bytes kept"),
            ("range", "proven range of its output"),
            ("largest", "largest sum inside"),
            ("details", "details"),
        )
    ]
    wire = [
        {"field": "from", "type": "nominal"},
        {"field": "to", "type": "nominal"},
        {"field": "shape", "type": "nominal", "title": "carries"},
    ]
    boxes = [{"filter": "datum.kind == 'node'"}]
    spec = {
        "height": ROW * depth,
        "layer": [
            {
                "transform": [{"filter": "datum.kind == 'edge'"}],
                "mark": {"type": "line", "strokeWidth": 2, "opacity": 0.5},
                "encoding": {
                    "x": {**x, "field": "x"},
                    "y": {**y, "field": "y"},
                    "detail": {"field": "edge", "type": "nominal"},
                    "order": {"field": "at", "type": "quantitative"},
                    "tooltip": wire,
                },
            },
            {
                "transform": boxes,
                "mark": {"type": "rect", "cornerRadius": 5, "opacity": 0.35},
                "encoding": {
                    "x": {**x, "field": "left"},
                    "x2": {"field": "right"},
                    "y": {**y, "field": "top"},
                    "y2": {"field": "bottom"},
                    "color": {
                        "field": "operation",
                        "type": "nominal",
                        "sort": None,
                        "scale": {"scheme": "tableau10"},
                    },
                    "tooltip": node,
                },
            },
            *(
                {
                    "transform": boxes,
                    "mark": {"type": "text", "dy": shift, "fontWeight": weight, "fontSize": 11},
                    "encoding": {
                        "x": {**x, "field": "x"},
                        "y": {**y, "field": "y"},
                        "text": {"field": field},
                        "tooltip": node,
                    },
                }
                for field, shift, weight in (("label", -6, "bold"), ("caption", 7, "normal"))
            ),
        ],
    }
    return Chart(
        "graph-program",
        "The program",
        spec,
        rows,
        f"The {len(program.operations)} operations of the program from the input at the top to the class sums at the "
        "bottom; a line is a wire, read from top to bottom.",
    )


def _edge_rows(program: IntegerProgram, placed: Layout, edge: Edge, number_: int) -> list[dict[str, Any]]:
    """The corners of a wire: straight down in its lane, with slopes into and out of it between rows."""
    top, bottom = placed.depths[edge.source], placed.depths[edge.target]
    corners = [(placed.lanes[edge.source], top + HALF_HEIGHT)]
    if edge.lane is not None:
        corners += [(edge.lane, top + 1 - HALF_HEIGHT), (edge.lane, bottom - 1 + HALF_HEIGHT)]
    corners.append((placed.lanes[edge.target], bottom - HALF_HEIGHT))
    shape = " x ".join(map(str, program.shapes()[edge.source]))
    return [
        {
            "kind": "edge",
            "edge": number_,
            "at": at,
            "x": lane,
            "y": round(y, 3),
            "from": edge.source,
            "to": edge.target,
            "shape": shape,
        }
        for at, (lane, y) in enumerate(corners)
    ]


def _node_row(program: IntegerProgram, placed: Layout, operation: Operation) -> dict[str, Any]:
    name = operation.name
    lane, depth, reached = placed.lanes[name], placed.depths[name], program.ranges[name]
    shape = " x ".join(map(str, program.shapes()[name]))
    weights = getattr(operation, "weight", np.zeros(0))
    tables = sum(4 * a.size for field, a in arrays_of(operation).items() if field != "weight")
    letters = ", ".join(map(str, operation.letters.tolist())) if isinstance(operation, Neuron) else ""
    return {
        "kind": "node",
        "name": name,
        "operation": kind_of(operation),
        "label": f"{name}: {kind_of(operation)}" if name != kind_of(operation).lower() else name,
        "caption": _caption(operation, shape),
        "shape": shape,
        "letters": letters if len(letters) <= 60 else f"{letters[:40]} ...",
        "weights": f"{weights.size:,}" if weights.size else "",
        "bits": _bits(operation),
        "bytes": f"{weight_bytes_of(operation) + tables:,}",
        "range": f"{number(reached.low)} to {number(reached.high)}",
        "largest": number(int(reached.accumulator)),
        "details": _details(operation),
        "x": lane,
        "y": depth,
        "left": lane - HALF_WIDTH,
        "right": lane + HALF_WIDTH,
        "top": depth - HALF_HEIGHT,
        "bottom": depth + HALF_HEIGHT,
    }


def _caption(operation: Operation, shape: str) -> str:
    if isinstance(operation, Neuron):
        return f"{shape}, {len(operation.letters)} letters, {operation.membrane_bits}-bit membranes"
    if isinstance(operation, Linear | Conv):
        return f"{shape}, {operation.weight.size:,} weights of {operation.weight_bits} bits"
    return shape


def _bits(operation: Operation) -> str:
    if isinstance(operation, Neuron):
        return f"membrane {operation.membrane_bits}"
    if isinstance(operation, Linear | Conv):
        return f"weight {operation.weight_bits}"
    return {Input: "frame 8", Accumulate: "sum 32"}.get(type(operation), "")


def _details(operation: Operation) -> str:
    if isinstance(operation, Neuron):
        leak = "no leak" if operation.leak_shift is None else f"leak shift {operation.leak_shift}"
        return (
            f"{leak}, current shift {operation.current_shift}, {operation.reset} reset, thresholds "
            f"{number(int(operation.thresholds.min()))} to {number(int(operation.thresholds.max()))}"
        )
    if isinstance(operation, Conv):
        kernel = " x ".join(map(str, operation.kernel))
        return f"kernel {kernel}, stride {operation.stride}, padding {operation.padding}, groups {operation.groups}"
    if isinstance(operation, SumPool):
        return f"window {' x '.join(map(str, operation.kernel))}, stride {operation.stride}"
    if isinstance(operation, Add):
        return f"shifts {operation.shifts[0]} and {operation.shifts[1]}"
    return ""
