"""The tables of the neuron sections."""

from __future__ import annotations

from typing import Any

from benchmarks.training_kernels.markdown import milliseconds, number, table
from benchmarks.training_kernels.targets import COMPILED, fastest, records
from benchmarks.training_kernels.timing import Record

LIF_COMPILED, SHIFTLIF_COMPILED = (COMPILED[f"shiftlif {name}"] for name in ("LIF", "ShiftLIF"))
NEURON_COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("LIF", ("shiftlif LIF",)),
    ("ShiftLIF", ("shiftlif ShiftLIF",)),
    ("QBLIF", ("shiftlif QBLIF",)),
    ("IntLIF", ("shiftlif IntLIF",)),
    ("compile LIF", LIF_COMPILED),
    ("compile ShiftLIF", SHIFTLIF_COMPILED),
    ("eager LIF", ("eager LIF",)),
    ("eager ShiftLIF", ("eager ShiftLIF",)),
    ("SpikingJelly LIF", ("SpikingJelly LIF",)),
    ("SpikingJelly I-LIF", ("SpikingJelly ILIF",)),
    ("snnTorch Leaky", ("snnTorch Leaky",)),
)


def _neuron_rows(found: list[Record]) -> str:
    rows = []
    for r in found:
        base = r["floor"]["seconds"]
        times = [fastest(r, names) for _, names in NEURON_COLUMNS]
        own = r["contenders"].get("shiftlif ShiftLIF", {})
        spread = f"{milliseconds(own['q1'])}–{milliseconds(own['q3'])}" if "q1" in own else "–"
        rows.append(
            [
                f"{r['T']}",
                f"{r['N']:,}",
                f"{r['floor']['bandwidth'] / 1e9:.0f}",
                milliseconds(base),
                *(number(None if t is None else t / base) for t in times),
                f"{milliseconds(own.get('median'))} ({spread})",
                number(r["floor"]["seconds_twice"] / base),
            ]
        )
    header = (
        *("T", "N", "copy GB/s", "floor ms"),
        *(name for name, _ in NEURON_COLUMNS),
        "ShiftLIF ms (quartiles)",
        "floor of a copy twice the size",
    )
    return table(header, rows)


def _setting(record: Record) -> tuple[str, str, int, str]:
    environment = ", ".join(f"{k}={v}" for k, v in record.get("environment", {}).items())
    return record["device"], record["dtype"], record["threads"], environment


def neurons(document: dict[str, Any], section: str, title: str, about: str) -> str:
    found = [r for r in records(document, section) if "floor" in r]
    text = f"## {title}\n\n{about}\n"
    for device, dtype, threads, environment in dict.fromkeys(_setting(r) for r in found):
        rows = [r for r in found if _setting(r) == (device, dtype, threads, environment)]
        loads = [r["load"] for r in rows]
        where = f"{threads} {'thread' if threads == 1 else 'threads'}" if device == "cpu" else device
        text += f"\n### {where}, {dtype}{', ' + environment if environment and device != 'cpu' else ''}\n\n"
        text += f"Load average of the machine {min(loads):g} to {max(loads):g}.\n\n{_neuron_rows(rows)}"
    return text if found else ""


def compilation(document: dict[str, Any]) -> str:
    """How long torch.compile takes for each formulation: the first call, over the sizes and threads."""
    found = [r for r in records(document, "neurons") if "contenders" in r]
    lengths = sorted({r["T"] for r in found})
    names = sorted({name for r in found for name in r["contenders"] if "compile" in name})
    rows = []
    for name in names:
        cells = []
        for steps in lengths:
            calls = [r["contenders"].get(name, {}).get("first_call") for r in found if r["T"] == steps]
            times = [t for t in calls if t is not None]
            cells.append(f"{number(min(times))}–{number(max(times))}" if times else "–")
        rows.append([name, *cells])
    text = (
        "## What torch.compile costs first\n\nSeconds of the first call, least to most over sizes and threads. Up to "
        "T=16 every size is compiled for itself, beyond that once for all sizes, so that later sizes cost nothing.\n\n"
    )
    return text + table(("contender", *(f"T={n}" for n in lengths)), rows) if rows else ""
