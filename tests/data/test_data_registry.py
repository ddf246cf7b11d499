import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from shiftlif.data import describe, load, names
from shiftlif.data.npz import sha256_of
from shiftlif.data.registry import SPECS
from shiftlif.data.split import identical_samples, split_validation
from shiftlif.errors import DataError

# name: sample shape, samples that are not test, test samples, classes (from the sets' README files)
KNOWN = {
    "sphar": ((6, 128), 3429, 1082, 5),
    "uci_har": ((9, 128), 7415, 2996, 6),
    "wiar": ((90, 128), 1536, 384, 16),
    "csi_har": ((52, 192), 280, 140, 7),
    "gsc12": ((40, 49), 3323, 1567, 12),
    "fashion_mnist": ((1, 28, 28), 20000, 10000, 10),
    "nmnist_small": ((2, 34, 34), 1000, 100, 10),
}


def test_every_known_set_is_described_in_json():
    for name in names():
        text = json.loads(json.dumps(describe(name)))
        assert text["name"] == name
        assert text["source"]


def test_importing_needs_numpy_only():
    code = (
        "import sys, shiftlif.data;"
        "extras = {'torch', 'sklearn', 'librosa', 'soundfile', 'pandas', 'scipy'};"
        "sys.exit(bool(extras & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_digits_need_no_file(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.delenv("SHIFTLIF_DATA", raising=False)
    data = load("digits")
    assert data.sample_shape == (1, 8, 8)
    assert len(data.y_train) + len(data.y_val) + len(data.y_test) == 1797
    assert data.x_train.min() == 0
    assert data.x_train.max() == 16
    np.testing.assert_array_equal(load("digits", split_seed=5).x_test, data.x_test)
    assert 340 <= len(data.y_test) <= 380


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("digit", "digits"), ("GSC-12", "gsc12"), ("fashion-mnist", "fashion_mnist"), ("zzz", None)],
)
def test_a_typing_mistake_in_a_name_gets_the_nearest_known_set(typed, meant):
    with pytest.raises(DataError) as caught:
        load(typed)
    assert "known sets: digits" in str(caught.value)
    assert str(caught.value).endswith(f"; did you mean {meant}?") is (meant is not None)
    with pytest.raises(DataError) as caught:
        describe(typed)
    assert ("did you mean" in str(caught.value)) is (meant is not None)


def test_missing_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'shiftlif\[train\]'"):
        load("digits")


def test_a_missing_variable_or_file_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("SHIFTLIF_DATA", raising=False)
    with pytest.raises(
        DataError, match=r"SHIFTLIF_DATA is not set; set it to the folder that holds sphar/sphar\.npz"
    ):
        load("sphar")
    assert not describe("sphar")["available"]
    monkeypatch.setenv("SHIFTLIF_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"sphar\.npz is missing"):
        load("sphar")


def test_an_altered_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "sphar").mkdir()
    np.savez(tmp_path / "sphar" / "sphar.npz", x=np.zeros(3))
    monkeypatch.setenv("SHIFTLIF_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"SHA-256 .*altered or incomplete"):
        load("sphar")


def test_a_known_set_reads_like_a_file_with_its_front_end(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "nmnist_small" / "nmnist_small.npz"
    path.parent.mkdir()
    np.savez(
        path,
        x_train=rng.integers(0, 9, (20, 30, 2, 4, 4)).astype(np.uint8),
        y_train=np.arange(20) % 2,
        x_test=rng.integers(0, 9, (4, 30, 2, 4, 4)).astype(np.uint8),
        y_test=np.arange(4) % 2,
        classes=np.array(["a", "b"]),
    )
    monkeypatch.setenv("SHIFTLIF_DATA", str(tmp_path))
    monkeypatch.setitem(SPECS, "nmnist_small", replace(SPECS["nmnist_small"], sha256=sha256_of(path)))
    assert load("nmnist_small").frames == 10
    assert load("nmnist_small", frames=30).frames == 30
    assert load("nmnist_small", front_end="none").frames == 30
    assert describe("nmnist_small")["available"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"'mnist': there is no known set.*digits, sphar"):
        load("mnist")
    with pytest.raises(DataError, match="'mnist' is unknown"):
        describe("mnist")
    with pytest.raises(DataError, match="length applies"):
        load("digits", length=4)


@pytest.mark.data
@pytest.mark.parametrize("name", KNOWN)
def test_real_sets_have_the_shapes_and_classes_of_their_readme(name, data_folder):
    data = load(name)
    shape, n_train, n_test, n_classes = KNOWN[name]
    assert data.sample_shape == shape
    assert len(data.y_train) + len(data.y_val) == n_train
    assert len(data.y_test) == n_test
    assert data.n_classes == n_classes
    assert set(data.y_train) == set(range(n_classes))
    assert 0.1 < len(data.y_val) / n_train < 0.25
    if name == "sphar":
        assert round(data.majority, 3) == 0.610
    if name == "nmnist_small":
        assert data.temporal
        assert data.frames == 10


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "key"), [("sphar", "subject"), ("uci_har", "subject"), ("gsc12", "speaker")]
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_real_people_are_on_one_side_only(name, key, seed, data_folder):
    with np.load(data_folder / name / f"{name}.npz") as content:
        y, people = content["y_train"], content[f"{key}_train"]
        tested = content[f"{key}_test"]
    train, val = split_validation(y, people, seed=seed)
    assert not set(people[train]) & set(people[val])
    assert not set(people) & set(tested)
    assert set(y[val]) == set(y)
    if name != "gsc12":  # its front end hides the raw samples
        assert np.array_equal(load(name, split_seed=seed).y_val, y[val])


@pytest.mark.data
@pytest.mark.parametrize("name", ["wiar", "gsc12"])
def test_real_repeats_never_straddle(name, data_folder):
    data = load(name)
    atoms = identical_samples(np.concatenate([data.x_train, data.x_val, data.x_test]))
    parts = np.split(atoms, np.cumsum([len(data.y_train), len(data.y_val)]))
    assert len(set(atoms)) < len(atoms)
    assert sum(len(set(part)) for part in parts) == len(set(atoms))


@pytest.mark.data
def test_csi_har_validation_goes_through_both_subjects(data_folder):
    data = load("csi_har")
    assert np.bincount(data.y_val).tolist() == [6] * 7


def test_a_name_written_almost_like_a_folder_beside_it_is_asked_after(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "motion").mkdir()
    with pytest.raises(DataError, match=r"known sets: digits.*did you mean motion\?$"):
        load("motionn")
    with pytest.raises(DataError, match=r"did you mean .*motion\?$") as caught:
        load(str(tmp_path / "motionn"))
    assert "known sets" not in str(caught.value)
    with pytest.raises(DataError, match=r"no such file or folder; check the path$"):
        load("nowhere/at_all")
