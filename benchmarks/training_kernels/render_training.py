"""The tables of what is saved, whole training steps and memory."""

from __future__ import annotations

from typing import Any

from benchmarks.training_kernels.markdown import milliseconds, number, table
from benchmarks.training_kernels.targets import records, seconds


def saved(document: dict[str, Any]) -> str:
    rows = []
    for r in records(document, "saved"):
        if "bytes_beyond_input" not in r:
            rows.append([r.get("contender", "–"), r.get("error", r.get("skipped", "")), "", "", "", ""])
            continue
        rows.append(
            [
                r["contender"],
                number(r["bytes_beyond_input"]),
                "yes" if r["input"] else "no",
                r.get("compared_with", "–"),
                f"{100 * r['equal_spikes']:.4g} %" if "equal_spikes" in r else "–",
                number(r.get("gradient_difference")),
            ]
        )
    header = (
        *("contender", "bytes per neuron and step beyond the input", "keeps the input"),
        *("compared with", "equal spikes", "largest difference of gradients"),
    )
    return "## Saved for the backward pass, and whether it is the same function\n\n" + table(header, rows)


def training_steps(document: dict[str, Any]) -> str:
    names = ("shiftlif LIF", "shiftlif ShiftLIF", "eager LIF", "SpikingJelly LIF", "ReLU instead of neurons")
    rows = []
    for r in records(document, "training_step"):
        if "contenders" not in r:
            continue
        own, theirs = seconds(r, "shiftlif LIF"), seconds(r, "SpikingJelly LIF")
        agreement = r["agreement"].get("float64_difference")
        rows.append(
            [
                *(str(r[name]) for name in ("model", "coding", "batch", "threads")),
                *(milliseconds(seconds(r, name)) for name in names),
                number(theirs / own if own and theirs else None),
                number(agreement),
            ]
        )
    header = (
        *("model", "input", "batch", "threads"),
        *(f"{name} ms" for name in names),
        "SpikingJelly / shiftlif LIF",
        "largest difference of logits (float64)",
    )
    text = (
        "## A training step of the edge networks\n\nForward, cross entropy, backward, Adam; T=4, float32. `direct` "
        "shows one frame at every step: shiftlif computes the layers before the first neuron once, SpikingJelly's "
        "users repeat the frame. `time-varying` gives every step a frame of its own, so nothing is saved there.\n\n"
    )
    return text + table(header, rows)


def profile(document: dict[str, Any]) -> str:
    found = [r for r in records(document, "training_step") if "profile" in r]
    kinds = sorted({kind for r in found for kind in r["profile"]["shares"]})
    rows = [
        [
            r["model"],
            str(r["threads"]),
            r["contender"],
            milliseconds(r["profile"]["seconds"]),
            *(f"{100 * r['profile']['shares'].get(kind, 0):.0f} %" for kind in kinds),
        ]
        for r in found
    ]
    text = (
        "## What remains of a training step\n\nShare of the profiled time by kind of operation; "
        "batch 64, direct. SpikingJelly's neurons are made of torch operations: most of theirs stand under copies and "
        "other.\n\n"
    )
    return text + table(("model", "threads", "contender", "ms", *kinds), rows)


def memory(document: dict[str, Any]) -> str:
    rows = [
        [r["contender"], r["coding"], *(f"{r[f] / 1e6:,.0f}" for f in ("bytes_one_step", "bytes_steady"))]
        for r in records(document, "memory")
        if "bytes_one_step" in r
    ]
    text = (
        "## Peak memory of training, conv2d, T=16, batch 64\n\nHow far the resident set of a fresh process grows, in "
        "MB: during the first full step, and during four.\n\n"
    )
    return text + table(("contender", "input", "first step", "four steps"), rows)
