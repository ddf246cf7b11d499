"""What a benchmark keeps: a document in JSON and, rendered from it, a page in Markdown beside it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from shiftlif.program.storage import write_atomically

Document = dict[str, Any]


def keep(path: Path, document: Document) -> None:
    """Write a document; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())


def show(path: Path, render: Callable[[Document], str], parser: argparse.ArgumentParser) -> None:
    """Write the page of the document at ``path`` and say where; without a document, end as the parser does."""
    if not path.exists():
        parser.error(f"{path} does not exist yet; measure first")
    page = path.with_suffix(".md")
    write_atomically(page, render(json.loads(path.read_text())).encode())
    print(page)


def not_measured(counted: Counter[str], unit: str) -> str:
    """The section of what has no number and why; ``unit`` names what is counted where it occurs more than once."""
    lines = [f"- {what}" + (f" ({n} {unit})" if n > 1 else "") for what, n in counted.items()]
    return "## Not measured\n\n" + "\n".join(lines or ["Nothing failed, nothing was left out."]) + "\n"


def described(machine: Document) -> str:
    """A line of what `benchmarks.training_kernels.machine.describe` found, without the date."""
    m = machine
    versions = ", ".join(f"{k} {v or 'not installed'}" for k, v in m["versions"].items())
    caches = ", ".join(f"{k} {v}" for k, v in m["caches"].items())
    gpu = f"; {m['gpu']}" if m["gpu"] else ""
    line = f"{m['cpu']}, {m['cores']} cores ({caches}), {m['instruction_set']}, {m['memory']}{gpu}; {m['system']}; "
    return line + f"python {m['python']}, {versions}; {m['compiler']}; commit {m['commit']}"


def briefly(machine: Document) -> str:
    """What of a machine moves times, from what `benchmarks.training_kernels.machine.describe` found."""
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['instruction_set']}{gpu}"


def machines(measured: Iterable[tuple[str, str]]) -> str:
    """The section of machines: each line once, with what was measured on it.

    Args:
        measured: ``(line, what)`` pairs in order.
    """
    held: dict[str, list[str]] = {}
    for line, what in measured:
        held.setdefault(line, []).append(what)
    return "## Machine\n\n" + "\n".join(f"- {line}: {', '.join(what)}" for line, what in held.items()) + "\n"
