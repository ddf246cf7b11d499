"""The known data sets: a table of what they are, and one function that loads them, or a path, by name.

Files are not part of the package. Sets of our own form lie at ``$SHIFTLIF_DATA/<name>/<name>.npz`` and are compared
with their SHA-256 whenever they are loaded; digits come with scikit-learn; the sets of ``official`` are read from
their authors' files below ``$SHIFTLIF_DATA/<name>``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from shiftlif.data.dataset import Dataset
from shiftlif.data.files import choose_front_end, load_path
from shiftlif.data.npz import read_npz_set, sha256_of
from shiftlif.data.official import OFFICIAL, PROTOCOLS, is_there, load_official
from shiftlif.data.official.fetch import how_to_get
from shiftlif.data.raw import RawSet, build, split_test
from shiftlif.errors import DataError

DATA_VARIABLE = "SHIFTLIF_DATA"


@dataclass(frozen=True)
class Spec:
    """What is known about a data set.

    Attributes:
        modality, task: what was measured and what is to be told apart.
        split: how the test part was made.
        source: citation and licence.
        sha256: of the ``.npz`` file; None for sets without one.
        images: True for ``[N, row, column]`` samples, which get a channel axis.
        front_end: what is done to the raw samples unless the caller asks for something else.
    """

    modality: str
    task: str
    split: str
    source: str
    sha256: str | None = None
    images: bool = False
    front_end: Mapping[str, Any] = field(default_factory=lambda: {"name": "none"})


SPECS: dict[str, Spec] = {
    "digits": Spec(
        modality="vision",
        task="10 handwritten digits, 8 x 8 pixels, values 0 to 16",
        split="a fifth of the 1797 images, by class, under a fixed seed",
        source="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998; CC BY 4.0; "
        "scikit-learn copy",
        images=True,
    ),
    "sphar": Spec(
        modality="motion",
        task="5 activities, phone accelerometer (m/s^2) and gyroscope (rad/s), 100 Hz",
        split="by subject (17 / 6)",
        source="Matey-Sanz, Casteleyn, Granell, Data in Brief 109809, 2023; CC BY 4.0",
        sha256="cb67d0ea1ba7f723a7bbbad214b1ff5ea28b201f80a232e0bf3c41ddfd3e22f7",
    ),
    "uci_har": Spec(
        modality="motion",
        task="6 activities, waist phone, body acceleration, angular velocity, total acceleration, 50 Hz",
        split="official, by subject (21 / 9)",
        source="Anguita et al., ESANN 2013; Reyes-Ortiz et al., Neurocomputing 2015; cite, no commercial use",
        sha256="035bf15c849b7d0530b8794b5b8bd922caf61d6ebe9ba975125e5def655463a0",
    ),
    "wiar": Spec(
        modality="wireless",
        task="16 activities, WiFi CSI amplitude, 3 antennas x 30 subcarriers, 128 steps",
        split="every fifth recording, same persons in both parts (easy)",
        source="Guo et al., WiAR, IEEE Access 2019; no licence stated, do not redistribute",
        sha256="3e4a44365232350e38f3793263f2d6316068e42090d4866c3f242268bd1ccc56",
    ),
    "csi_har": Spec(
        modality="wireless",
        task="7 activities, WiFi CSI amplitude, 52 subcarriers, 192 steps",
        split="by subject (2 / 1); validation goes through the two training subjects",
        source="Moshiri et al., Sensors 21(21):7225, 2021; Varga, Sensors 24(24):8201, 2024; no licence "
        "stated, do not redistribute",
        sha256="588729e629fbefe7c6c077d7acf3ca39078aa38f8da865101e86604735169e7b",
    ),
    "gsc12": Spec(
        modality="acoustic",
        task="10 keywords, silence and unknown; one-second clips at 8 kHz",
        split="by speaker, made from the canonical test clips: not comparable with the official leaderboard",
        source="Warden, Speech Commands, arXiv:1804.03209; CC BY 4.0",
        sha256="952d6b162a730466cdbeb0db5c678aea85978a888d41f9ae6cedd20f87279287",
        front_end={"name": "log_mel"},
    ),
    "fashion_mnist": Spec(
        modality="vision",
        task="10 kinds of clothing, 28 x 28 pixels, values 0 to 255",
        split="official test part; 20000 of the training images",
        source="Xiao, Rasul, Vollgraf, Fashion-MNIST, arXiv:1708.07747; MIT",
        sha256="dd74f6bd3cba16716cb4278b3f926b1278cddf5add06d7f6149dc24820179188",
        images=True,
    ),
    "nmnist_small": Spec(
        modality="event camera",
        task="10 digits, event counts of two polarities, 34 x 34 pixels, 0.3 s in 10 frames (at most 30)",
        split="official membership, subset (1000 / 100): one test sample is one percentage point",
        source="Orchard et al., Frontiers in Neuroscience 9:437, 2015; no licence stated, cite",
        sha256="70fd942a7c4a7e6aba990b6e5b3275b6be03a4dd686444d61ba6e84517837953",
        front_end={"name": "sum_frames", "frames": 10},
    ),
} | {
    name: Spec(
        modality=facts.modality,
        task=facts.task,
        split=facts.splits["ours"],
        source=facts.source,
        front_end=facts.front_end,
    )
    for name, facts in OFFICIAL.items()
}


def names() -> tuple[str, ...]:
    """Names of the known data sets."""
    return tuple(SPECS)


def describe(name: str) -> dict[str, Any]:
    """What is known about a set without loading it, JSON-able.

    Keys: name, modality, task, split, source, front_end, protocols (name to split), available (the file is there;
        nothing is verified), fetch (``shiftlif datasets --fetch`` can download it), and get (what to do to have it;
        None for sets that come with a library).

    Raises:
        DataError: when the name is unknown.
    """
    spec = _spec(name)
    folder = os.environ.get(DATA_VARIABLE)
    official = OFFICIAL.get(name)
    if official is not None:
        available, get = is_there(name), how_to_get(name)
    elif spec.sha256 is None:
        available, get = True, None
    else:
        available = bool(folder) and _file(str(folder), name).is_file()
        get = f"put it at ${DATA_VARIABLE}/{name}/{name}.npz"
    return {
        "name": name,
        "modality": spec.modality,
        "task": spec.task,
        "split": spec.split,
        "source": spec.source,
        "front_end": dict(spec.front_end),
        "protocols": {"ours": spec.split} if official is None else dict(official.splits),
        "available": available,
        "fetch": official is not None and bool(official.remotes),
        "get": get,
    }


def load(
    name: str | Path,
    *,
    frames: int | None = None,
    val_fraction: float = 0.15,
    split_seed: int = 0,
    front_end: str | Mapping[str, Any] | None = None,
    length: int | str | None = None,
    audio_channels: str = "mix",
    protocol: str = "ours",
    events: Mapping[str, Any] | None = None,
) -> Dataset:
    """Load a known set by name, or the user's own from a path.

    Args:
        name: one of ``names()``, or an ``.npz`` file, spikes in HDF5 or a folder (see ``load_path``).
        frames: for event frames only: frames per sample, made by summing neighbouring time bins.
        val_fraction: share of the training part that becomes validation, see ``split_validation``.
        split_seed: seed of that split, independent of any training seed.
        front_end: name or description of a front end; None is the one in the table.
        length: for folders of WAV files, see ``read_folder_set``.
        audio_channels: likewise.
        protocol: how the set is divided, see ``shiftlif.data.official.protocols``; other sets than the official ones
            have ``"ours"`` only.
        events: for recordings of an event camera and spikes, see ``load_path``.

    Raises:
        DataError: when the name is unknown, the file is missing or altered, what it holds is unusable, or the set has
            no such protocol.
    """
    if protocol != "ours" and str(name) not in OFFICIAL:
        raise DataError(
            f"data set {name}: has the protocol 'ours' only, not {protocol!r}; {' and '.join(PROTOCOLS)} exist for "
            f"{', '.join(OFFICIAL)}"
        )
    if str(name) not in SPECS:
        if isinstance(name, str):
            check_name(name)
        return load_path(
            name,
            frames=frames,
            val_fraction=val_fraction,
            split_seed=split_seed,
            front_end=front_end,
            length=length,
            audio_channels=audio_channels,
            events=events,
        )
    if events:
        raise DataError(f"data set {name}: settings of events apply to recordings of events; leave them out")
    if length is not None:
        raise DataError(f"data set {name}: length applies to folders of WAV files; leave it out")
    if str(name) in OFFICIAL:
        return load_official(
            str(name),
            protocol=protocol,
            frames=frames,
            front_end=front_end,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )
    spec = _spec(str(name))
    raw = _read_digits(spec) if spec.sha256 is None else _read_file(str(name), spec)
    if spec.images:
        raw = replace(raw, x_train=raw.x_train[:, None], x_test=raw.x_test[:, None])
    chosen = choose_front_end(raw.name, raw.temporal, spec.front_end, frames, front_end)
    return build(raw, chosen, val_fraction, split_seed)


def known_or_there(name: str) -> bool:
    """Whether a data set has a known name or is a path that exists."""
    return name in SPECS or Path(name).expanduser().exists()


def check_name(name: str) -> None:
    """Raise a DataError unless a data set is `known_or_there`; nothing is read."""
    if known_or_there(name):
        return
    path = Path(name).expanduser()
    around = path.parent
    there = [entry.name for entry in around.iterdir() if entry.name[0] != "."] if around.is_dir() else []
    if path.name != name or path.suffix:  # meant as a path
        near = get_close_matches(path.name, there, n=1)
        hint = f"did you mean {around / near[0]}?" if near else "check the path"
        raise DataError(f"data set {name!r}: there is no such file or folder; {hint}")
    raise DataError(
        f"data set {name!r}: there is no known set and no file or folder of this name; known sets: "
        f"{', '.join(SPECS)}{_nearest(name, there)}"
    )


def _spec(name: str) -> Spec:
    if name not in SPECS:
        raise DataError(f"data set {name!r} is unknown; known sets: {', '.join(SPECS)}{_nearest(name)}")
    return SPECS[name]


def _nearest(name: str, others: Iterable[str] = ()) -> str:
    """A question after the known set, or the other name, that is written most alike; empty where none is."""
    found = get_close_matches(name, others, n=1, cutoff=0.8)
    found = found or get_close_matches(name.lower().replace("-", "_"), SPECS, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _file(folder: str, name: str) -> Path:
    return Path(folder).expanduser() / name / f"{name}.npz"


def _read_file(name: str, spec: Spec) -> RawSet:
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        raise DataError(
            f"data set {name}: {DATA_VARIABLE} is not set; set it to the folder that holds "
            f"{name}/{name}.npz, or load 'digits', which needs no file"
        )
    path = _file(folder, name)
    if not path.is_file():
        raise DataError(
            f"data set {name}: {path} is missing; put it there or point {DATA_VARIABLE} to its folder"
        )
    digest = sha256_of(path)
    if digest != spec.sha256:
        raise DataError(
            f"data set {name}: {path} has SHA-256 {digest[:16]}..., expected {str(spec.sha256)[:16]}...; it "
            f"is altered or incomplete: copy it again, or load it by its path as data of your own"
        )
    return read_npz_set(path, name, spec.source, digest)


def _read_digits(spec: Spec) -> RawSet:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(
            "digits come with scikit-learn, which is not installed: pip install 'shiftlif[train]'"
        ) from error
    content = load_digits()
    x, y = np.asarray(content.images), np.asarray(content.target, np.int64)
    train, test = split_test(x, y)
    return RawSet(
        name="digits",
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        classes=tuple(str(label) for label in content.target_names),
        source=spec.source,
    )
