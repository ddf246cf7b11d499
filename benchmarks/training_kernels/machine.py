"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("shiftlif", "torch", "spikingjelly", "snntorch", "triton", "numpy")
ROOT = Path(__file__).parents[2]


def _first_line(*command: str) -> str | None:
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return output.stdout.strip().splitlines()[0] if output.stdout.strip() else ""


def _field(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def caches() -> dict[str, str]:
    """Sizes of the first core's caches by level."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def installed(package: str) -> str | None:
    """The version of a distribution, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The repository's commit, with a mark when files differ from it, other than those that measuring writes."""
    name = _first_line("git", "rev-parse", "--short", "HEAD")
    changed = _first_line("git", "status", "--porcelain", "--", ".", ":!results")
    return name and name + (" with changes" if changed else "")


def now() -> str:
    """Date and time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe() -> dict[str, Any]:
    """Processor, memory, versions and date."""
    import torch

    from shiftlif.kernels.cpu import unavailable

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "date": now(),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "caches": caches(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "gpu": gpu,
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": _first_line("c++", "--version"),
        "versions": {package: installed(package) for package in PACKAGES},
        "cpu_kernels": unavailable or "built",
        "commit": commit(),
    }


def load() -> float:
    """Runnable processes, averaged over the last minute: what else the machine was doing."""
    return round(os.getloadavg()[0], 2)
