"""What a report looks at is what the commands say."""

import numpy as np
import pytest

from shiftlif.errors import ConfigurationError, VerificationError
from shiftlif.report import gather as gathering
from shiftlif.report.gather import gather
from shiftlif.training.config import NeuronConfig, TrainingConfig
from shiftlif.training.fitting import fit


def test_a_compiled_run_answers_as_its_program(digits_evidence):
    program = digits_evidence.program
    assert program is digits_evidence.measured
    answers = program.run(digits_evidence.data.frames("test")).predictions
    np.testing.assert_array_equal(digits_evidence.answers, answers)


def test_float_scores_give_the_accuracy_of_the_summary(digits_evidence):
    accuracy = (digits_evidence.float_answers == digits_evidence.labels).mean()
    assert accuracy == pytest.approx(digits_evidence.run.summary["test"]["accuracy"])


def test_the_chosen_samples_are_spread_evenly_and_verified(digits_evidence):
    assert len(digits_evidence.chosen) == 200
    assert set(np.diff(digits_evidence.chosen)) == {1, 2}  # 359 test samples
    assert digits_evidence.proof.samples == 200
    assert digits_evidence.cost.samples == 200
    assert digits_evidence.frames().shape == (200, 1, 8, 8)


def test_a_run_that_is_not_compiled_is_converted_in_memory(hostile_evidence):
    assert hostile_evidence.program is None
    assert hostile_evidence.bits == 8
    answers = hostile_evidence.measured.run(hostile_evidence.data.frames("test")).predictions
    np.testing.assert_array_equal(hostile_evidence.answers, answers)
    assert hostile_evidence.proof.samples == 20


def test_a_neuron_that_cannot_be_compiled_still_has_its_answers(tmp_path):
    config = TrainingConfig(
        dataset="digits", model="dense", width=16, steps=2, epochs=1, neuron=NeuronConfig(kind="PSN")
    )
    fit(config, tmp_path / "run", progress=False)
    evidence = gather(tmp_path / "run", samples=10)
    assert "PSN" in evidence.refusal
    assert evidence.measured is evidence.cost is evidence.proof is None
    np.testing.assert_array_equal(evidence.answers, evidence.float_answers)


def test_a_difference_is_kept_in_words(digits_run, monkeypatch):
    def differ(*_, **__):
        raise VerificationError("layer shiftlif1, step 0: letter 1 and 2")

    monkeypatch.setattr(gathering, "verify", differ)
    evidence = gather(digits_run, samples=5)
    assert evidence.proof is None
    assert evidence.difference == "layer shiftlif1, step 0: letter 1 and 2"


def test_progress_is_told_in_order(digits_run):
    told = []
    gather(digits_run, samples=5, progress=told.append)
    assert told == [
        "loading the run",
        "loading its data",
        "answering the test part",
        "verifying and counting",
    ]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="is not a run folder"):
        gather(tmp_path)
