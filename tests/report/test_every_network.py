"""The sections about layers can be made of every kind of network, and hold what the page needs."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.network import Network
from shiftlif.neuron import GLIF, IF, NILIF, PLIF, QuantReLU, ShiftLIF
from shiftlif.report.alphabets import alphabets
from shiftlif.report.exactness import exactness
from shiftlif.report.graph import graph
from shiftlif.report.letters import letters
from shiftlif.report.membranes import membranes
from shiftlif.report.operations import operations
from shiftlif.report.raster import raster
from shiftlif.report.scales import scales
from tests.quantize.networks import ALPHABETS, build, randomise
from tests.report.made import check, evidence_of, sections_of

ALL = (scales, membranes, letters, raster, alphabets, exactness, operations, graph)


def made(evidence):
    found = [section for make in ALL for section in sections_of(make(evidence))]
    json.dumps([vars(b) if hasattr(b, "key") else str(b) for s in found for b in s.blocks], allow_nan=False)
    return found


def samples(shape, count=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-60, 60, (count, *shape)), np.arange(count) % 3


def dense(neuron):
    torch.manual_seed(0)
    net = Network(nn.Linear(5, 40), neuron(), nn.Linear(40, 7), neuron(), nn.Linear(7, 3), input_shape=(5,))
    return randomise(net, 1)


@pytest.mark.parametrize("alphabet", ["binary", "shift3", "signedshift2"])
@pytest.mark.parametrize("kind", ["conv1d", "residual"])
def test_networks_of_every_kind(kind, alphabet, tmp_path):
    network = build(kind, ALPHABETS[alphabet])
    x, y = samples(network.input_shape)
    found = made(evidence_of(network, x, y, tmp_path, steps=3))
    check(found)
    neurons = [name for name, layer in network.stateful_layers()]
    assert [s.layer for s in found if s.key.startswith("membrane")] == neurons


@pytest.mark.parametrize(
    "neuron",
    [
        lambda: ShiftLIF(2, learnable_scale=False, scale=4.0),
        lambda: QuantReLU(8),
        lambda: NILIF(4),
        lambda: IF(scale=3.0),
        lambda: ShiftLIF(3, scale_power_of_two=True, tau=4.0, decay_input=False),
    ],
    ids=["fixed scale", "128 letters", "input gain", "no leak", "decay apart"],
)
def test_neurons_of_every_kind_at_one_step(neuron, tmp_path):
    x, y = samples((5,))
    check(made(evidence_of(dense(neuron), x, y, tmp_path, steps=1)))


def test_samples_with_frames_of_their_own(tmp_path):
    x, y = samples((6, 5))  # six steps of five channels
    found = made(evidence_of(dense(lambda: ShiftLIF(2)), x, y, tmp_path, steps=6, temporal=True))
    check(found)


@pytest.mark.parametrize(
    "neuron", [lambda: GLIF(steps=3), lambda: PLIF(tau=3.0)], ids=["own dynamics", "odd tau"]
)
def test_a_network_that_cannot_be_compiled_shows_what_there_is(neuron, tmp_path):
    x, y = samples((5,))
    evidence = evidence_of(dense(neuron), x, y, tmp_path, steps=3)
    assert evidence.refusal
    found = made(evidence)
    check(found)
    by_key = {s.key: s for s in found}
    for key in ("operations", "graph", "exactness"):
        assert evidence.refusal in by_key[key].answer


def test_a_layer_whose_name_is_markup_and_one_that_looks_alike(tmp_path):
    names = {"in": nn.Linear(5, 4), "<b>": ShiftLIF(1), "mid": nn.Linear(4, 4), "_b_": ShiftLIF(1)}
    network = Network({**names, "out": nn.Linear(4, 3)}, input_shape=(5,))
    x, y = samples((5,))
    check(made(evidence_of(randomise(network, 0), x, y, tmp_path, steps=2)))
