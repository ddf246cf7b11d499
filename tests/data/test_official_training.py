"""What ``load`` gives trains: one epoch on each kind of sample."""

import numpy as np
import pytest

from shiftlif.data import load

pytest.importorskip("lightning")
pytestmark = [
    pytest.mark.filterwarnings("ignore:data set .* holds .* samples"),
    pytest.mark.filterwarnings("ignore:layer .* is:UserWarning"),
]


def _write_ut_har(folder):
    rng = np.random.default_rng(0)
    for kind in ("data", "label"):
        (folder / kind).mkdir()
    for name, count in (("train", 42), ("val", 14), ("test", 14)):
        labels = np.arange(count) % 7
        x = rng.random((count, 250, 90)) + labels[:, None, None]
        for path, values in ((f"data/X_{name}.csv", x), (f"label/y_{name}.csv", labels)):
            with (folder / path).open("wb") as stream:
                np.save(stream, values)


def _write_caltech(folder):
    for c in range(101):
        (folder / f"class_{c:03d}").mkdir()
        for i in range(4):
            events = [[(7 * c + k) % 240, (30 * i + k) % 180, 0x80 * (k % 2), k, 0] for k in range(60)]
            (folder / f"class_{c:03d}" / f"image_{i:04d}.bin").write_bytes(bytes(np.ravel(events).tolist()))


@pytest.mark.parametrize(
    ("name", "write", "model"),
    [("ut_har", _write_ut_har, "conv1d"), ("n_caltech101", _write_caltech, "conv2d")],
)
def test_one_epoch_trains(name, write, model, official, tmp_path):
    from shiftlif.training import TrainingConfig, fit

    if name == "n_caltech101":
        (official(name) / "accordion").mkdir()  # by which the set is recognised; empty, so not a class
    write(official(name))
    config = TrainingConfig(dataset=name, model=model, width=4, steps=2, epochs=1)
    result = fit(
        config, tmp_path / "run", dataset=load(name, frames=2 if model == "conv2d" else None), progress=False
    )
    assert 0 <= result.test.accuracy <= 1
