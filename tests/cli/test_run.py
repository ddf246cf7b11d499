"""``shiftlif run`` on recordings and on what is no model file; the programs are made by hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app
from shiftlif.data import load
from shiftlif.program import Accumulate, Flatten, Input, InputQuantizer, IntegerProgram, Linear, Neuron

RATE = 8000
RNG = np.random.default_rng(0)


def call(*words, stdin=None):
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin, env={"COLUMNS": "200"})


def program_for(shape, front_end, path):
    """Two classes on random weights, with a front end noted as ``compile`` does."""
    size, rng = int(np.prod(shape)), np.random.default_rng(0)  # the same program whichever test asks first
    operations = (
        Input("x", shape),
        Flatten("flat", "x"),
        Linear("in", "flat", rng.integers(-50, 50, (6, size)).astype(np.int8)),
        Neuron(
            name="neuron",
            source="in",
            leak_shift=1,
            current_shift=0,
            bias=np.zeros(6, np.int32),
            thresholds=np.full((6, 1), 200, np.int32),
            resets=np.tile(np.array([0, 200], np.int32), (6, 1)),
            letters=np.array([0, 1], np.int32),
            reset="soft",
            membrane_bits=32,
        ),
        Linear("out", "neuron", rng.integers(-50, 50, (2, 6)).astype(np.int8)),
        Accumulate("y", "out", 0, np.zeros(2, np.int32)),
    )
    quantizer = InputQuantizer(np.zeros(shape[0]), np.full(shape[0], 0.5), 0)
    program = IntegerProgram(operations, quantizer, 4, 16, ("rest", "walk"), 1.0, {"front_end": front_end})
    program.save(path)
    return program


def expected(program, samples):
    return (program.run(program.quantizer.quantize(samples)).logits / program.steps).tolist()


def scores(*words):
    result = call("run", *words, "--json", "--scores")
    assert result.exit_code == 0, result.output
    return [list(row["scores"].values()) for row in json.loads(result.stdout)]


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A folder of clips of different lengths, 900 to 1040 samples, in train and test."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("librosa")
    monkeypatch.setenv("SHIFTLIF_CACHE", str(tmp_path / "cache"))
    for part in ("train", "test"):
        for label in ("rest", "walk"):
            folder = tmp_path / "words" / part / label
            folder.mkdir(parents=True)
            for i in range(4):
                clip = RNG.integers(-9999, 9999, 900 + 35 * i + 35 * (i == 3)).astype(np.int16)
                soundfile.write(folder / f"{i}.wav", clip, RATE, subtype="PCM_16")
    return tmp_path / "words"


@pytest.mark.parametrize("front_end", ["log_mel", "none", "standardise_sample"])
def test_a_wav_clip_gives_the_scores_of_its_training_sample(words, tmp_path, front_end):
    data = load(words, length="longest", front_end=front_end)
    program = program_for(data.sample_shape, data.front_end, tmp_path / "p.safetensors")
    paths = [words / "test" / label / f"{i}.wav" for label in ("rest", "walk") for i in range(4)]
    found = [scores(tmp_path / "p.safetensors", path)[0] for path in paths]
    assert found == expected(program, data.x_test)
    assert len({tuple(row) for row in found}) > 1


def test_a_longer_clip_loses_its_end_as_in_training_and_says_so(words, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    data = load(words, length="longest")
    program_for(data.sample_shape, data.front_end, tmp_path / "p.safetensors")
    clip, _ = soundfile.read(words / "test" / "rest" / "3.wav", dtype="int16")
    long = np.concatenate([clip, np.full(5000, 999, np.int16)])
    soundfile.write(tmp_path / "long.wav", long, RATE, subtype="PCM_16")
    short = call("run", tmp_path / "p.safetensors", words / "test" / "rest" / "3.wav", "--scores")
    cut = call("run", tmp_path / "p.safetensors", tmp_path / "long.wav", "--scores")
    assert cut.stdout == short.stdout
    assert "only the first" in cut.stderr
    assert not short.stderr


def test_a_wav_clip_that_does_not_fit_the_program_is_refused(words, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    data = load(words, length="longest")
    path = tmp_path / "p.safetensors"
    program_for(data.sample_shape, data.front_end, path)
    soundfile.write(tmp_path / "fast.wav", np.ones(2000, np.int16), 16000)
    (tmp_path / "garbage.wav").write_bytes(b"RIFF")
    for name, part in (
        ("fast.wav", "sample rate 16000 Hz, expected 8000 Hz as in training; resample it"),
        ("garbage.wav", "cannot be read as WAV"),
        ("gone.wav", "there is no such file"),
    ):
        result = call("run", path, tmp_path / name)
        assert result.exit_code == 2
        assert part in result.stderr
    program_for((2, 50), {"name": "none"}, path)
    assert "the program takes no WAV clips" in call("run", path, tmp_path / "fast.wav").stderr
    program_for((2, 50), {"name": "none", "sample_rate": 16000}, path)
    assert "1 audio channels, expected 2" in call("run", path, tmp_path / "fast.wav").stderr


def test_raw_arrays_may_be_many_clips_or_one(words, tmp_path):
    data = load(words, length="longest")
    raw = load(words, length="longest", front_end="none").x_test[:, 0].astype(np.int16)
    path = tmp_path / "p.safetensors"
    program = program_for(data.sample_shape, data.front_end, path)
    np.save(tmp_path / "many.npy", raw)
    np.save(tmp_path / "one.npy", raw[2])
    np.savez(tmp_path / "many.npz", x=raw)
    assert scores(path, tmp_path / "many.npy", "--raw") == expected(program, data.x_test)
    assert scores(path, tmp_path / "many.npz", "--raw") == expected(program, data.x_test)
    assert scores(path, tmp_path / "one.npy", "--raw") == expected(program, data.x_test[2:3])


def test_clips_of_a_wrong_form_are_refused_with_the_one_that_fits(words, tmp_path):
    data = load(words, length="longest")
    path = tmp_path / "p.safetensors"
    program_for(data.sample_shape, data.front_end, path)
    assert data.sample_shape == (40, 5)
    for array, part in (
        (np.zeros((3, 2000), np.int16), "3 clip(s) of 2000 samples, expected 896 to 1055 samples at 8000 Hz"),
        (np.zeros((3, 1, 1000)), "has shape (3, 1, 1000), expected clips [N, samples] or one clip [samples]"),
        (np.full((3, 1000), np.nan), "sample 0 (counted from 0) is the first that holds NaN"),
        (np.zeros((3, 1000), bool), "clips are bool, expected int16 PCM or floats"),
    ):
        np.save(tmp_path / "x.npy", array)
        result = call("run", path, tmp_path / "x.npy", "--raw")
        assert result.exit_code == 2
        assert part in result.stderr
    result = call("run", path, "-", "--raw", stdin="1,2\n")
    assert result.exit_code == 2
    assert "come from a .npy or .npz file" in result.stderr


def test_an_array_that_looks_raw_gets_the_hint(words, tmp_path):
    data = load(words, length="longest")
    path = tmp_path / "p.safetensors"
    program_for(data.sample_shape, data.front_end, path)
    for shape, hint in (((3, 1000), True), ((1000,), True), ((3, 40, 6), False)):
        np.save(tmp_path / "x.npy", np.zeros(shape))
        result = call("run", path, tmp_path / "x.npy")
        assert result.exit_code == 2
        assert ("add --raw" in result.stderr) is hint


def test_raw_is_the_same_as_any_source_where_the_front_end_keeps_the_shape(tmp_path):
    path = tmp_path / "p.safetensors"
    program = program_for((2, 3), {"name": "standardise_sample", "epsilon": 1e-6}, path)
    x = RNG.normal(3, 9, (5, 2, 3)).astype(np.float32)
    text = "\n".join(",".join(map(str, row)) for row in x.reshape(5, 6).tolist())
    np.save(tmp_path / "x.npy", x)
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    standard = centred / x.std(axis=(1, 2), keepdims=True)
    assert scores(path, tmp_path / "x.npy", "--raw") == expected(program, standard)
    result = call("run", path, "--raw", "--json", "--scores", stdin=text)
    assert [list(row["scores"].values()) for row in json.loads(result.stdout)] == expected(program, standard)


def test_both_csv_forms_of_the_help_give_the_same(tmp_path):
    shown = " ".join(call("run", "--help").output.split())
    for part in ("(a) One flattened sample per line, channel-major", "(b)", "rows are time steps", "header"):
        assert part in shown
    path = tmp_path / "p.safetensors"
    program = program_for((2, 3), {"name": "none"}, path)
    x = RNG.normal(0, 30, (4, 2, 3)).round(2)
    np.savetxt(tmp_path / "a.csv", x.reshape(4, 6), delimiter=",")
    np.savetxt(tmp_path / "b.csv", x.swapaxes(1, 2).reshape(12, 2), delimiter=",", header="u,v", comments="")
    assert scores(path, tmp_path / "a.csv") == scores(path, tmp_path / "b.csv") == expected(program, x)


def test_swapped_arguments_are_recognised_and_the_right_order_is_shown(tmp_path):
    program, data = tmp_path / "program.safetensors", tmp_path / "my x.csv"
    program_for((2, 3), {"name": "none"}, program)
    data.write_text("1,2,3,4,5,6\n")
    result = call("run", data, program)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"{program} is a program and {data} is not" in result.stderr
    assert f"shiftlif run {program} '{data}'" in result.stderr
    assert call("run", program, data).exit_code == 0
    assert "is a program" not in call("run", data, data).stderr
    assert f"shiftlif run {program} -" in call("run", "-", program, stdin="1,2,3,4,5,6\n").stderr


@pytest.mark.parametrize("command", ["run", "info"])
def test_a_run_folder_or_device_in_place_of_the_program_says_what_to_do(tmp_path, command):
    program_for((2, 3), {"name": "none"}, tmp_path / "program.safetensors")
    result = call(command, tmp_path)
    assert result.exit_code == 2
    assert f"use {tmp_path / 'program.safetensors'}" in result.stderr
    if os.path.exists("/dev/zero"):
        assert "is a device" in call(command, "/dev/zero").stderr


@pytest.fixture
def motion(tmp_path):
    """A program, and a folder of windows with a window a file: eight of CSV, and one of two samples in another form."""
    program_for((2, 3), {"name": "none"}, tmp_path / "p.safetensors")
    windows = np.random.default_rng(7).normal(0, 30, (10, 2, 3)).round(2).astype(np.float32)
    names = []
    for i, window in enumerate(windows[:8]):
        path = tmp_path / "motion" / ("rest" if i < 4 else "walk") / f"{i}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, window.T, delimiter=",", header="x,y", comments="", fmt="%.2f")
        names.append(str(path))
    np.save(tmp_path / "motion" / "walk" / "more.npy", windows[8:])
    names += [str(tmp_path / "motion" / "walk" / "more.npy")] * 2
    (tmp_path / "motion" / "walk" / ".hidden.csv").write_text("no numbers\n")
    (tmp_path / "motion" / "notes.md").write_text("no samples\n")
    return tmp_path, windows, names


def test_several_files_and_folders_give_the_answers_of_one_array_with_the_names_of_the_files(motion):
    place, windows, names = motion
    program, folder = place / "p.safetensors", place / "motion"
    np.save(place / "all.npy", windows)
    classes = call("run", program, place / "all.npy").stdout.split()
    assert set(classes) == {"rest", "walk"}
    lines = "".join(f"{name}\t{answer}\n" for name, answer in zip(names, classes, strict=True))
    assert call("run", program, *dict.fromkeys(names)).stdout == lines
    assert call("run", program, folder / "rest", folder / "walk").stdout == lines
    assert call("run", program, folder).stdout == lines
    assert scores(program, folder) == scores(program, place / "all.npy")
    found = json.loads(call("run", program, folder, "--json").stdout)
    assert [(row["file"], row["class"]) for row in found] == list(zip(names, classes, strict=True))


def test_one_file_is_answered_without_its_name_and_a_folder_of_one_with_it(motion):
    place, _, names = motion
    (place / "one").mkdir()
    alone = place / "one" / "0.csv"
    alone.write_bytes(Path(names[0]).read_bytes())
    answer = call("run", place / "p.safetensors", alone).stdout
    assert answer in ("rest\n", "walk\n")
    assert call("run", place / "p.safetensors", place / "one").stdout == f"{alone}\t{answer}"
    (row,) = json.loads(call("run", place / "p.safetensors", alone, "--json").stdout)
    assert set(row) == {"class", "index"}


def test_standard_input_may_be_one_of_several_inputs(motion):
    place, _, names = motion
    program, text = place / "p.safetensors", Path(names[0]).read_text()
    answer = call("run", program, stdin=text).stdout
    assert call("run", program, names[0], "-", stdin=text).stdout == f"{names[0]}\t{answer}-\t{answer}"


def test_a_folder_without_samples_and_a_stream_of_several_files_are_refused(motion):
    place, _, names = motion
    (place / "empty").mkdir()
    nothing = call("run", place / "p.safetensors", place / "empty")
    assert nothing.exit_code == 2
    assert (
        f"{place / 'empty'}: holds no file of samples (.csv, .npy, .npz, .wav or a recording"
        in nothing.stderr
    )
    streamed = call("run", place / "p.safetensors", *names[:2], "--stream")
    assert streamed.exit_code == 2
    assert f"--stream takes one INPUT, got 2: {names[0]}, {names[1]}" in streamed.stderr


def test_a_forgotten_program_is_named_as_what_is_missing(motion):
    _, _, names = motion
    for words in (names[:1], names[:3]):
        result = call("run", *words)
        assert result.exit_code == 2
        assert f"{names[0]} is no program" in result.stderr
        assert "shiftlif run PROGRAM SAMPLES" in result.stderr
        assert "safetensors file" not in result.stderr
    assert "No such file" in call("run", "gone.csv").stderr


def test_a_program_behind_many_files_is_recognised(motion):
    place, _, names = motion
    result = call("run", *names[:3], place / "p.safetensors")
    assert result.exit_code == 2
    assert f"shiftlif run {place / 'p.safetensors'} {' '.join(names[:3])}" in result.stderr
