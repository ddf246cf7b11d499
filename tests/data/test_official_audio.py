"""UrbanSound8K and Speech Commands, on small files of the official layouts."""

import wave

import numpy as np
import pytest

from shiftlif.data import load
from shiftlif.data.official import audio
from shiftlif.data.official.audio import URBAN_CLASSES, WORDS, resample
from shiftlif.data.wav import read_wav
from shiftlif.errors import DataError

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")
pytestmark = pytest.mark.filterwarnings("ignore:data set .* holds .* samples")


def _write_wav(path, samples, rate=16_000, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def _write_urban(folder):
    (folder / "metadata").mkdir(parents=True)
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in range(1, 11):
        place = folder / "audio" / f"fold{fold}"
        place.mkdir(parents=True)
        for label, name in enumerate(URBAN_CLASSES):
            file = f"{100 * fold + label}-{label}-0-0.wav"
            rows.append(f"{file},{100 * fold + label},0.0,4.0,1,{fold},{label},{name}")
            _write_wav(place / file, [1000 * fold + label] * 8000)
    (folder / "metadata" / "UrbanSound8K.csv").write_text("\n".join(rows) + "\n")


def _folds(part):
    return {int(x[0, 0]) // 1000 for x in part}


def test_urbansound_divides_by_folds(official):
    _write_urban(official("urbansound8k") / "UrbanSound8K")
    data = load("urbansound8k", front_end="none")
    assert data.x_train.shape == (80, 1, 64_000)
    assert (_folds(data.x_train[:, 0, :1, None]), _folds(data.x_val[:, 0, :1, None])) == (
        set(range(1, 9)),
        {9},
    )
    assert _folds(data.x_test[:, 0, :1, None]) == {10}
    assert data.y_test.tolist() == list(range(10))
    assert data.x_test[3, 0, [0, 7999, 8000, 63_999]].tolist() == [10003, 10003, 0, 0]
    soul = load("urbansound8k", protocol="soul", front_end="none")
    assert _folds(soul.x_train[:, 0, :1, None]) == set(range(1, 9))
    assert _folds(soul.x_test[:, 0, :1, None]) == {9, 10}


def test_urbansound_gets_log_mel_of_four_seconds(official):
    _write_urban(official("urbansound8k"))
    data = load("urbansound8k")
    assert data.sample_shape == (40, 199)
    assert data.front_end["sample_rate"] == 16_000
    np.testing.assert_allclose(data.x_test[0, :, -1], np.log(np.float32(1e-6)), rtol=1e-6)


def test_urbansound_mixes_channels_and_resamples(official, tmp_path):
    folder = official("urbansound8k")
    _write_urban(folder)
    stereo = np.stack([np.full(44_100 * 5, 600), np.full(44_100 * 5, 200)], axis=1)
    _write_wav(folder / "audio" / "fold10" / "1000-0-0-0.wav", stereo.ravel(), rate=44_100, channels=2)
    data = load("urbansound8k", front_end="none")
    middle = data.x_test[0, 0, 1000:-1000]
    assert middle.min() >= 399
    assert middle.max() <= 401


def test_resampling_keeps_a_tone_and_sixteen_bits():
    tone = (20_000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16)[None]
    out = resample(tone, 48_000, 16_000)
    assert out.shape == (1, 16_000)
    assert out.dtype == np.int16
    expected = 20_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(out[0, 500:-500] - expected[500:-500]).max() < 50
    square = np.where(np.arange(48_000) // 100 % 2, 32_767, -32_768).astype(np.int16)[None]
    loud = resample(square, 48_000, 16_000)
    assert loud.min() == -32_768  # the overshoot of the filter is cut off, it does not wrap round
    assert loud.max() == 32_767


def test_a_float_wav_file_is_not_silence(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.array([0.5, -0.25, 1.0, -1.0]), 8000, subtype="FLOAT")
    clip, rate = read_wav(tmp_path / "x.wav", mix=True)
    assert clip.tolist() == [[16384, -8192, 32767, -32768]]
    assert rate == 8000


def test_urbansound_names_missing_clips_and_wrong_rows(official):
    folder = official("urbansound8k")
    _write_urban(folder)
    table = folder / "metadata" / "UrbanSound8K.csv"
    whole = table.read_text()
    table.write_text(whole.replace(",2,3,dog_bark", ",2,3,siren"))
    with pytest.raises(DataError, match=r"line 15: fold 2, classID 3, class 'siren'"):
        load("urbansound8k")
    table.write_text(whole.replace("classID", "label", 1))
    with pytest.raises(DataError, match="has no column classID"):
        load("urbansound8k")
    table.write_text(whole)
    clip = folder / "audio" / "fold3" / "304-4-0-0.wav"
    clip.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"304-4-0-0\.wav: cannot be read as WAV"):
        load("urbansound8k")
    clip.unlink()
    with pytest.raises(DataError, match=r"304-4-0-0\.wav is missing, expected a clip that UrbanSound8K\.csv"):
        load("urbansound8k")


def _write_words(folder, speakers=10):
    """Two speakers validate and two test; every clip is constant, its value says who speaks."""
    lists = {"validation": [], "testing": []}
    for w, word in enumerate(WORDS):
        (folder / word).mkdir(parents=True)
        for speaker in range(speakers):
            name = f"{speaker:08x}_nohash_{w % 2}.wav"
            _write_wav(folder / word / name, [100 * speaker + w] * 12_000)
            if speaker in (2, 3):
                lists["validation"].append(f"{word}/{name}")
            if speaker in (8, 9):
                lists["testing"].append(f"{word}/{name}")
    for name, entries in lists.items():
        (folder / f"{name}_list.txt").write_text("\n".join(entries) + "\n")
    (folder / "_background_noise_").mkdir()
    _write_wav(folder / "_background_noise_" / "pink_noise.wav", [0] * 100)


def _speakers(part):
    return {int(x[0, 0]) // 100 for x in part}


def test_gsc35_divides_by_the_official_lists_which_are_disjoint_in_speakers(official):
    _write_words(official("gsc35") / "speech_commands_v0.02")
    data = load("gsc35", front_end="none")
    assert _speakers(data.x_train) == {0, 1, 4, 5, 6, 7}
    assert _speakers(data.x_val) == {2, 3}
    assert _speakers(data.x_test) == {8, 9}
    assert data.n_classes == 35
    assert data.x_test.shape == (70, 1, 16_000)
    assert data.x_test[0, 0, [0, 11_999, 12_000]].tolist() == [800, 800, 0]
    assert data.classes[0] == "backward"
    assert data.classes[34] == "zero"
    assert [data.classes[y] for y in data.y_test[:4]] == ["backward", "backward", "bed", "bed"]


def test_gsc35_under_soul_takes_a_fifth_of_each_word_whoever_speaks(official):
    _write_words(official("gsc35"))
    data = load("gsc35", protocol="soul", front_end="none")
    assert np.bincount(data.y_test).tolist() == [2] * 35
    assert _speakers(data.x_train) & _speakers(data.x_test)


def test_gsc35_holds_features_only_and_reads_clips_once(official, monkeypatch):
    _write_words(official("gsc35"))
    held = []
    read = audio.read_wav

    def counted(path, mix):
        held.append(path)
        return read(path, mix)

    monkeypatch.setattr(audio, "read_wav", counted)
    data = load("gsc35")
    assert data.sample_shape == (40, 49)
    assert len(held) == 350
    again = load("gsc35", protocol="soul")  # other parts of the same features
    assert len(held) == 350
    assert len(again.y_train) == 280


def test_gsc35_names_missing_words_and_clips(official):
    folder = official("gsc35")
    _write_words(folder)
    entry = (folder / "testing_list.txt").read_text().split()[5]
    whole = (folder / entry).read_bytes()
    (folder / entry).unlink()
    with pytest.raises(DataError, match=rf"testing_list\.txt, line 6: .*{entry} is missing"):
        load("gsc35")
    _write_wav(folder / entry, [0] * 8000, rate=8000)
    with pytest.raises(DataError, match="sample rate 8000 Hz, expected 16000 Hz"):
        load("gsc35")
    (folder / entry).write_bytes(whole)
    (folder / "validation_list.txt").unlink()
    with pytest.raises(DataError, match=r"validation_list\.txt is missing"):
        load("gsc35")
    (folder / "wow").rename(folder / "wau")
    with pytest.raises(DataError, match=r"the folder wow is missing \(1 of 35"):
        load("gsc35")
