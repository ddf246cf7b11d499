"""The user's own data, from an ``.npz`` file, a folder of class folders, or spikes in HDF5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shiftlif.data.dataset import Dataset
from shiftlif.data.events import Binning
from shiftlif.data.folder import holds_clips, holds_recordings, read_folder_set
from shiftlif.data.npz import read_npz_set
from shiftlif.data.raw import build
from shiftlif.data.spikes import holds_spikes, read_spike_set
from shiftlif.errors import DataError


def load_path(
    path: str | Path,
    *,
    frames: int | None = None,
    val_fraction: float = 0.15,
    split_seed: int = 0,
    front_end: str | Mapping[str, Any] | None = None,
    length: int | str | None = None,
    audio_channels: str = "mix",
    events: Mapping[str, Any] | None = None,
) -> Dataset:
    """A data set from an ``.npz`` file (see ``read_npz_set``), a folder (see ``read_folder_set``), or spikes in HDF5,
    one file or a folder with a training and a test file (see ``read_spike_set``).

    Args:
        path: the file or folder.
        frames: for event frames only: sum the time bins to this many frames; for recordings, their frames.
        val_fraction: share of the training part that becomes validation.
        split_seed: seed of that split, independent of any training seed.
        front_end: name or description; None is ``log_mel`` for a folder of mixed WAV clips, ``sum_frames``
            when ``frames`` is given, else ``none``.
        length: for folders of WAV files, see ``read_folder_set``.
        audio_channels: likewise.
        events: for folders of recordings of an event camera, and for spikes: how they become frames, fields of
            `shiftlif.data.events.Binning`.

    Raises:
        DataError: when the path or what it holds has another form.
    """
    path = Path(path).expanduser()
    if path.exists() and holds_spikes(path):
        if front_end is not None or length is not None:
            raise DataError(f"{path}: spikes become counts and take no front end or length; leave them out")
        raw = read_spike_set(path, _binning(frames, events))
        return build(raw, raw.front_end or {}, val_fraction, split_seed)
    if path.is_dir() and (events or holds_recordings(path)):
        raw = read_folder_set(path, length, audio_channels, _binning(frames, events))
        if front_end is not None or raw.front_end is None:
            raise DataError(f"{path}: recordings of events become counts and take no front end; leave it out")
        return build(raw, raw.front_end, val_fraction, split_seed)
    if events:
        raise DataError(f"{path}: settings of events apply to recordings of events; leave them out")
    if path.is_dir():
        raw = read_folder_set(path, length, audio_channels)
        usual = "log_mel" if holds_clips(path) and audio_channels == "mix" else "none"
    elif path.suffix.lower() == ".npz":
        if length is not None:
            raise DataError(
                f"{path}: length applies to folders of WAV files, not to .npz files; leave it out"
            )
        raw, usual = read_npz_set(path), "none"
    else:
        what = (
            "is not an .npz or .h5 file or a folder" if path.exists() else "there is no such file or folder"
        )
        raise DataError(
            f"{path}: {what}; expected an .npz file with x and y, spikes in HDF5, or a folder of class folders"
        )
    return build(
        raw, choose_front_end(raw.name, raw.temporal, usual, frames, front_end), val_fraction, split_seed
    )


def _binning(frames: int | None, events: Mapping[str, Any] | None) -> Binning:
    return Binning.of({**({} if frames is None else {"frames": frames}), **(events or {})})


def choose_front_end(
    name: str,
    temporal: bool,
    usual: str | Mapping[str, Any],
    frames: int | None,
    front_end: str | Mapping[str, Any] | None,
) -> str | Mapping[str, Any]:
    """What the caller asks for, else the usual one of the data; ``frames`` is short for ``sum_frames``.

    Raises:
        DataError: when ``frames`` is given for data without time frames or together with a front end.
    """
    if frames is None:
        return usual if front_end is None else front_end
    if not temporal:
        raise DataError(
            f"data set {name}: frames={frames} applies to event frames [N, T, C, H, W] only; leave it out"
        )
    if front_end is not None:
        raise DataError(f"data set {name}: give frames={frames} or a front end, not both")
    return {"name": "sum_frames", "frames": frames}
