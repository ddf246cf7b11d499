"""results/engine.json as Markdown."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks import pages
from benchmarks.engine import names
from benchmarks.engine.targets import (
    Outcome,
    accuracies,
    fp32_of,
    int8_of,
    outcomes,
    seconds,
    simulated,
    times,
)
from benchmarks.training_kernels.markdown import number, table
from benchmarks.training_kernels.timing import Record

ABOUT = """\
Made by `make bench-engine` (`python -m benchmarks.engine`); every number is in `engine.json`.

- A time is the median over rounds; in each round all contenders of a row are measured once, in a new order, in one
  process that is pinned to as many cores as it has threads. Ratios are of times from the same process. A batch of 1 is
  the test sample with the most usual number of synaptic operations, and is in memory already.
- The spiking networks are trained (`benchmarks/trained.py`): ShiftLIF, one seed. Density is events per neuron and step,
  operations are synaptic operations of an inference, both on 64 test samples; accuracy is that of the whole test part.
- engine: `Engine.bind`, the call for an array that stays where it is; `engine` in `engine.json` is `Engine.logits`.
  from C: the exported program with the same kernels, in a loop in C++.
- ONNX Runtime runs the non-spiking network of the same shape and recipe, trained with 8-bit activations
  (QuantReLU). int8 and fp32 are the fastest of several models (8 bits: this network's own scales with activations
  in uint8 and in int8, and ONNX Runtime's own calibration, all per channel; float32: with and without the upper
  bound of the activations), each called with arrays and with bound buffers, among those whose accuracy is at most a
  point below the best of them. The engine's accuracy is compared with the best of them.
- PyTorch: the trained spiking network in float32, batch normalisation folded, inference mode; the fastest of three
  ways (layer by layer with torch's operations, the same with this package's fused neurons, step by step).
  torch.compile: the first of them compiled. SpikingJelly: a network of the same shape with its LIF, untrained, so
  its time only.
- interpreter: this package's reference in numpy.
"""


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _microseconds(value: float | None) -> str:
    return "–" if value is None else number(1e6 * value)


def _ratio(over: float | None, under: float | None) -> str:
    return "–" if over is None or under is None else number(over / under)


def _targets(found: list[Outcome]) -> str:
    header = ("target (batch 1, one thread)", "network", "T", "density", "bound", "measured", "outcome")
    rows = [
        [
            o.target,
            o.shape,
            str(o.steps),
            _percent(o.density),
            f"{'at most' if o.at_most else 'at least'} {o.bound:g}",
            number(o.ratio),
            f"**{o.verdict}**" if o.verdict.startswith("reached") else o.verdict,
        ]
        for o in found
    ]
    counted = Counter(o.target for o in found)
    reached = Counter(o.target for o in found if o.verdict == "reached")
    lines = [f"- {target}: {reached[target]} of {n} reached" for target, n in counted.items()]
    return "## Targets\n\n" + "\n".join(lines) + "\n\n" + table(header, rows)


def _accuracies(document: dict[str, Any]) -> str:
    header = (
        *("network", "T", "engine", "float network", "ONNX Runtime int8, best", "fp32, best"),
        *("density", "synaptic operations", "dense operations", "samples"),
    )
    rows = []
    for shape, held in document["shapes"].items():
        known = accuracies(held)
        if known is None:
            continue
        theirs = known["opponent"]["accuracy"]
        best = [
            max((theirs[n] for n in kind if n in theirs), default=None) for kind in (names.INT8, names.FP32)
        ]
        rows += [
            [
                *(shape, str(own["T"]), _percent(own["accuracy"]), _percent(own["accuracy_float"])),
                *map(_percent, best),
                *(
                    _percent(own["density"]),
                    number(own["synaptic_operations"]),
                    number(own["dense_operations"]),
                ),
                str(own["samples"]),
            ]
            for own in known["spiking"]
        ]
    text = (
        "## Accuracy and density\n\nThe engine's answers on the whole test part equal the prepared network's, and "
        "every letter and membrane of 64 samples those of the interpreter. Dense operations are the products of an "
        "evaluation that skips none.\n\n"
    )
    return text + table(header, rows)


def _points(document: dict[str, Any], batch: int, threads: int) -> str:
    header = (
        *("network", "T", "density", "engine µs", "/ from C", "ORT int8 µs", "engine / int8", "ORT fp32 µs"),
        *("engine / fp32", "PyTorch / engine", "torch.compile / engine", "SpikingJelly / engine"),
        "interpreter / engine",
    )
    rows = []
    for shape, held in document["shapes"].items():
        found, known = times(held, batch, threads), accuracies(held)
        if not found or known is None:
            continue
        int8, fp32 = (of(found, known["opponent"]["accuracy"]) for of in (int8_of, fp32_of))
        for own in known["spiking"]:
            steps = own["T"]
            engine, from_c, compiled, jelly, slow = (
                seconds(found, names.named(steps, name))
                for name in (names.BOUND, names.FROM_C, names.COMPILED, names.SPIKINGJELLY, names.INTERPRETER)
            )
            eager = simulated(found, steps)
            rows.append(
                [
                    *(
                        shape,
                        str(steps),
                        _percent(own["density"]),
                        _microseconds(engine),
                        _ratio(engine, from_c),
                    ),
                    *(_microseconds(int8 and int8[0]), _ratio(engine, int8 and int8[0])),
                    *(_microseconds(fp32 and fp32[0]), _ratio(engine, fp32 and fp32[0])),
                    *(_ratio(over, engine) for over in (eager and eager[0], compiled, jelly, slow)),
                ]
            )
    if not rows:
        return ""
    return f"## Batch {batch}, {threads} thread{'s' * (threads > 1)}\n\n" + table(header, rows)


def _failures(document: dict[str, Any]) -> str:
    """What has no time and why."""
    counted: Counter[str] = Counter()
    for shape, held in document["shapes"].items():
        for r in held["records"]:
            if "error" in r:
                counted[f"{shape}, {r['threads']} threads: {r['error']}"] += 1
            counted.update(f"{name}: {reason}" for name, reason in r.get("absent", {}).items())
            for name, c in r.get("contenders", {}).items():
                if reason := c.get("error", c.get("skipped")):
                    counted[f"{shape}, {name}: {reason}"] += 1
    return pages.not_measured(counted, "times")


def _machine(document: dict[str, Any]) -> str:
    """Each machine once, with the shapes that were measured on it."""
    measured = []
    for shape, held in document["shapes"].items():
        mark = ", **quick run, not a result**" if held["quick"] else ""
        loads = " ".join(str(r["load"]) for r in held["records"] if "load" in r)
        when = f"{shape} ({held['machine']['date']}, {held['seconds']} s, load {loads}{mark})"
        measured.append((pages.described(held["machine"]), when))
    return pages.machines(measured)


def _settings(document: dict[str, Any]) -> list[tuple[int, int]]:
    records: list[Record] = [r for held in document["shapes"].values() for r in held["records"]]
    return sorted({(r["threads"], r["batch"]) for r in records if "contenders" in r})


def render(document: dict[str, Any]) -> str:
    """The whole page."""
    quick = any(held["quick"] for held in document["shapes"].values())
    mark = "**A quick run, not a result: few rounds, one batch size.**\n\n" if quick else ""
    parts = [
        f"# The engine\n\n{mark}{ABOUT}",
        _targets(outcomes(document)),
        _accuracies(document),
        *(_points(document, batch, threads) for threads, batch in _settings(document)),
        _failures(document),
        _machine(document),
    ]
    return "\n".join(part for part in parts if part)
