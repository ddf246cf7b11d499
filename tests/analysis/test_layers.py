import pytest
import torch
from torch import nn

from shiftlif.analysis import LayerStatistics, layer_statistics
from shiftlif.analysis.figures import learning_curves, letter_usage_bars
from shiftlif.errors import DataError
from shiftlif.network import Network
from shiftlif.neuron import LIF, IntLIF, ShiftLIF


def identity(neuron):
    net = Network({"in": nn.Linear(1, 1, bias=False), "n": neuron, "out": nn.Linear(1, 2)}, input_shape=(1,))
    nn.init.ones_(net.layers["in"].weight)
    return net


def test_events_and_letters_are_counted_by_hand():
    # tau 1: the membrane is the input; soft reset leaves the remainder, which the leak then clears.
    net = identity(IntLIF(2, tau=1.0))
    x = torch.tensor([[0.0], [0.6], [2.4], [9.0]]).unsqueeze(0)
    (found,) = layer_statistics(net, [x, x])
    assert found.name == "n"
    assert found.neurons == 1
    assert found.events == 0.75
    assert found.usage == pytest.approx((0.25, 0.25, 0.5))
    assert found.levels == (0.0, 1.0, 2.0)


def test_batches_add_up():
    net = identity(ShiftLIF(2))
    x = torch.randn(3, 12, 1)
    (whole,) = layer_statistics(net, [x])
    (parts,) = layer_statistics(net, [x[:, :5], x[:, 5:]])
    assert whole.events == parts.events
    assert whole.usage == pytest.approx(parts.usage)
    assert whole.membrane_quantiles == pytest.approx(parts.membrane_quantiles)


@pytest.mark.parametrize(
    ("value", "silent", "saturated", "collapsed"),
    [(0.0, True, False, True), (50.0, False, True, True), (1.0, False, False, True)],
)
def test_unhealthy_layers_are_flagged_and_named(value, silent, saturated, collapsed):
    (found,) = layer_statistics(identity(IntLIF(3, tau=1.0)), [torch.full((2, 8, 1), value)])
    assert (found.silent, found.saturated, found.collapsed) == (silent, saturated, collapsed)
    assert found.findings()
    assert all("layer n " in text for text in found.findings())
    assert found.to_dict()["silent"] is silent


@pytest.mark.parametrize(
    ("usage", "word", "letter"),
    [
        ((0.9995, 0.0005, 0.0), " is silent: 0.05 %", None),
        ((0.9905, 0.0095, 0.0), " is nearly silent: 0.95 %", "all of them the letter 0.5;"),
        ((0.9905, 0.0090, 0.0005), " is nearly silent: 0.95 %", None),
        ((0.98, 0.02, 0.0), None, None),
    ],
)
def test_layers_with_less_than_two_percent_of_events_are_named(usage, word, letter):
    found = LayerStatistics("n", 1, round(1 - usage[0], 6), (0.0, 0.5, 1.0), usage, (0.0,) * 5).findings()
    assert len(found) == (word is not None)
    assert word is None or word in found[0]
    assert ("all of them the letter" in "".join(found)) == (letter is not None)
    assert letter is None or letter in found[0]


def test_a_healthy_layer_has_no_findings():
    torch.manual_seed(0)
    (found,) = layer_statistics(identity(IntLIF(3, tau=1.0)), [torch.rand(2, 500, 1) * 3])
    assert found.findings() == []


def test_the_mode_of_the_network_is_left_alone_and_no_batch_is_an_error():
    net = identity(LIF()).train()
    layer_statistics(net, [torch.zeros(1, 2, 1)])
    assert net.training
    with pytest.raises(DataError):
        layer_statistics(net, [])


def test_figures_are_written(tmp_path):
    (tmp_path / "metrics.csv").write_text(
        "epoch,train/loss,val/loss,train/accuracy,val/accuracy,scale/n\n1,2,2,0.5,0.5,\n2,1,1,0.9,0.8,0.7\n"
    )
    layer = LayerStatistics("n", 1, 0.5, (0.0, 1.0), (0.5, 0.5), (0.0,) * 5)
    for path in (
        learning_curves(tmp_path / "metrics.csv", tmp_path / "a.png"),
        letter_usage_bars([layer, layer], tmp_path / "b.png"),
    ):
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["", "epoch\n", "a,b\n1,2\n", "epoch,train/loss\n1,x\n"])
def test_a_table_that_is_not_a_runs_is_refused(tmp_path, text):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match=r"m\.csv"):
        learning_curves(tmp_path / "m.csv", tmp_path / "a.png")
    with pytest.raises(DataError):
        letter_usage_bars([], tmp_path / "a.png")
