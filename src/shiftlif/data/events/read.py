"""One recording from a file, whichever form it has: by how the file begins, else by its ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shiftlif.data.events.aedat2 import MAGIC as AEDAT2
from shiftlif.data.events.aedat2 import read_aedat2
from shiftlif.data.events.aedat4 import MAGIC as AEDAT4
from shiftlif.data.events.aedat4 import read_aedat4
from shiftlif.data.events.aedat31 import MAGIC as AEDAT31
from shiftlif.data.events.aedat31 import read_aedat31
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
    (b"\x93NUMPY", read_numpy_events),
)
ENDINGS: dict[str, Reader] = {
    ".aedat": read_aedat2,
    ".aedat4": read_aedat4,
    ".bin": read_nmnist_bin,
    ".dat": read_prophesee_dat,
    ".raw": read_prophesee_raw,
    ".npy": read_numpy_events,
}
"""By the file's ending; a ``.npy`` file may hold other arrays too."""
FORMS = "AEDAT 2.0, 3.1 or 4, N-MNIST .bin, Prophesee .dat or .raw, or a structured .npy array"
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
    if start.startswith(HDF5):
        raise DataError(
            f"{path}: is an HDF5 file of many recordings; read it with shiftlif.data.events.read_spikes"
        )
    reader_of = ENDINGS.get(path.suffix.lower())
    if reader_of is None:
        raise DataError(f"{path}: begins with {start[:12]!r} and ends in {path.suffix!r}, expected {FORMS}")
    return reader_of(path)
