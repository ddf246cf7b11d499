"""What training and deployment tell whoever shows their progress."""

import pytest
import torch

from shiftlif.training.deployment import deploy
from shiftlif.training.fitting import fit
from shiftlif.training.progress import counted


class Recorder:
    """Keeps every report by stage."""

    def __init__(self):
        self.stages = {}
        self.units = {}

    def __call__(self, stage, unit="samples"):
        reports = self.stages.setdefault(stage, [])
        self.units[stage] = unit
        return lambda done, total, note="": reports.append((done, total, note))


@pytest.fixture
def seen():
    return Recorder()


def test_batches_pass_through_and_are_counted_by_sample():
    told = []
    batches = [torch.zeros(3, 5, 2), torch.zeros(3, 4, 2)]
    passed = list(counted(batches, lambda *words: told.append(words), 9))
    assert all(a is b for a, b in zip(passed, batches, strict=True))
    assert told == [(0, 9), (5, 9), (9, 9)]


def test_training_reports_every_batch_of_all_epochs_and_then_the_samples(config, dataset, tmp_path, seen):
    config = config.model_copy(update={"epochs": 3, "batch_size": 8})
    result = fit(config, tmp_path / "run", dataset=dataset, progress=seen)
    assert list(seen.stages) == ["training", "measuring layers", "testing"]
    batches = len(dataset.y_train) // 8
    reports = seen.stages["training"]
    assert [done for done, _, _ in reports] == list(range(3 * batches + 1))
    assert {total for _, total, _ in reports} == {3 * batches}
    assert seen.units["training"] == "batches"
    assert reports[0][2] == "epoch 1/3"
    best = max(row["val/accuracy"] for row in result.trained.history[:2])
    assert reports[-1][2] == f"epoch 3/3, {100 * best:.1f} %"
    for stage, part in (("measuring layers", "val"), ("testing", "test")):
        samples = len(result.data.parts[part])
        assert (seen.stages[stage][0][:2], seen.stages[stage][-1][:2]) == ((0, samples), (samples, samples))


def test_a_resumed_run_reports_from_where_it_goes_on(config, dataset, tmp_path, seen):
    config = config.model_copy(update={"epochs": 2, "batch_size": 8})
    fit(config, tmp_path / "run", dataset=dataset, progress=False)
    fit(config, tmp_path / "run", dataset=dataset, resume=True, progress=seen)
    batches = len(dataset.y_train) // 8
    assert all(done == total == 2 * batches for done, total, _ in seen.stages.get("training", []))


def test_deployment_reports_predicting_fine_tuning_and_verifying(config, dataset, tmp_path, seen):
    result = fit(config, tmp_path / "run", dataset=dataset, progress=False)
    deploy(result.network, result.data, result.config, qat_epochs=1, progress=seen)
    assert list(seen.stages) == [
        "predicting, float",
        "predicting, absorbed",
        "fine-tuning",
        "verifying",
    ]
    samples = len(dataset.y_test)
    assert [r[:2] for r in seen.stages["verifying"]] == [(0, samples), (samples, samples)]
    assert seen.stages["fine-tuning"][-1][0] == seen.stages["fine-tuning"][-1][1]


def test_without_a_listener_nothing_is_said(config, dataset, tmp_path, capsys):
    fit(config, tmp_path / "run", dataset=dataset, progress=False)
    assert capsys.readouterr() == ("", "")
