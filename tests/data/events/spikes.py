"""Files of spikes as the authors of the Spiking Heidelberg Digits describe them."""

import numpy as np

KEYS = (b"null", b"eins", b"zwei")


def written(path, times, units, labels=(1, 0), keys=(b"null", b"eins"), speakers=(4, 7)):
    """A file; without keys, without speakers too."""
    import h5py

    with h5py.File(path, "w") as file:
        spikes = file.create_group("spikes")
        for name, rows, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            data = spikes.create_dataset(name, (len(rows),), h5py.vlen_dtype(kind))
            for i, row in enumerate(rows):
                data[i] = np.array(row, kind)
        file["labels"] = np.array(labels, np.uint16)
        if keys:
            file["extra/keys"] = np.array(keys)
            file["extra/speaker"] = np.array(speakers, np.uint16)
    return path


def spoken(path, count=24, speakers=6, seed=0, labels=None, keys=KEYS):
    """Recordings of three classes: units around 100, 300 and 500, early, in the middle and late."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3 if labels is None else np.asarray(labels)
    times, units = [], []
    for label in labels:
        n = int(rng.integers(30, 60))
        times.append(np.sort(np.clip(rng.normal(0.2 + 0.2 * label, 0.1, n), 0, 0.9)).astype(np.float16))
        units.append(np.clip(rng.normal(100 + 200 * label, 40, n), 0, 699).astype(np.uint16))
    return written(path, times, units, labels, keys, np.arange(len(labels)) % speakers)


def both(folder):
    """The two parts of a set; the folder."""
    spoken(folder / "shd_train.h5")
    spoken(folder / "shd_test.h5", 9, seed=1)
    return folder
