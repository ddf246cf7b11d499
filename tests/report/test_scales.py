from dataclasses import replace

import torch
from torch import nn

from shiftlif.network import Network
from shiftlif.neuron import LIF, ShiftLIF
from shiftlif.report.scales import scales
from tests.report.made import block, evidence_of


def made(folder, neuron):
    network = Network({"in": nn.Linear(1, 2), "n": neuron, "out": nn.Linear(2, 2)}, input_shape=(1,))
    return evidence_of(network, [[0], [9]], [0, 1], folder)


def test_the_way_of_a_scale_is_read_from_the_metrics(tmp_path):
    evidence = made(tmp_path, ShiftLIF(1, channels=2, scale=1.5))
    (tmp_path / "metrics.csv").write_text(
        "epoch,val/loss,scale/n,scale_low/n,scale_high/n\n1,2,1.0,0.5,1.5\n2,1,1.4,1.0,1.8\n3,1,1.5,1,2\n"
    )
    evidence = replace(evidence, run=replace(evidence.run, summary={"best_epoch": 2}))
    section = scales(evidence)
    assert section.answer == (
        "From epoch 1 to 3 the scale of n moved most: it grew from 1 to 1.5, by 50 %; n still moved in the last "
        "epochs. "
        "A larger scale means higher boundaries and larger spikes."
    )
    rows = block(section, "scales-track").rows
    assert [(row["epoch"], row["least"], row["scale"], row["largest"]) for row in rows] == [
        (1, 0.5, 1.0, 1.5),
        (2, 1.0, 1.4, 1.8),
        (3, 1.0, 1.5, 2.0),
    ]
    # letters 0, 1/2, 1: boundaries at 1/4 and 3/4 of the scale
    ends = {row["of"]: row["value"] for row in block(section, "scales-thresholds").rows if row["epoch"] == 3}
    assert ends == {"largest letter": 1.5, "top boundary": 1.125, "first boundary": 0.375}
    assert [row["scale"] for row in block(section, "scales-now").rows] == [1.5]


def test_the_change_of_a_scale_is_that_of_the_figures_shown(tmp_path):
    evidence = made(tmp_path, ShiftLIF(1))
    for ends, words in (
        ("1.0 1.0549", "it grew from 1 to 1.05, by 5 %"),
        ("1.0 1.0551", "it grew from 1 to 1.06, by 6 %"),
        ("1.0 0.5", "it shrank from 1 to 0.5, by 50 %"),
        (
            "1.0 1.004",
            "From epoch 1 to 2 no scale moved by as much as 1 %; in the last epochs all had settled.",
        ),
    ):
        first, last = ends.split()
        (tmp_path / "metrics.csv").write_text(f"epoch,scale/n\n1,{first}\n2,{last}\n")
        assert words in scales(evidence).answer


def test_boundaries_are_those_of_the_kept_weights_in_caption_and_table(tmp_path):
    evidence = made(tmp_path, ShiftLIF(1, scale=1.4))
    (tmp_path / "metrics.csv").write_text("epoch,scale/n\n1,1.0\n2,1.4\n3,1.6\n")
    evidence = replace(evidence, run=replace(evidence.run, summary={"best_epoch": 2}))
    section = scales(evidence)
    chart, table = block(section, "scales-thresholds"), block(section, "scales-now")
    # letters 0, 1/2, 1: the top boundary is 3/4 of the scale
    assert chart.reading.endswith(
        "In the weights that were kept, those of epoch 2, the top boundary is: n 1.05."
    )
    assert [row["top boundary"] for row in table.rows] == [1.05]
    assert table.reading.endswith("in the weights that were kept, those of epoch 2.")


def test_epochs_before_the_scale_was_written_are_left_out(tmp_path):
    evidence = made(tmp_path, ShiftLIF(1))
    (tmp_path / "metrics.csv").write_text("epoch,val/loss,scale/n\n1,2,\n2,1,1.0\n3,1,1.0\n")
    section = scales(evidence)
    assert [row["epoch"] for row in block(section, "scales-track").rows] == [2, 3]
    assert section.answer.startswith("From epoch 2 to 3 no scale moved; in the last epochs all had settled.")


def test_a_run_that_did_not_write_scales_says_so(tmp_path):
    evidence = made(tmp_path, ShiftLIF(1, scale=0.5))
    (tmp_path / "metrics.csv").write_text("epoch,val/loss\n1,2\n")
    section = scales(evidence)
    assert "does not hold them" in section.answer
    assert [row["scale"] for row in block(section, "scales-now").rows] == [0.5]


def test_fixed_scales_are_said_to_be_fixed(tmp_path):
    section = scales(made(tmp_path, LIF(scale=2.0)))
    assert section.answer == "The scales of this run are fixed: 2. Training did not move them."


def test_the_digits_run_has_scales(digits_evidence):
    section = scales(digits_evidence)
    rows = block(section, "scales-track").rows
    assert {row["epoch"] for row in rows} == {1, 2}
    assert len({row["layer"] for row in rows}) == 3
    kept = digits_evidence.run.summary["best_epoch"]
    now = {row["layer"]: row["scale"] for row in block(section, "scales-now").rows}
    for row in rows:
        if row["epoch"] == kept:
            assert torch.isclose(torch.tensor(row["scale"]), torch.tensor(now[row["layer"]]), atol=2e-5)
