"""A plan as C text: const tables in the order of ``shiftlif.h``'s structures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.runtime import Plan
from shiftlif.runtime.plan import NONE, Step

KINDS = ("SL_SYNAPSE", "SL_NEURON", "SL_READOUT", "SL_SUM_POOL", "SL_MAX_POOL", "SL_ADD", "SL_RESHAPE")
LOWEST = -(2**31)
WIDTH = 110
FIELDS = {
    "synapse": (
        *("rows", "in", "out", "padded_out", "groups"),
        *("extent", "outputs", "kernel", "stride", "padding", "dilation", "move", "back", "tap_move"),
        *("group_rows", "tap_step", "line_step", "places", "room", "chunk", "slides", "fresh"),
        *("planes", "segment", "negative", "packed"),
    ),
    "neuron": (
        *("bias", "thresholds", "resets", "letters", "channels", "positions", "membrane"),
        *("levels", "leak_shift", "shift", "bytes"),
    ),
    "readout": ("bias", "channels", "membrane", "shift"),
    "window": ("extent", "outputs", "kernel", "stride", "move", "tap_move"),
}
"""What is written of each structure of ``shiftlif.h``; ``ATTRIBUTES`` says where the plan has another name."""
ATTRIBUTES = {"rows": "stored", "in": "inputs", "out": "outputs_per_group"}
STRUCTURES = {
    "synapse": 116,
    "neuron": 32,
    "readout": 16,
    "window": 48,
    "operation": 28,
    "wire": 16,
    "program": 48,
}
"""Bytes of each structure of ``shiftlif.h`` on a core with 32-bit pointers."""


def numbers(values: Iterable[int]) -> str:
    """Numbers in lines of code width; the lowest int32 has no literal in C."""
    lines, line = [], "   "
    for value in values:
        text = "-2147483647 - 1" if value == LOWEST else str(int(value))
        if len(line) + len(text) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {text},"
    lines.append(line)
    return "\n".join(lines)


def array(name: str, values: npt.NDArray[Any]) -> str:
    """A static const array of its dtype; weights are aligned to words, which some cores read them by."""
    kind = {"int8": "int8_t", "int32": "int32_t", "uint32": "uint32_t", "uint8": "uint8_t"}[values.dtype.name]
    aligned = "SL_ALIGNED " if kind == "int8_t" else ""
    flat = values.reshape(-1).tolist()
    return f"static {aligned}const {kind} {name}[{len(flat)}] = {{\n{numbers(flat)}\n}};\n"


def _structure(kind: str, name: str, table: Any) -> str:
    """A table of a plan as a const structure, after the arrays that it points to."""
    arrays, lines = [], []
    for field in FIELDS[kind]:
        value = getattr(table, ATTRIBUTES.get(field, field))
        if isinstance(value, np.ndarray):
            arrays.append(array(f"{name}_{field}", value))
            text = f"{name}_{field}"
        elif isinstance(value, tuple):
            text = f"{{{value[0]}u, {value[1]}u}}"
        else:
            text = "NULL" if value is None else f"{int(value)}u"
        lines.append(f"    .{field} = {text}")
    return "".join(arrays) + f"static const sl_{kind} {name}_{kind} = {{\n" + ",\n".join(lines) + "\n};\n"


def identifiers(steps: Sequence[Step]) -> list[str]:
    """A C identifier for each step: operations may hold characters that C does not, and two may become one."""
    plain = ["".join(c if c.isalnum() and c.isascii() else "_" for c in step.name) for step in steps]
    return [f"layer{i}_{name}" for i, name in enumerate(plain)]


def _operation(name: str, step: Step) -> str:
    fields: dict[str, object] = {
        "kind": KINDS[step.kind],
        "is_static": f"{int(step.is_static)}u",
        "shift": f"{step.shift}u",
        "other_shift": f"{step.other_shift}u",
        **{field: _wire_index(getattr(step, field)) for field in ("source", "other", "target")},
    }
    for field in FIELDS:
        fields[field] = "NULL" if getattr(step, field) is None else f"&{name}_{field}"
    return "    {" + ", ".join(f".{k} = {v}" for k, v in fields.items()) + "},"


def _wire_index(wire: int) -> str:
    return "SL_NONE" if wire == NONE else f"{wire}u"


def tables(plan: Plan) -> str:
    """All const tables of a plan, ``wires`` and ``operations`` last."""
    names = identifiers(plan.steps)
    parts = []
    for name, step in zip(names, plan.steps, strict=True):
        parts += [
            _structure(kind, name, table) for kind in FIELDS if (table := getattr(step, kind)) is not None
        ]
    wires = "\n".join(
        f"    {{.offset = {w.offset}u, .positions = {w.positions}u, .channels = {w.channels}u, .bytes = {w.bytes}u"
        f"{f', .limit = {w.limit}u' if w.limit else ''}}}, /* {w.name} */"
        for w in plan.wires
    )
    operations = "\n".join(_operation(name, step) for name, step in zip(names, plan.steps, strict=True))
    parts.append(f"static const sl_wire wires[{len(plan.wires)}] = {{\n{wires}\n}};\n")
    parts.append(f"static const sl_operation operations[{len(plan.steps)}] = {{\n{operations}\n}};\n")
    return "\n".join(parts)


def flash_bytes(plan: Plan) -> dict[str, int]:
    """Bytes of the const data on a 32-bit core, by what it is; padding between tables is not counted."""
    sizes = {"weights": 0, "thresholds, resets, biases": 0, "structures": 0}
    for step in plan.steps:
        sizes["structures"] += STRUCTURES["operation"]
        for field in FIELDS:
            sizes["structures"] += 0 if getattr(step, field) is None else STRUCTURES[field]
        if step.synapse is not None:
            sizes["weights"] += step.synapse.stored.size
        if step.neuron is not None:
            n = step.neuron
            kept = n.bias.nbytes + n.thresholds.nbytes + n.letters.nbytes
            sizes["thresholds, resets, biases"] += kept + (0 if n.resets is None else n.resets.nbytes)
        if step.readout is not None:
            sizes["thresholds, resets, biases"] += step.readout.bias.nbytes
    sizes["structures"] += STRUCTURES["wire"] * len(plan.wires) + STRUCTURES["program"]
    return sizes


def text_literal(text: str) -> str:
    """A C string literal of any text: everything but plain ASCII as octal escapes of its UTF-8 form."""
    encoded: bytes = text.encode("utf-8")
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in encoded) + '"'


def checksum_bytes(values: npt.NDArray[Any]) -> bytes:
    """Little-endian bytes in C order, as the self-test reads them."""
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
