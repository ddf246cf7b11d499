"""results/training_kernels.json as Markdown."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks import pages
from benchmarks.training_kernels.markdown import number, table
from benchmarks.training_kernels.render_neurons import compilation, neurons
from benchmarks.training_kernels.render_training import memory, profile, saved, training_steps
from benchmarks.training_kernels.targets import Outcome, outcomes

ABOUT = """\
Made by `make bench-kernels` (`python -m benchmarks.training_kernels`); every number is in `training_kernels.json`.

- A time is the median over rounds; in each round all contenders of a row are measured once, in a new order, together
  with the copies that give the floor. The floor is 5 numbers per neuron and step (20 bytes in float32) at the speed of
  a copy of an array of the same size by as many threads in the same rounds.
- Forward and backward, gradients of the currents and of the scale where it is learnable. The membrane starts from zero
  in each call. `compile` is the fastest of the formulations in `compiled.py` (and, for LIF, of SpikingJelly's node
  under torch.compile); compile time is not in it. snnTorch's neuron is another function (its reset comes a step later).
- SpikingJelly on a CPU runs torch operations; it has kernels for GPUs only.
- shiftlif's large arrays come from a pool that keeps their pages, the others' from the C library, which returns large
  ones to the system and has them zeroed again. The section on the allocator gives the others such a pool too.
"""


def _verdict(outcome: Outcome, by_least: Outcome) -> list[str]:
    bound = f"{'at most' if outcome.at_most else 'at least'} {outcome.bound:g}"
    if not outcome.points:
        return [outcome.target, bound, *["–"] * 4, "not measured"]
    value, where = outcome.worst
    best = min(outcome.points)[0] if outcome.at_most else max(outcome.points)[0]
    met = "met" if outcome.meets(value) else f"not met ({outcome.reached} of {len(outcome.points)} are)"
    return [
        outcome.target,
        bound,
        number(value),
        where,
        number(by_least.worst[0]),
        number(best),
        f"**{met}**",
    ]


def _targets(document: dict[str, Any]) -> str:
    header = (
        "target",
        "bound",
        "worst",
        "where",
        "worst by least times",
        "best",
        "outcome, by the worst median",
    )
    pairs = zip(outcomes(document), outcomes(document, "min"), strict=True)
    text = (
        "## Targets\n\nThe outcome is that of the worst point. Least times are shown because other work on the machine "
        "moves medians; they decide nothing.\n\n"
    )
    return text + table(header, [_verdict(*pair) for pair in pairs])


def _failures(document: dict[str, Any]) -> str:
    """What has no time and why, each reason once with the number of points it concerns."""
    counted: Counter[str] = Counter()
    for section, content in document.items():
        if "absent" in content:
            counted[f"{section}: {content['absent']}"] += 1
        for r in content["records"]:
            own = {r.get("contender", f"process {r['task']}" if "task" in r else r.get("model", "")): r}
            for name, c in {**own, **r.get("contenders", {})}.items():
                reason = c.get("error", c.get("skipped"))
                if reason is not None:
                    counted[f"{section}, {name}: {reason}"] += 1
    return pages.not_measured(counted, "points")


def _machine(document: dict[str, Any]) -> str:
    """Each machine once, with the sections that were measured on it."""
    measured = []
    for section, content in document.items():
        m = content["machine"]
        mark = ", **quick run, not a result**" if content["quick"] else ""
        when = f"{section} ({m['date']}, {content.get('seconds', 'unfinished')} s{mark})"
        measured.append((f"{pages.described(m)}; CPU kernels {m['cpu_kernels']}", when))
    return pages.machines(measured)


def render(document: dict[str, Any]) -> str:
    """The whole page."""
    quick = any(content["quick"] for content in document.values())
    mark = "**A quick run, not a result: few rounds, few sizes.**\n\n" if quick else ""
    parts = [
        f"# Training kernels\n\n{mark}{ABOUT}",
        _targets(document),
        neurons(document, "neurons", "Neurons, as multiples of the memory floor", "Forward and backward."),
        neurons(
            document,
            "allocator",
            "The same with an allocator that keeps freed pages",
            "glibc told to keep what is freed (`MALLOC_MMAP_MAX_=0`), for every contender.",
        ),
        compilation(document),
        saved(document),
        training_steps(document),
        profile(document),
        memory(document),
        neurons(document, "gpu", "GPU", "CUDA events."),
        _failures(document),
        _machine(document),
    ]
    return "\n".join(part for part in parts if part)
