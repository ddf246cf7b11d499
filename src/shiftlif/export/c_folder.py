"""``export_c``: one folder that compiles alone, runs its own test and says what it costs."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ProgramError
from shiftlif.export.c_tables import flash_bytes, tables, text_literal
from shiftlif.export.c_vectors import random_frames, record_for_c, vector_tables
from shiftlif.program import IntegerProgram, measure
from shiftlif.program.quantizer import InputQuantizer, values_of
from shiftlif.program.state import is_sequence
from shiftlif.runtime import Plan, lower
from shiftlif.runtime.plan import ADD, MAX_POOL, NEURON, READOUT, RESHAPE, SUM_POOL

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
SOURCES = ("run", "validate", "synapse", "slide", "events", "gather", "neuron", "rows")
RUNTIME = ("shiftlif.h", "internal.h", "gather_dsp.h", "gather_mve.h", *(f"{name}.c" for name in SOURCES))
REPORT = "report.json"
GENERATOR = "shiftlif export c"
QEMU = (
    "qemu/start.c",
    "qemu/link.ld",
)  # the self-test on an emulated core; start.c is no source of the program
LISTS = (1024, 8192)  # bytes that the lists of events may take; longer ones are flushed less often
LISTS_STEP = 256
RAM_FACTOR = 1.29  # of the membranes and the largest wire, beyond which lists stay as short as they may be
COUNTED = 16  # samples on which operations are counted


@dataclass(frozen=True)
class CExport:
    """What was written, or would be.

    Attributes:
        folder: where.
        files: their names.
        report: what ``report.json`` holds.
    """

    folder: Path
    files: tuple[str, ...]
    report: dict[str, Any]


def export_c(
    program: IntegerProgram,
    folder: str | PathLike[str],
    *,
    name: str = "model",
    vectors: npt.NDArray[np.int8] | None = None,
    samples: int = 4,
    cached: bool | None = None,
    write: bool = True,
    packed: bool = True,
) -> CExport:
    """Writes a program as C99 source with the runtime it needs, a self-test and a report.

    Args:
        program: what to export.
        folder: where; it must not exist, be empty, or hold an earlier export, which is replaced as a whole.
        name: prefix of identifiers and files: a lower-case letter, then lower-case letters, digits and underscores.
        vectors: int8 frames that the self-test runs, ``[B, *input_shape]``, or ``[T, B, *input_shape]`` for a program
            with a frame per step; default: a few fixed ones, silent and extreme values among them.
        samples: how many frames to make where ``vectors`` is None.
        cached: as for `shiftlif.runtime.lower`.
        write: False checks and makes everything, and writes nothing.
        packed: two weights in a byte where all have 4 bits: less flash for more instructions.

    Raises:
        ProgramError: on a bad name, folder or frames; nothing is written then.
    """
    if not NAME.fullmatch(name):
        raise ProgramError(
            f"export: name is {name!r}, expected a lower-case letter and then at most 39 lower-case letters, digits or "
            "underscores; it becomes the prefix of C identifiers"
        )
    target = Path(folder)
    _check_target(target)
    sequence = bool(program.metadata.get("temporal", False))
    frames = random_frames(program, samples, sequence) if vectors is None else vectors
    if frames.ndim != len(program.input_shape) + 1 + sequence:
        raise ProgramError(
            f"export: the vectors have shape {frames.shape}, expected "
            f"{'[T, B, ...]' if sequence else '[B, ...]'} with frames of {program.input_shape}"
        )
    plan = plan_for_c(program, cached, packed)
    contents = _contents(program, plan, name, frames, sequence)
    report = _report(program, plan, name, frames, sorted(contents))
    contents[REPORT] = json.dumps(report, indent=2) + "\n"
    if write:
        _write(target, contents)
    return CExport(target, tuple(sorted(contents)), report)


def plan_for_c(program: IntegerProgram, cached: bool | None = None, packed: bool = True) -> Plan:
    """The plan with the longest lists of events whose RAM stays within `RAM_FACTOR`, or with the shortest ones."""
    for size in range(LISTS[1], LISTS[0] - 1, -LISTS_STEP):
        plan = lower(program, cached=cached, lists=size, packed=packed)
        ram = ram_bytes(plan)
        if ram["state"] + ram["arena"] <= RAM_FACTOR * (ram["membranes"] + ram["largest activation"]):
            break
    return plan


def ram_bytes(plan: Plan) -> dict[str, int]:
    """Bytes of RAM, and of what no runtime can do without: the membranes and the largest wire."""
    tables = [step.neuron for step in plan.steps if step.neuron is not None]
    return {
        "state": plan.state_size,
        "arena": plan.arena_size,
        "membranes": sum(table.channels * table.positions * table.bytes for table in tables),
        "largest activation": max(wire.size for wire in plan.wires),
    }


def _check_target(target: Path) -> None:
    if not target.exists():
        return
    if target.is_dir() and not any(target.iterdir()):
        return
    try:
        ours = json.loads((target / REPORT).read_text(encoding="utf-8")).get("generator") == GENERATOR
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise ProgramError(f"export: {target} exists and is no earlier export; give a new folder")


def _runtime(name: str) -> str:
    return (files("shiftlif.runtime") / "c" / name).read_text(encoding="utf-8")


def _config(plan: Plan) -> str:
    kinds = {step.kind for step in plan.steps}
    synapses = [step.synapse for step in plan.steps if step.synapse is not None]
    used = {
        "NEURON": NEURON in kinds,
        "READOUT": READOUT in kinds,
        "POOL": bool(kinds & {SUM_POOL, MAX_POOL}),
        "ADD": ADD in kinds,
        "RESHAPE": RESHAPE in kinds,
        "WEIGHTS_8": any(not synapse.packed for synapse in synapses),
        "WEIGHTS_4": any(synapse.packed for synapse in synapses),
    }
    lines = "\n".join(f"#define SL_WITH_{key} {int(value)}" for key, value in used.items())
    lines += f"\n#define SL_MOST_PLANES {max((s.planes for s in synapses), default=1)}u"
    guard = "SHIFTLIF_CONFIG_H"
    return (
        f"/* Which operations the program uses. */\n#ifndef {guard}\n#define {guard}\n\n{lines}\n\n#endif\n"
    )


def _contents(
    program: IntegerProgram, plan: Plan, name: str, frames: npt.NDArray[np.int8], sequence: bool
) -> dict[str, str]:
    golden = record_for_c(program, plan, frames)
    pools, counts = any(s.kind in (SUM_POOL, MAX_POOL) for s in plan.steps), plan.wires[0].limit > 0
    runtime = [*RUNTIME, *(["pool.c"] if pools else []), *(["counts.c"] if counts else [])]
    shape = program.input_shape
    quantizer, dataset = program.quantizer, program.metadata.get("dataset")
    sources = [file for file in runtime if file.endswith(".c")]
    facts: dict[str, object] = {
        "name": name,
        "NAME": name.upper(),
        "trained": f", trained on {_comment(str(dataset))}" if dataset is not None else "",
        "version": _version(),
        "digest": program.digest(),
        "short_digest": program.digest()[:16],
        "identity": plan.identity,
        "classes": plan.classes,
        "class_list": _comment(", ".join(program.classes)),
        "steps": plan.time_steps,
        "max_steps": plan.max_steps,
        "frame_size": math.prod(shape),
        "frame_shape": "".join(f"[{n}]" for n in shape),
        "frames": plan.time_steps if sequence else 1,
        "frames_text": "one for every step" if sequence else "one, shown at every step",
        "state_size": plan.state_size,
        "arena_size": plan.arena_size,
        "scratch": plan.scratch,
        "scores": plan.scores,
        "flash": sum(flash_bytes(plan).values()),
        "wire_count": len(plan.wires),
        "operation_count": len(plan.steps),
        "class_names": "\n".join(f"    {text_literal(text)}," for text in program.classes),
        "layer_names": "\n".join(f"    {text_literal(step.name)}," for step in plan.steps),
        "samples": len(golden.frames),
        "layers": len(golden.layers),
        "channels": quantizer.channels,
        "positions": math.prod(shape[1:]),
        "offsets": ", ".join(map(repr, quantizer.offset.tolist())),
        "scales": ", ".join(map(repr, quantizer.scale.tolist())),
        "factor": 2**quantizer.exponent,
        "rounding": _rounding(quantizer),
        "low": quantizer.low,
        "high": quantizer.high,
        "sources": ", ".join(sources),
        "limit": plan.wires[0].limit,
    }
    early = not sequence and plan.time_steps > 1
    parts = {
        "events_model.h": counts,
        "events_model.c": counts,
        "events_README.md": counts,
        "early_README.md": early,
    }
    facts |= {
        part.replace(".", "_"): _filled(part, facts) if wanted else "" for part, wanted in parts.items()
    }
    made = {
        f"{name}_model.h": _filled("model.h", facts),
        f"{name}_model.c": _filled("model.c", {**facts, "tables": tables(plan)}),
        f"{name}_vectors.c": _filled("vectors.c", {**facts, "tables": vector_tables(golden)}),
        f"{name}_quantize.h": _filled("quantize.h", facts),
        "main.c": _filled("main.c", facts),
        "Makefile": _filled("Makefile", facts),
        "CMakeLists.txt": _filled("CMakeLists.txt", {**facts, "sources": " ".join(sources)}),
        "README.md": _filled("README.md", facts),
        "config.h": _config(plan),
    }
    return made | {file: _template(file) for file in QEMU} | {file: _runtime(file) for file in runtime}


def _rounding(quantizer: InputQuantizer) -> str:
    """C statements that make the frame's next value of ``n``, a double."""
    if quantizer.digits is None:
        low, high = f"{quantizer.low}.0", f"{quantizer.high}.0"
        return (
            "const double m = floor(n + 0.5);\n"
            f"            *frame++ = (int8_t)(m < {low} ? {low} : m > {high} ? {high} : m);"
        )
    values = values_of(quantizer.digits, quantizer.low, quantizer.high)
    return (
        f"static const int8_t value[{len(values)}] = {{{', '.join(map(str, values.tolist()))}}};\n"
        "            unsigned i = 0;\n"
        f"            while (i < {len(values) - 1}u && 2.0 * n >= value[i] + value[i + 1])\n"
        "                i++;\n"
        "            *frame++ = value[i];"
    )


def _filled(template: str, facts: dict[str, object]) -> str:
    return Template(_template(template)).substitute(facts)


def _template(name: str) -> str:
    return files("shiftlif.export").joinpath("templates", name).read_text(encoding="utf-8")


def _comment(text: str) -> str:
    """Text that may stand in a C comment and in Markdown: names of classes are the user's."""
    return "".join(c if c.isprintable() and c not in "*/\\`|<>$" else "_" for c in text)


def _version() -> str:
    try:
        return version("shiftlif")
    except PackageNotFoundError:
        return "(not installed)"


def _report(
    program: IntegerProgram, plan: Plan, name: str, frames: npt.NDArray[np.int8], written: list[str]
) -> dict[str, Any]:
    sequence = is_sequence(program, frames)
    counted = frames[:, :COUNTED] if sequence else frames[:COUNTED]
    cost = measure(program, counted)
    flash = flash_bytes(plan)
    return {
        "generator": GENERATOR,
        "version": _version(),
        "name": name,
        "digest": program.digest(),
        "steps": plan.time_steps,
        "flash": {**flash, "const data": sum(flash.values())},
        "ram": ram_bytes(plan),
        "operations per inference": {
            "on": "the self-test's frames, mean",
            "samples": cost.samples,
            **{key: round(float(value), 1) for key, value in cost.totals.items()},
        },
        "self-test samples": int(frames.shape[int(sequence)]),
        "files": [*written, REPORT],
    }


def _write(target: Path, contents: dict[str, str]) -> None:
    """Beside the target, then renamed: a reader sees the old folder or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for file, text in contents.items():
            (fresh / file).parent.mkdir(exist_ok=True)
            (fresh / file).write_text(text, encoding="utf-8", newline="\n")
        fresh.chmod(0o755)
        old = None
        if target.exists():
            old = fresh.with_name(fresh.name + ".old")
            target.rename(old)
        fresh.rename(target)
        if old is not None:
            shutil.rmtree(old)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
