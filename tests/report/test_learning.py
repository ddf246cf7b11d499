"""What is said about the training is what its metrics show."""

from dataclasses import replace

import pytest

from shiftlif.report.learning import learning, read_history


def test_curves_are_the_rows_of_the_metrics(digits_evidence):
    section = learning(digits_evidence)
    charts = {block.key: block for block in section.blocks}
    lines = (digits_evidence.run.folder / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("val/loss")
    expected = [float(line.split(",")[column]) for line in lines[1:]]
    found = [row["value"] for row in charts["learning-loss"].rows if row["of"] == "validation"]
    assert found == expected
    assert {row["of"] for row in charts["learning-events"].rows} == {"shiftlif1", "shiftlif2", "shiftlif3"}


def test_a_run_without_metrics_says_so(digits_evidence, tmp_path):
    section = learning(replace(digits_evidence, run=replace(digits_evidence.run, folder=tmp_path)))
    assert "holds no metrics.csv" in section.answer
    assert not section.blocks


def test_cells_that_are_no_numbers_are_none():
    assert read_history("epoch,val/loss\n1,nan\n2,\n3,0.5\n") == [
        {"epoch": 1.0, "val/loss": None},
        {"epoch": 2.0, "val/loss": None},
        {"epoch": 3.0, "val/loss": 0.5},
    ]


@pytest.mark.parametrize(
    ("best", "losses", "words"),
    [
        (10, "1 .9 .8 .7 .6 .5 .4 .3 .2 .1", "more epochs might help"),
        (
            3,
            "1 .9 .5 .6 .7 .8 .9 1 1 1",
            "lowest in epoch 3 and 100 % higher at the end: the network has begun",
        ),
    ],
)
def test_learning_says_whether_to_go_on(digits_evidence, tmp_path, best, losses, words):
    rows = [f"{i},{loss}" for i, loss in enumerate(losses.split(), start=1)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,val/loss", *rows]))
    run = replace(digits_evidence.run, folder=tmp_path, summary={"best_epoch": best})
    assert words in learning(replace(digits_evidence, run=run)).answer


def learnt(evidence, folder, losses, samples):
    """The answer about a run of that many validation samples."""
    lines = [f"{i},{loss},{accuracy}" for i, (loss, accuracy) in enumerate(losses, start=1)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,val/loss,val/accuracy", *lines]))
    val = evidence.data.parts["val"]
    part = type(val)(val.x[:samples], val.y[:samples])
    data = replace(evidence.data, parts={**evidence.data.parts, "val": part})
    run = replace(evidence.run, folder=folder, summary={"best_epoch": 2})
    return learning(replace(evidence, run=run, data=data)).answer


def test_a_tiny_rise_of_the_loss_means_nothing(digits_evidence, tmp_path):
    found = learnt(digits_evidence, tmp_path, [(0.02, 1.0), (0.0104, 1.0), (0.018, 1.0)], 100)
    assert found == "The weights are those of epoch 2 of 3, the best on the validation part (100.00 %)."


def test_a_rise_on_few_samples_is_said_to_be_no_proof(digits_evidence, tmp_path):
    losses = [(0.9, 0.5), (0.5, 0.9), (0.8, 0.9)]
    assert learnt(digits_evidence, tmp_path, losses, 21).endswith(
        "60 % higher at the end: 21 validation samples are too few to tell whether the network has begun to learn its "
        "training samples by heart."
    )
    assert learnt(digits_evidence, tmp_path, losses, 50).endswith(
        "60 % higher at the end: the network has begun to learn its training samples by heart."
    )


def test_more_epochs_are_not_advised_where_all_is_right(digits_evidence, tmp_path):
    assert "might help" in learnt(digits_evidence, tmp_path, [(0.9, 0.5), (0.5, 0.99)], 100)
    assert "might help" not in learnt(digits_evidence, tmp_path, [(0.9, 0.5), (0.5, 1.0)], 100)


@pytest.mark.parametrize(
    ("header", "lines", "words"),
    [
        ("val/accuracy,events/a,events/b", ["0.8,0.2,0.0005", "0.9,0.2,0.0005"], "b is silent in it"),
        ("val/accuracy,events/a", ["0.2,0.3", "0.26,0.3"], "nothing has been learnt"),
        ("val/accuracy,val/loss", ["0.8,0.5", "0.9,0.6"], "lowest in epoch 1 and 20 % higher"),
    ],
)
def test_more_epochs_are_not_advised_where_they_would_not_help(
    digits_evidence, tmp_path, header, lines, words
):
    rows = [f"{i},{line}" for i, line in enumerate(lines, start=1)]
    (tmp_path / "metrics.csv").write_text("\n".join([f"epoch,{header}", *rows]))
    run = replace(digits_evidence.run, folder=tmp_path, summary={"best_epoch": 2, "majority": 0.25})
    found = learning(replace(digits_evidence, run=run)).answer
    assert words in found
    assert "might help" not in found
