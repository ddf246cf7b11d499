"""Load a data set from its official files, by name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from shiftlif.data.dataset import Dataset
from shiftlif.data.files import choose_front_end
from shiftlif.data.official.collection import build_collection
from shiftlif.data.official.facts import OFFICIAL
from shiftlif.data.official.fetch import data_folder, how_to_get
from shiftlif.data.official.place import find_root
from shiftlif.data.official.protocols import PROTOCOLS
from shiftlif.errors import DataError


def is_there(name: str) -> bool:
    """Whether the set's files seem to be in ``$SHIFTLIF_DATA``, of every archive some; nothing is read."""
    facts = OFFICIAL[name]
    return bool(os.environ.get("SHIFTLIF_DATA")) and (
        find_root(data_folder(name), facts.wanted, facts.below) is not None
    )


def load_official(
    name: str,
    *,
    protocol: str,
    frames: int | None,
    front_end: str | Mapping[str, Any] | None,
    val_fraction: float,
    split_seed: int,
) -> Dataset:
    """A data set of the table ``OFFICIAL``; arguments as for ``shiftlif.data.load``.

    Raises:
        DataError: when the protocol is unknown, a file is missing (the message says where to get it) or damaged.
    """
    facts = OFFICIAL[name]
    if protocol not in PROTOCOLS:
        raise DataError(
            f"data set {name}: there is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}"
        )
    folder = data_folder(name)
    root = find_root(folder, facts.wanted, facts.below)
    if root is None:  # of an incomplete set, its reader says what is missing
        root = find_root(folder, (facts.marker,), facts.below)
    if root is None:
        raise DataError(
            f"data set {name}: {folder / facts.marker} is missing (looked in that folder and below it in "
            f"{', '.join(facts.below)}); {how_to_get(name)}"
        )
    found = facts.reader(root, protocol)
    if facts.samples is not None and len(found.labels) != facts.samples:
        warnings.warn(
            f"data set {name}: {root} holds {len(found.labels)} samples, published are {facts.samples}; accuracies do "
            f"not compare with published ones",
            UserWarning,
            stacklevel=3,
        )
    chosen = choose_front_end(name, found.temporal, facts.front_end, frames, front_end)
    soul = protocol == "soul"
    return build_collection(
        name,
        facts.source + ("; protocol soul: the test part is also the validation part" if soul else ""),
        found,
        chosen,
        val_fraction,
        split_seed,
        test_validates=soul,
    )
