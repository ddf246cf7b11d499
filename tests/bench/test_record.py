"""One run from training to figures, on a set small enough to train in seconds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.bench import record as module
from shiftlif.bench.recipe import Recipe, make_job
from shiftlif.bench.record import deployed, energies, fingerprint_of_test, measured, teach, teacher_folder
from shiftlif.compile import convert
from shiftlif.data import Dataset
from shiftlif.errors import CompileError, RangeError
from shiftlif.network import Network
from shiftlif.neuron import QuantReLU
from shiftlif.program import InputQuantizer, measure
from shiftlif.quantize import absorb, prepare
from shiftlif.training.batches import make_data
from shiftlif.training.runs import SUMMARY
from tests.bench.test_schedule import job as plain_job

RECIPE = Recipe(
    common={
        "model": "dense",
        "width": 16,
        "epochs": 1,
        "learning_rate": 0.01,
        "batch_size": 64,
        "teacher": "ReLU",
    },
    datasets={"digits": {}},
    neurons={"ShiftLIF": {"kind": "ShiftLIF", "K": 2}, "ReLU": {"kind": "ReLU"}},
    limit=20,
)


def test_a_teacher_is_trained_once_and_its_student_and_itself_are_measured(tmp_path):
    teachers = tmp_path / "teachers"
    teachers.mkdir()
    student, teacher = (make_job(RECIPE, "digits", neuron, 1, 0) for neuron in ("ShiftLIF", "ReLU"))
    assert student.teacher is not None
    teach(student.teacher, tmp_path / "teach", teachers)
    folder = teacher_folder(teachers, student.teacher)
    trained = (folder / SUMMARY).stat().st_mtime_ns
    teach(student.teacher, tmp_path / "again", teachers)
    assert (folder / SUMMARY).stat().st_mtime_ns == trained

    taught = measured(student, tmp_path / "run", teachers)
    assert (taught["key"], taught["teacher"]) == (student.key, "ReLU")
    assert taught["teacher_config"] == teacher.training
    assert taught["config"]["neuron"] == {"K": 2}
    assert taught["deploy"]["int8"]["bit_exact"] is True
    assert taught["deploy"]["int8"]["verified_samples"] == taught["float"]["samples"] == 20
    assert set(taught["deploy"]["int8"]["energy"]) >= {"naive", "memory_best"}

    itself = measured(teacher, tmp_path / "unused", teachers)
    assert not (tmp_path / "unused").exists()  # it was trained as the teacher
    assert (itself["teacher"], itself["teacher_config"]) == (None, None)
    assert "refused" in itself["deploy"]
    assert itself["test_data"] == taught["test_data"]


@pytest.fixture
def trained(monkeypatch):
    """Training that only leaves a folder with a summary, and calls what happens meanwhile."""
    meanwhile = []

    def fit(_config, folder, **_):
        folder.mkdir()
        (folder / SUMMARY).write_text("ours")
        for call in meanwhile:
            call()

    monkeypatch.setattr(module, "fit", fit)
    return meanwhile


def test_a_teacher_that_another_bench_finished_meanwhile_stays(tmp_path, trained):
    final = teacher_folder(tmp_path, plain_job())

    def other():
        final.mkdir()
        (final / SUMMARY).write_text("theirs")

    trained.append(other)
    teach(plain_job(), tmp_path / "scratch", tmp_path)
    assert (final / SUMMARY).read_text() == "theirs"


def test_a_teacher_that_cannot_be_put_into_its_place_is_an_error(tmp_path, trained):
    final = teacher_folder(tmp_path, plain_job())
    final.mkdir()
    (final / "something else").touch()
    with pytest.raises(OSError, match="not empty"):
        teach(plain_job(), tmp_path / "scratch", tmp_path)


@pytest.mark.parametrize("error", [CompileError, RangeError])
def test_a_program_that_is_refused_leaves_the_others(monkeypatch, error):
    job = plain_job().model_copy(update={"deploy": Recipe.model_validate(TWO).deploy})

    def figures(_network, _data, _config, _job, entry):
        if entry.bits == 4:
            raise error("an accumulator could overflow")
        return {"accuracy": 0.5}

    monkeypatch.setattr(module, "_program_figures", figures)
    assert deployed(None, None, None, job) == {
        "int8": {"accuracy": 0.5},
        "refused": "int4: an accumulator could overflow",
    }


TWO = {"datasets": {"digits": {}}, "neurons": {"LIF": {}}, "deploy": [{"bits": 8}, {"bits": 4}]}


@pytest.mark.parametrize(("steps", "names"), [(1, {"energy", "energy_zero_skipping"}), (4, set())])
def test_a_network_without_spikes_has_an_energy_at_one_step_only(steps, names):
    network = Network(nn.Linear(3, 4), QuantReLU(bits=4), nn.Linear(4, 2), input_shape=(3,))
    quantizer = InputQuantizer(np.zeros(3), np.ones(3), 4)
    prepared = prepare(absorb(network), input_exponent=4)
    program = convert(prepared, quantizer=quantizer, classes=("a", "b"), steps=steps)
    cost = measure(program, np.array([[1, -2, 3]], np.int8), steps)
    assert set(energies(network, cost)) == names


def dataset(x, temporal=False):
    labels = np.arange(6) % 2
    parts = {f"x_{part}": x for part in ("train", "val", "test")}
    ys = {f"y_{part}": labels for part in ("train", "val", "test")}
    return Dataset(name="toy", classes=("a", "b"), temporal=temporal, **parts, **ys)


def test_the_fingerprint_is_of_samples_and_labels_of_the_test_part():
    x = np.random.default_rng(0).normal(size=(6, 3, 5)).astype(np.float32)
    data = make_data(dataset(x), 1)
    same = fingerprint_of_test(data)
    assert len(same) == 64
    assert fingerprint_of_test(make_data(dataset(x), 4)) == same  # T is no matter of the data
    part = data.parts["test"]
    for changed in (
        type(part)(part.x.flip(0), part.y),
        type(part)(part.x, 1 - part.y),
        type(part)(part.x.reshape(6, 5, 3), part.y),
    ):
        assert fingerprint_of_test(replace(data, parts={**data.parts, "test": changed})) != same
    others = {**data.parts, "train": type(part)(part.x[:3], part.y[:3])}
    assert fingerprint_of_test(replace(data, parts=others)) == same


def test_events_have_one_fingerprint_however_many_frames_they_are_divided_into():
    bins = np.random.default_rng(0).integers(0, 3, (6, 4, 2, 3, 3)).astype(np.float32)
    halves = bins.reshape(6, 2, 2, 2, 3, 3).sum(2)
    four, two = make_data(dataset(bins, True), 4), make_data(dataset(halves, True), 2)
    assert not torch.equal(four.parts["test"].x.flatten(), two.parts["test"].x.flatten())
    assert fingerprint_of_test(four) == fingerprint_of_test(two)
