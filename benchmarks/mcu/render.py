"""results/mcu.json as Markdown: the targets, then every ratio with its density and T."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.training_kernels.markdown import number, table

Row = dict[str, Any]
CORES = ("M4", "M55")
RATIO, ACCURACY, CODE, RAM, COMPARED = 0.5, 0.01, 12 * 1024, 1.3, 50
ABOUT = """\
Made by `make bench-mcu` (`python -m benchmarks.mcu`); every number is in `mcu.json`.

- **Instructions executed in QEMU**, from the frame to the sums of the classes, mean of the counted samples: neither
  cycles nor joules. Counts are exact to three instructions and the same in every run.
- The opponent is the network without spikes (QuantReLU, 8 bits, T = 1) of the same shape, trained with the same
  recipe, as dense int8 C: SXTB16 and SMLAD, blocks of four sums whose inner loops are written in assembly, no im2col,
  requantisation by one multiplication, pooling of two channels at once. The compiler specialises it to the network, at
  -O2 or -O3, whichever needs fewer instructions; on the M55 it does not use the vector extension, nor does ours. Its
  sums equal those of its integer program. Ours is the exported runtime at -O2, the same code for every network.
- Density is the share of letters that are not 0, over all neurons and steps of the counted samples; digits are the
  signed binary digits of a frame's value, each of which adds a row of weights in the first layer. Inputs that are
  letters have one digit at most (`input_digits: 1`, `input_exponent: 2`); the network was trained with them.
- Flash is code and tables; RAM is what is held between and during calls, without stack. Both of the M4.
- Equality is that of every letter and membrane at every step, by checksum, with the reference interpreter.
"""


def mean(counts: list[int]) -> float:
    """Of the counted samples."""
    return float(np.mean(counts))


def ratio(row: Row, core: str) -> float:
    """Instructions of ours for one of the opponent."""
    return mean(row["ours"]["instructions"][core]) / mean(row["dense"]["instructions"][core])


def behind(row: Row) -> float:
    """How far ours is below the opponent's accuracy, as a share; below 0 where it is better."""
    lost: float = row["dense"]["accuracy"] - row["ours"]["accuracy"]
    return lost


def ram_factor(row: Row) -> float:
    """RAM as a multiple of the membranes and the largest activation."""
    ours = row["ours"]
    factor: float = ours["ram"] / (ours["membranes"] + ours["largest activation"])
    return factor


def all_equal(row: Row, place: str) -> bool:
    """Whether every sample was equal there, and enough were compared."""
    found = row["equality"][place]
    return bool(found["samples"] == found["of"] and (place == "host" or found["of"] >= COMPARED))


def name(row: Row) -> str:
    """``digits dense T=1``, or ``digits dense T=1 letters``."""
    inputs = row.get("inputs", "int8")  # the first documents had none
    letters = "" if inputs == "int8" else f" {inputs}"
    return f"{row['shape']} T={row['steps']}{letters}"


def reached(row: Row) -> bool:
    """The target of instructions: at most half of them at an accuracy within a point."""
    return ratio(row, "M4") <= RATIO and behind(row) <= ACCURACY


def _targets(rows: list[Row]) -> str:
    small = [row for row in rows if not row["shape"].endswith("conv2d")]
    checks: list[tuple[str, list[Row], Callable[[Row], bool], Callable[[Row], str]]] = [
        (
            "equal on 100 % of the test samples on this machine",
            rows,
            lambda r: all_equal(r, "host"),
            lambda r: f"{r['equality']['host']['samples']} of {r['equality']['host']['of']}",
        ),
        *(
            (
                f"equal on {core} in QEMU, at least {COMPARED} samples",
                rows,
                lambda r, core=core: all_equal(r, core),  # type: ignore[misc]
                lambda r, core=core: f"{r['equality'][core]['samples']} of {r['equality'][core]['of']}",  # type: ignore[misc]
            )
            for core in ("M0", "M4", "M55")
        ),
        (
            f"M4: at most {RATIO} of the dense network's instructions at an accuracy within 1 point (dense and conv1d)",
            small,
            reached,
            lambda r: f"{ratio(r, 'M4'):.2f}, {-100 * behind(r):+.1f} points",
        ),
        (
            "M4: code of the runtime under 12 KB",
            rows,
            lambda r: r["ours"]["code"] < CODE,
            lambda r: str(r["ours"]["code"]),
        ),
        (
            f"M4: RAM under {RAM} times the membranes and the largest activation",
            rows,
            lambda r: ram_factor(r) < RAM,
            lambda r: f"{ram_factor(r):.2f}",
        ),
    ]
    lines = []
    for text, concerned, met, shown in checks:
        good = [row for row in concerned if met(row)]
        missed = "; ".join(f"{name(row)} {shown(row)}" for row in concerned if not met(row))
        share = f"({len(good)} of {len(concerned)} are)"
        verdict = "**reached**" if len(good) == len(concerned) else f"**not reached** {share}"
        lines.append([text, verdict if concerned else "not measured", missed or "–"])
    return "## Targets\n\n" + table(("target", "outcome", "where not"), lines)


def _ratios(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        d, ours, dense = row["density"], row["ours"], row["dense"]
        cells = [
            row["shape"],
            str(row["steps"]),
            row["inputs"],
            f"{100 * d['letters']:.1f} %",
            f"{d['digits']:.2f}",
        ]
        cells += [f"{100 * ours['accuracy']:.1f}", f"{100 * dense['accuracy']:.1f}"]
        for core in CORES:
            cells += [number(mean(r["instructions"][core])) for r in (ours, dense)] + [
                f"**{ratio(row, core):.2f}**"
            ]
        lines.append(cells)
    header = ["network", "T", "inputs", "density", "digits", "accuracy", "dense int8"]
    header += [f"{core}{what}" for core in CORES for what in ("", " dense int8", " ratio")]
    counted = ", ".join(map(str, sorted({row["counted samples"] for row in rows})))
    return f"## Instructions per inference\n\nCounted samples: {counted}.\n\n" + table(header, lines)


def _memory(rows: list[Row]) -> str:
    header = (
        "network",
        "T",
        "inputs",
        "code",
        "flash",
        "dense int8",
        "RAM",
        "dense int8",
        "of membranes and largest activation",
    )
    lines = []
    for row in rows:
        ours, dense = row["ours"], row["dense"]
        sizes = [f"{n:,}" for n in (ours["code"], ours["flash"], dense["flash"], ours["ram"], dense["ram"])]
        lines.append([row["shape"], str(row["steps"]), row["inputs"], *sizes, f"{ram_factor(row):.2f}"])
    return "## Flash and RAM on the M4, bytes\n\n" + table(header, lines)


def _equality(rows: list[Row]) -> str:
    lines = []
    notes = []
    for row in rows:
        cells = [row["shape"], str(row["steps"]), row["inputs"]]
        for place in ("host", "M0", "M4", "M55"):
            found = row["equality"][place]
            mark = ""
            if "note" in found:
                where = (
                    f"ran on {found['machine']} in {found['images']}" if "machine" in found else "did not run"
                )
                notes.append(f"{name(row)}, {place}: {where}; {found['note']}")
                mark = f" [{len(notes)}]"
            cells.append(f"{found['samples']} of {found['of']}{mark}")
        lines.append(cells)
    text = "## Equality\n\n" + table(("network", "T", "inputs", "this machine", "M0", "M4", "M55"), lines)
    return text + "".join(f"\n[{i}] {note}" for i, note in enumerate(notes, start=1)) + "\n"


def render(document: dict[str, Any]) -> str:
    """The whole page."""
    rows = document["rows"]
    quick = "" if not document["quick"] else "**A quick run, not a result: few samples.**\n\n"
    versions = "; ".join(document["versions"].values())
    parts = [_targets(rows), _ratios(rows), _memory(rows), _equality(rows), f"## Tools\n\n{versions}\n"]
    return f"# Microcontrollers\n\n{quick}{ABOUT}\n" + "\n".join(parts)
