"""One recording from a file, whichever form it has: by how the file begins, else by its ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shiftlif.data.events.aedat2 import MAGIC as AEDAT2
from shiftlif.data.events.aedat2 import read_aedat2
from shiftlif.data.events.aedat4 import MAGIC as AEDAT4
from shiftlif.data.events.aedat4 import read_aedat4
from shiftlif.data.events.aedat31 import MAGIC as AEDAT31
from shiftlif.data.events.aedat31 import read_aedat31
from shiftlif.data.events.frames import Binning, event_frames
from shiftlif.data.events.nmnist_bin import read_nmnist_bin
from shiftlif.data.events.numpy_events import read_numpy_events
from shiftlif.data.events.prophesee_dat import read_prophesee_dat
from shiftlif.data.events.prophesee_raw import read_prophesee_raw
from shiftlif.data.events.recording import Recording
from shiftlif.errors import DataError

Reader = Callable[[Path], Recording]
BEGINNINGS: tuple[tuple[bytes, Reader], ...] = (
    (AEDAT2, read_aedat2),
    (AEDAT31, read_aedat31),
    (AEDAT4, read_aedat4),
)
ENDINGS: dict[str, Reader] = {
    ".aedat": read_aedat2,
    ".aedat4": read_aedat4,
    ".bin": read_nmnist_bin,
    ".dat": read_prophesee_dat,
    ".raw": read_prophesee_raw,
}
FORMS = "AEDAT 2.0, 3.1 or 4, N-MNIST .bin, Prophesee .dat or .raw, or a structured .npy array"
NUMPY = b"\x93NUMPY"
HDF5 = b"\x89HDF\r\n\x1a\n"


def read_events(path: str | Path) -> Recording:
    """The events of one recording.

    The AEDAT versions and NumPy arrays are recognised by their first bytes; the others, by the file's ending.

    Raises:
        DataError: when the file cannot be read, has none of the forms, is damaged, or holds no event; the message
            names the file, what was found where, and what was expected.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    for beginning, reader in BEGINNINGS:
        if start.startswith(beginning):
            return reader(path)
    if start.startswith(NUMPY):
        return read_numpy_events(path)
    if start.startswith(HDF5):
        raise DataError(
            f"{path}: is an HDF5 file of many recordings; read it with shiftlif.data.events.read_spikes, "
            "or train on it as it is"
        )
    reader_of = ENDINGS.get(path.suffix.lower())
    if reader_of is None:
        raise DataError(f"{path}: begins with {start[:12]!r} and ends in {path.suffix!r}, expected {FORMS}")
    return reader_of(path)


def holds_events(path: Path) -> bool:
    """True for a path that ends as a recording does, or a ``.npy`` file that says that its array is structured."""
    if path.suffix.lower() != ".npy":
        return path.suffix.lower() in ENDINGS
    try:
        with path.open("rb") as stream:
            start = stream.read(256)
    except OSError:
        return False  # the reader says what is wrong
    return start.startswith(NUMPY) and b"'descr': [" in start


def binned(paths: Sequence[Path], binning: Binning) -> tuple[npt.NDArray[np.int8], Binning]:
    """The frames of many recordings of one sensor, ``[N, frames, 2, rows, columns]``, read one by one.

    Where the size of the sensor is not given, it is that of the recordings, or as many rows and columns as hold the
    events of all of them; every file is read twice then.

    Returns:
        The frames, and the binning with the sensor's size, for later recordings.

    Raises:
        DataError: as `read_events` and `event_frames`, or when recordings are of sensors of different sizes.
    """
    if not (binning.height and binning.width):
        recordings = (read_events(path) for path in paths)
        sizes = [(recording.size, recording.reach) for recording in recordings]
        known = next(((path, size) for path, (size, _) in zip(paths, sizes, strict=True) if size), None)
        for path, (size, _) in zip(paths, sizes, strict=True):
            if known and size and size != known[1]:
                raise DataError(
                    f"{path}: is of a sensor of {size[0]} x {size[1]} pixels, expected {known[1][0]} x {known[1][1]} "
                    f"as {known[0]}; keep the recordings of one sensor in a folder, or give events height and width"
                )
        reach = (
            known[1]
            if known
            else tuple(max(axis) for axis in zip(*(reach for _, reach in sizes), strict=True))
        )
        binning = replace(binning, height=binning.height or reach[0], width=binning.width or reach[1])
    frames: list[npt.NDArray[np.int8]] = [event_frames(read_events(path), binning) for path in paths]
    return np.stack(frames), binning
