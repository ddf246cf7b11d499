import csv
import io

import pytest
import torch
from torch import nn

from shiftlif.network import Network
from shiftlif.neuron import LIF, PLIF, ShiftLIF
from shiftlif.training.batches import make_data
from shiftlif.training.fitting import initial_network
from shiftlif.training.loop import history_csv, train
from shiftlif.training.scales import learned_figures


def test_what_is_trained_is_a_figure_and_what_is_fixed_is_none():
    shift = ShiftLIF(2, channels=2)
    shift.scale.data = torch.tensor([0.5, 1.5])
    network = Network(
        {
            "a": nn.Linear(1, 2),
            "shift": shift,
            "b": nn.Linear(2, 2),
            "fixed": LIF(),
            "c": nn.Linear(2, 2),
            "plif": PLIF(tau=4.0),
        },
        input_shape=(1,),
    )
    found = learned_figures(network)
    assert found.pop("tau/plif") == pytest.approx(4.0)
    assert found == {"scale/shift": 1.0, "scale_low/shift": 0.5, "scale_high/shift": 1.5}


def test_a_scale_is_the_one_that_is_used():
    # 0.7 is used as the power of two that is nearest on the logarithmic axis
    neuron = ShiftLIF(2, scale=0.7, scale_power_of_two=True)
    network = Network({"in": nn.Linear(1, 1), "n": neuron}, input_shape=(1,))
    assert learned_figures(network) == {"scale/n": 0.5}


def test_the_history_follows_the_scales_of_the_network(dataset, config):
    data = make_data(dataset, 2)
    network = initial_network(config.model_copy(update={"model": "conv1d"}), data)
    start = learned_figures(network)
    trained = train(network, data, config, progress=False)
    kept = trained.history[trained.best_epoch - 1]
    found = learned_figures(network)
    assert len(found) == 3
    assert {name: kept[name] for name in found} == found
    assert found != start


def test_epochs_of_an_earlier_version_leave_cells_empty():
    text = history_csv([{"epoch": 1.0, "val/loss": 2.0}, {"epoch": 2.0, "val/loss": 1.0, "scale/n": 0.5}])
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert rows == [
        {"epoch": "1", "val/loss": "2.0", "scale/n": ""},
        {"epoch": "2", "val/loss": "1.0", "scale/n": "0.5"},
    ]
