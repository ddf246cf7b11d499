import numpy as np
import pytest
import torch

from shiftlif.errors import VerificationError
from shiftlif.quantize import absorb
from shiftlif.training import predict
from shiftlif.training.batches import make_data
from shiftlif.training.deployment import deploy, integer_answers, prepared_for, program_frames, strided
from shiftlif.training.fitting import initial_network
from shiftlif.training.loop import train
from tests.training.conftest import blobs


def trained(config, dataset, model, steps):
    config = config.model_copy(update={"model": model, "steps": steps, "epochs": 6})
    data = make_data(dataset, steps)
    network = initial_network(config, data)
    train(network, data, config, progress=False)
    return network, data, config


@pytest.mark.parametrize(("temporal", "bits", "qat_epochs"), [(False, 8, 0), (False, 4, 1), (True, 8, 0)])
def test_a_trained_network_becomes_a_program_that_equals_it(config, temporal, bits, qat_epochs):
    shape = (3, 1, 8, 8) if temporal else (2, 16)
    dataset = blobs(shape, temporal, n=(48, 16, 20))
    network, data, config = trained(config, dataset, "conv2d" if temporal else "conv1d", 3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = deploy(network, data, config, bits=bits, qat_epochs=qat_epochs, progress=False)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert made.verification.samples == 20
    assert made.verification.agreement == 1.0
    assert made.absorbed_agreement >= 0.95
    result = made.program.run(program_frames(data.frames("test"), temporal))
    scores = predict(made.prepared, data, "test").argmax(1).numpy()
    assert np.array_equal(result.predictions, scores)
    assert made.accuracy["integer"] == np.mean(result.predictions == dataset.y_test)
    assert made.program.metadata["temporal"] is temporal
    assert made.to_dict()["weight_bits"] == bits


def test_an_absorption_that_changes_the_network_is_refused(config, dataset, monkeypatch):
    network, data, config = trained(config, dataset, "conv1d", 2)
    other = initial_network(config.model_copy(update={"seed": 9}), data)
    monkeypatch.setattr("shiftlif.training.deployment.absorb", lambda _: other)
    with pytest.raises(VerificationError, match="absorbed network agrees"):
        deploy(network, data, config, progress=False)


def test_some_samples_are_verified_and_the_accuracy_is_that_of_all(config, dataset):
    network, data, config = trained(config, dataset, "conv1d", 2)
    whole = deploy(network, data, config, progress=False)
    some = deploy(network, data, config, progress=False, verify_samples=5)
    assert (whole.verification.samples, some.verification.samples) == (24, 5)
    assert some.accuracy == whole.accuracy
    assert some.integer_agreement == whole.integer_agreement


def test_chosen_samples_are_spread_evenly():
    assert strided(10, 4).tolist() == [0, 2, 5, 7]
    assert strided(3, 4).tolist() == strided(3, None).tolist() == [0, 1, 2]


def test_the_class_is_read_from_the_integer_sums(config, dataset):
    data = make_data(dataset, 2)
    network = initial_network(config.model_copy(update={"model": "conv1d"}), data)
    prepared = prepared_for(absorb(network), data, 8)
    readout = prepared.layers["readout"]
    with torch.no_grad():
        prepared.layers["linear1"].weight.zero_()
        # One unit apart where float32 has steps of four.
        readout.bias_limit = 2.0**26
        readout.bias.data = readout.bias.double()
        readout.bias.copy_(torch.tensor([2.0**25, 2.0**25 + 1], dtype=torch.float64) * readout.unit)
    assert set(predict(prepared, data, "test").argmax(1).tolist()) == {0}
    assert set(integer_answers(prepared, data, "test").tolist()) == {1}
