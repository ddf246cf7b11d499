import os
import sys

import numpy as np
import pytest

from shiftlif.data import load, load_path
from shiftlif.errors import DataError

RNG = np.random.default_rng(0)


def save(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return tmp_path / "own.npz"


def parted(shape=(2, 5), **more):
    return {
        "x_train": RNG.normal(size=(40, *shape)),
        "y_train": np.arange(40) % 2,
        "x_test": RNG.normal(size=(10, *shape)),
        "y_test": np.arange(10) % 2,
        **more,
    }


def write_folder(root, kind="csv", per_class=8, steps=6, classes=("rest", "walk"), rate=8000, channels=1):
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            path = root / name / f"{i}.{kind}"
            values = RNG.normal(label, 1, (steps, 3))
            if kind == "csv":
                path.write_text("a,b,c\n" + "\n".join(",".join(map(str, row)) for row in values))
            elif kind == "npy":
                np.save(path, values.T)
            else:
                import soundfile

                clip = RNG.integers(-999, 999, (steps, channels)).astype(np.int16)
                soundfile.write(path, clip, rate, subtype="PCM_16")
    return root


@pytest.mark.parametrize("parts", [(), ("train", "test")])
def test_test_samples_of_a_folder_know_their_files(tmp_path, parts):
    for part in parts or ("",):
        write_folder(tmp_path / part, "npy", per_class=12)
    data = load(tmp_path)
    assert len(set(data.test_files)) == len(data.x_test) > 1
    for name, sample in zip(data.test_files, data.x_test, strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / name).astype(np.float32), sample)
    assert load(save(tmp_path, **parted())).test_files == ()


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode here")
def test_a_file_name_that_is_not_utf_8_can_be_written_on_a_page(tmp_path):
    write_folder(tmp_path, "npy", per_class=4)
    for path in list((tmp_path / "walk").iterdir()):
        path.rename(os.fsdecode(os.fsencode(path.parent / path.stem) + b"\xff.npy"))
    (name,) = (name for name in load(tmp_path).test_files if name.startswith("walk"))
    assert name.encode().endswith("\ufffd.npy".encode())


@pytest.mark.parametrize(
    ("shape", "sample_shape", "temporal"),
    [
        ((7,), (1, 7), False),
        ((3, 7), (3, 7), False),
        ((2, 4, 4), (2, 4, 4), False),
        ((6, 2, 4, 4), (2, 4, 4), True),
    ],
)
def test_npz_arrays_are_laid_out_by_their_number_of_axes(tmp_path, shape, sample_shape, temporal):
    data = load(save(tmp_path, **parted(shape)))
    assert data.sample_shape == sample_shape
    assert data.temporal is temporal
    assert data.name == "own"


def test_frames_sums_the_bins_of_event_frames_only(tmp_path):
    content = parted((6, 2, 4, 4))
    data = load(save(tmp_path, **content), frames=3)
    assert data.frames == 3
    assert data.front_end == {"name": "sum_frames", "frames": 3}
    np.testing.assert_allclose(data.x_test.sum(), content["x_test"].sum(), rtol=1e-4)
    with pytest.raises(DataError, match="not both"):
        load(tmp_path / "own.npz", frames=3, front_end="none")
    with pytest.raises(DataError, match="applies to event frames"):
        load(save(tmp_path, **parted()), frames=3)


def test_without_a_test_part_a_fifth_is_taken_whatever_the_split_seed(tmp_path):
    path = save(tmp_path, x=RNG.normal(size=(100, 3, 4)), y=np.arange(100) % 4)
    a, b = load(path, split_seed=0), load(path, split_seed=1)
    assert len(a.y_test) == 20
    np.testing.assert_array_equal(a.x_test, b.x_test)
    assert not np.array_equal(a.x_val, b.x_val)


def test_subjects_are_on_one_side_only_in_every_split(tmp_path):
    subject = np.repeat(np.arange(10), 10)
    x = np.broadcast_to(subject[:, None, None] + RNG.random((100, 1, 1)) / 2, (100, 2, 3))
    data = load(save(tmp_path, x=x, y=np.arange(100) % 2, subject=subject))
    sides = [set(np.floor(data.part(part)[0][:, 0, 0]).tolist()) for part in ("train", "val", "test")]
    assert sum(map(len, sides)) == 10
    assert set().union(*sides) == set(range(10))


def test_names_as_labels_become_indices(tmp_path):
    names = np.array(["walk", "rest"])
    content = parted()
    content |= {"y_train": names[content["y_train"]], "y_test": names[content["y_test"]]}
    data = load(save(tmp_path, **content))
    assert data.classes == ("rest", "walk")
    assert data.y_test.tolist() == [1, 0] * 5
    data = load(save(tmp_path, **content, classes=names))
    assert data.classes == ("walk", "rest")
    with pytest.raises(DataError, match="'walk', which is not one of the classes"):
        load(save(tmp_path, **content, classes=np.array(["rest", "run"])))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros((4, 2))}, "holds x; expected x_train"),
        ({**parted(), "x": np.zeros(3)}, "keep one form"),
        ({"x": np.zeros((5, 2)), "y": np.arange(4) % 2}, "5 samples, 4 labels"),
        (parted(subject_train=np.zeros(3)), "3 groups"),
        (parted(subject_train=np.zeros(40), group_train=np.zeros(40)), "subject_train and group_train"),
        (parted(subject_train=np.zeros((40, 1))), "groups have shape"),
        (parted(y_test=np.full(10, 0.5)), "y_test: labels are float64"),
        (parted(y_test=np.full(10, 10**9)), "labels reach 1000000000"),
        (parted(y_test=np.zeros(9, int)), "part test: samples have shape"),
        (parted(x_test=np.zeros((10, 2, 6))), r"part test: samples have shape \(2, 6\)"),
        (parted(x_train=np.zeros(40)), "x_train: samples have shape"),
        (parted(classes=np.array(["a"])), "at least two classes"),
        (parted(x_test=np.full((10, 2, 5), np.inf)), "x_test: sample 0 .*infinity"),
    ],
)
def test_npz_of_another_form_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        load(save(tmp_path, **content))


@pytest.mark.parametrize("parts", [False, True])
def test_an_unusable_sample_is_named_by_its_number_in_the_file(tmp_path, parts):
    content = parted() if parts else {"x": RNG.normal(size=(40, 2, 5)), "y": np.arange(40) % 2}
    x, y = ("x_train", "y_train") if parts else ("x", "y")
    for sample in (3, 17, 39):
        bad = content[x].copy()
        bad[sample, 1, 2] = np.nan
        with pytest.raises(DataError, match=rf"own\.npz, {x}: sample {sample} \(.*NaN"):
            load(save(tmp_path, **{**content, x: bad}))
        labels = content[y].copy()
        labels[sample] = -1
        with pytest.raises(
            DataError, match=rf"own\.npz, {y}: sample {sample} \(.*label -1, expected 0 to 1 "
        ):
            load(save(tmp_path, **{**content, y: labels}))
        labels[sample] = 5
        with pytest.raises(DataError, match=rf"{y}: sample {sample} \(.*label 5, expected 0 to 2 "):
            load(save(tmp_path, **{**content, y: labels}, classes=np.array(["a", "b", "c"])))


def test_a_gap_in_the_labels_is_a_warning_that_names_the_empty_classes(tmp_path):
    y = np.array([0, 1, 7])[np.arange(60) % 3]
    with pytest.warns(UserWarning, match=r"5 of 8 classes have no training sample \(2, 3, 4, 5, 6\)"):
        data = load(save(tmp_path, x=RNG.normal(size=(60, 2, 5)), y=y))
    assert data.n_classes == 8


def test_too_few_samples_are_refused_without_a_word_of_groups(tmp_path):
    with pytest.raises(DataError, match=r"test split: .*\(2 samples, 2 classes\); add samples") as caught:
        load(save(tmp_path, x=RNG.normal(size=(2, 2, 5)), y=np.arange(2)))
    assert "group" not in str(caught.value)
    with pytest.raises(DataError, match="leave the groups out"):
        load(save(tmp_path, x=RNG.normal(size=(3, 2, 5)), y=np.arange(3), subject=np.arange(3)))


def test_a_front_end_is_applied_to_all_parts_and_recorded(tmp_path):
    data = load(save(tmp_path, **parted()), front_end="standardise_sample")
    assert data.front_end == {"name": "standardise_sample", "epsilon": 1e-6}
    for part in ("train", "val", "test"):
        np.testing.assert_allclose(data.part(part)[0].mean(axis=(1, 2)), 0, atol=1e-6)


def test_a_path_that_is_no_data_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match=r"a\.txt: is not an \.npz or \.h5 file or a folder"):
        load(tmp_path / "a.txt")
    with pytest.raises(DataError, match="there is no such file or folder"):
        load(tmp_path / "gone")
    with pytest.raises(DataError, match="length applies to folders"):
        load_path(save(tmp_path, **parted()), length=3)


@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_a_folder_of_class_folders_is_a_data_set(tmp_path, kind):
    data = load(write_folder(tmp_path / "gym", kind))
    assert data.name == "gym"
    assert data.classes == ("rest", "walk")
    assert data.sample_shape == (3, 6)
    assert data.summary()["class_counts"]["test"] == [2, 2]


def test_train_and_test_folders_are_kept_apart(tmp_path):
    write_folder(tmp_path / "train", per_class=8)
    write_folder(tmp_path / "test", per_class=3)
    (tmp_path / ".hidden").write_text("")
    data = load(tmp_path)
    assert data.summary()["class_counts"]["test"] == [3, 3]
    write_folder(tmp_path / "test2", classes=("run", "jump"))
    with pytest.raises(DataError, match="exactly both"):
        load(tmp_path)


def test_a_class_that_is_only_tested_is_refused(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", classes=("rest", "walk", "zoom"))
    with pytest.raises(DataError, match="'zoom' is not in"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: (f / "rest/0.csv").write_text("1,2,3\n"),
            r"1\.csv: has 3 channels x 6 time steps, expected 3",
        ),
        (lambda f: (f / "walk/0.csv").write_text("1,2,3\n"), r"0\.csv: has 3 channels x 1 time steps"),
        (lambda f: (f / "walk/0.csv").write_text("1,2,oops\n"), r"0\.csv, line 1, column 3: 'oops'"),
        (lambda f: (f / "walk/note.md").write_text(""), r"note\.md: is not a \.csv"),
        (lambda f: np.save(f / "walk/z.npy", np.zeros(3)), r"z\.npy: is a \.npy file"),
        (lambda f: (f / "walk/3.csv").write_text("1,2,nan\n"), r"3\.csv, line 1, column 3: nan"),
        (lambda f: (f / "empty").mkdir(), "empty: holds no file"),
    ],
)
def test_a_spoilt_folder_is_refused_by_file(tmp_path, spoil, message):
    folder = write_folder(tmp_path / "gym")
    spoil(folder)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_a_window_with_nan_is_named_by_its_file(tmp_path):
    folder = write_folder(tmp_path / "gym", "npy")
    np.save(folder / "walk/5.npy", np.full((3, 6), np.nan))
    with pytest.raises(DataError, match=r"walk.5\.npy: holds NaN"):
        load(folder)


def test_a_folder_needs_two_classes(tmp_path):
    with pytest.raises(DataError, match="two or more classes"):
        load(write_folder(tmp_path / "gym", classes=("rest",)))
    with pytest.raises(DataError, match="length applies to WAV"):
        load(write_folder(tmp_path / "two"), length=3)


def test_wav_clips_become_log_mel_unless_told_otherwise(tmp_path):
    pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    folder = write_folder(tmp_path / "words", "wav", steps=2000)
    data = load(folder)
    assert data.sample_shape == (40, 11)
    assert data.front_end["sample_rate"] == 8000
    np.testing.assert_array_equal(load(folder).x_train, data.x_train)  # from the cache
    plain = load(folder, front_end="none")
    assert plain.sample_shape == (1, 2000)
    assert plain.front_end == {"name": "none", "sample_rate": 8000}
    assert np.abs(plain.x_train).max() < 1000


def test_wav_channels_are_mixed_or_kept(tmp_path):
    pytest.importorskip("soundfile")
    folder = write_folder(tmp_path / "words", "wav", steps=50, channels=2)
    kept = load(folder, audio_channels="keep")
    mixed = load(folder, front_end="none")
    assert kept.sample_shape == (2, 50)
    np.testing.assert_allclose(kept.x_test.mean(axis=1, keepdims=True), mixed.x_test, atol=0.5)
    with pytest.raises(DataError, match="audio_channels"):
        load(folder, audio_channels="left")


def test_wav_lengths_are_declared_or_equal(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    folder = write_folder(tmp_path / "words", "wav", steps=50)
    soundfile.write(folder / "walk/0.wav", np.ones(70, np.int16), 8000, subtype="PCM_16")
    with pytest.raises(DataError, match=r"0\.wav: 70 samples, expected 50 .*length=70"):
        load(folder, front_end="none")
    assert load(folder, front_end="none", length="longest").sample_shape == (1, 70)
    assert load(folder, front_end="none", length=20).sample_shape == (1, 20)
    for length in ("long", 0):
        with pytest.raises(DataError, match="expected a number of samples or 'longest'"):
            load(folder, length=length)


def test_wav_files_that_do_not_fit_are_named(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    folder = write_folder(tmp_path / "words", "wav", steps=50)
    bad = folder / "walk/0.wav"
    soundfile.write(bad, np.ones(50, np.int16), 16000)
    with pytest.raises(DataError, match=r"0\.wav: sample rate 16000 Hz, expected 8000 Hz"):
        load(folder)
    soundfile.write(bad, np.ones((50, 2), np.int16), 8000)
    with pytest.raises(DataError, match=r"0\.wav: 2 audio channels, expected 1"):
        load(folder, audio_channels="keep")
    soundfile.write(bad, np.ones(0, np.int16), 8000)
    with pytest.raises(DataError, match="holds no samples"):
        load(folder)
    bad.write_bytes(b"RIFF")
    with pytest.raises(DataError, match="cannot be read as WAV"):
        load(folder)


def test_missing_soundfile_names_the_extra(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    folder = write_folder(tmp_path / "words", "wav")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(DataError, match=r"pip install 'shiftlif\[audio\]'"):
        load(folder)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((3, 7), "; cut or pad all windows to one length"),
        (
            (2, 6),
            "; give every window the same channels in the same order (a CSV file has a column for each)",
        ),
        ((2, 7), "a column for each), and cut or pad all windows to one length"),
        ((3, 6, 1), "; bring all windows to one shape"),
    ],
)
def test_a_window_of_another_shape_is_advised_by_what_differs(tmp_path, shape, advice):
    write_folder(tmp_path, "npy")
    np.save(tmp_path / "walk" / "5.npy", RNG.normal(size=shape))
    with pytest.raises(DataError, match=r"walk/5\.npy") as caught:
        load(tmp_path)
    assert str(caught.value).endswith(advice)


def test_a_file_of_another_kind_is_not_to_be_removed_before_a_second_look(tmp_path):
    write_folder(tmp_path, "npy")
    (tmp_path / "rest" / "a.ckpt").touch()
    with pytest.raises(DataError, match="is this the data folder"):
        load(tmp_path)
