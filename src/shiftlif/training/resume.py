"""Whether a run may begin in a folder or go on there, and with which configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shiftlif.data.registry import known_or_there
from shiftlif.errors import ConfigurationError, ModelFileError
from shiftlif.program.storage import write_atomically
from shiftlif.training.config import TrainingConfig, dump_config, load_config, read_values
from shiftlif.training.runs import CONFIG, SUMMARY


def _nothing_to_resume(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        f"run folder {folder}: holds no run to resume (no {CONFIG}); check the name, or start one without --resume"
    )


def resumed_values(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the run in ``folder`` with the values that were given for its continuation over it.

    A field that was not given is the run's, so only what was given can be refused by `check_folder`. The options of
    a neuron belong to its kind: those of the run are left out where another kind is given.

    Raises:
        ConfigurationError: the folder holds no run, or its configuration cannot be read.
    """
    if not (folder / CONFIG).is_file():
        raise _nothing_to_resume(folder)
    stored = read_values(folder / CONFIG)
    neuron = given.get("neuron")
    if isinstance(neuron, Mapping) and isinstance(stored.get("neuron"), Mapping):
        kind = stored["neuron"].get("kind")
        if neuron.get("kind", kind) != kind:
            del stored["neuron"]
    return _overlaid(stored, given)


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for name, value in above.items():
        inner = both.get(name)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            both[name] = _overlaid(inner, value)
        else:
            both[name] = value
    return both


def check_folder(folder: Path, config: TrainingConfig, *, resume: bool) -> None:
    """Check that a run folder can be made, or that an existing one can be resumed with ``config`` (resolved).

    Raises:
        ConfigurationError: the folder holds a run and ``resume`` is not asked for, or the run is of another
            configuration (the message names the fields), or there is none to resume, or the folder holds
            something else.
    """
    existing = folder / CONFIG
    if existing.exists():
        if not resume:
            raise ConfigurationError(
                f"run folder {folder} holds a run already; resume it (--resume) or take another (--out)"
            )
        stored, wanted = load_config(existing).model_dump(), config.model_dump()
        free = ["accelerator", "devices", "threads"]  # where a run is computed may change
        if not known_or_there(stored["dataset"]):
            free.append("dataset")  # moved; `write_input` compares what the data hold
        changed = [
            f"{k} was {stored[k]!r}, now {wanted[k]!r}"
            for k in wanted
            if k not in free and stored[k] != wanted[k]
        ]
        if changed:
            raise ConfigurationError(
                f"run folder {folder}: cannot resume with another configuration: {'; '.join(changed)}; go on with the "
                f"run's own (shiftlif train --resume --out {folder}), or start a new run in another folder"
            )
        return
    if resume:
        raise _nothing_to_resume(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigurationError(
            f"run folder {folder}: holds other files and no run; choose a new or an empty folder (--out)"
        )


def open_run(folder: Path, config: TrainingConfig, *, resume: bool) -> None:
    """Make a run folder, unless it is there to be resumed.

    Raises:
        ConfigurationError: as `check_folder`.
        ModelFileError: it cannot be made or written.
    """
    check_folder(folder, config, resume=resume)
    if (folder / CONFIG).exists():
        return
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(
            f"run folder {folder}: cannot be made ({error.strerror or error}); choose another folder"
        ) from error
    write_atomically(folder / CONFIG, dump_config(config).encode())


def seconds_of(folder: Path) -> float | None:
    """What the finished run in a folder took, in seconds; None where there is none, or its summary cannot be read."""
    try:
        return float(json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
