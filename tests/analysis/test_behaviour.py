import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from torch import nn

from shiftlif.analysis.behaviour import compare
from shiftlif.analysis.confidence import brier_score, expected_calibration_error, negative_log_likelihood
from shiftlif.analysis.distance import earth_movers_distance, sample_distance
from shiftlif.errors import DataError, NetworkError
from shiftlif.network import Network, direct_code
from shiftlif.neuron import IntLIF, ShiftLIF, SpikingNeuron
from shiftlif.quantize import absorb, prepare
from tests.quantize.networks import ALPHABETS, build, randomise


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- the earth mover's distance


def test_mass_times_way_by_hand():
    # half of the mass goes from 0 to 1, or the whole of it from 0 to 4
    assert earth_movers_distance(numbers(2, 0), numbers(1, 1), numbers(0, 1)) == 0.5
    assert earth_movers_distance(numbers(1, 0, 0), numbers(0, 0, 7), numbers(0, 1, 4)) == 4.0
    # power-of-two letters: a third of the mass from 1/2 to 1, a third from 0 to 1/4
    p, q = numbers(1, 1, 1, 0), numbers(0, 2, 0, 1)
    assert earth_movers_distance(p, q, numbers(0, 0.25, 0.5, 1)) == pytest.approx(0.25 / 3 + 0.5 / 3)
    assert sample_distance(numbers(0, 1), numbers(1, 3)) == 1.5
    assert sample_distance(numbers(0), numbers(0, 0, 3)) == 1.0


masses = st.lists(st.integers(0, 9), min_size=5, max_size=5).filter(any)
places = st.lists(st.integers(-20, 20), min_size=5, max_size=5, unique=True).map(sorted)
samples = st.lists(st.floats(-5, 5), min_size=1, max_size=9)


@given(masses, masses, masses, places)
def test_it_is_a_metric(a, b, c, x):
    a, b, c, x = numbers(*a), numbers(*b), numbers(*c), numbers(*x)
    there = earth_movers_distance(a, b, x)
    assert there == earth_movers_distance(b, a, x)
    assert earth_movers_distance(a, a, x) == 0
    assert (there > 1e-9) == (not torch.allclose(a / a.sum(), b / b.sum()))
    assert there <= earth_movers_distance(a, c, x) + earth_movers_distance(c, b, x) + 1e-9


@given(masses, masses, places)
def test_it_is_what_scipy_computes_for_weighted_positions(a, b, x):
    found = earth_movers_distance(numbers(*a), numbers(*b), numbers(*x))
    assert found == pytest.approx(wasserstein_distance(x, x, a, b), abs=1e-9)


@given(samples, samples)
def test_it_is_what_scipy_computes_for_samples(a, b):
    assert sample_distance(numbers(*a), numbers(*b)) == pytest.approx(wasserstein_distance(a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("p", "q", "x", "part"),
    [
        ((1,), (1, 1), (0, 1), "same length"),
        ((1, -1), (1, 1), (0, 1), "p must be finite, at least 0"),
        ((1, 1), (0, 0), (0, 1), "q must be finite, at least 0 and not all 0"),
        ((1, 1), (1, 1), (1, 0), "ascend"),
    ],
)
def test_what_is_no_distribution_is_refused(p, q, x, part):
    with pytest.raises(DataError, match=part):
        earth_movers_distance(numbers(*p), numbers(*q), numbers(*x))
    with pytest.raises(DataError, match="sets of 0 and 1"):
        sample_distance(numbers(), numbers(1))


# --- class scores


def scores_of(*confidences):
    """Two classes; class 0 gets the given probability."""
    p = numbers(*confidences)
    return torch.stack([p.log(), (1 - p).log()], 1)


def test_calibration_by_hand():
    logits, labels = scores_of(0.9, 0.9, 0.6, 0.2), torch.tensor([0, 1, 0, 1])
    # confidences 0.9 (right), 0.9 (wrong), 0.6 (right), 0.8 (right); bins of a fifth: (0.8, 1], (0.4, 0.6], (0.6, 0.8]
    by_hand = (abs(1 - 1.8) + abs(1 - 0.6) + abs(1 - 0.8)) / 4
    assert expected_calibration_error(logits, labels, bins=5) == pytest.approx(by_hand)
    # two bins of two: {0.6, 0.8} and {0.9, 0.9}
    adaptive = expected_calibration_error(logits, labels, bins=2, adaptive=True)
    assert adaptive == pytest.approx((abs(2 - 1.4) + abs(1 - 1.8)) / 4)
    expected = -(math.log(0.9) + math.log(0.1) + math.log(0.6) + math.log(0.8)) / 4
    assert negative_log_likelihood(logits, labels) == pytest.approx(expected)
    assert brier_score(logits, labels) == pytest.approx(2 * (0.01 + 0.81 + 0.16 + 0.04) / 4)


def test_a_network_that_knows_everything_is_perfectly_calibrated():
    logits, labels = 1e3 * torch.eye(3), torch.arange(3)
    for adaptive in (False, True):
        assert expected_calibration_error(logits, labels, adaptive=adaptive) == 0
    assert (negative_log_likelihood(logits, labels), brier_score(logits, labels)) == (0, 0)
    assert expected_calibration_error(logits, labels.flip(0), bins=10) == pytest.approx(2 / 3)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.booleans())
def test_calibration_lies_between_one_bin_and_single_samples(n, bins, adaptive):
    generator = torch.Generator().manual_seed(n)
    logits = torch.randn(n, 4, generator=generator)
    labels = torch.randint(0, 4, (n,), generator=generator)
    found = expected_calibration_error(logits, labels, bins=bins, adaptive=adaptive)
    coarse = expected_calibration_error(logits, labels, bins=1)
    fine = expected_calibration_error(logits, labels, bins=n, adaptive=True)
    assert coarse - 1e-9 <= found <= fine + 1e-9


def test_labels_and_scores_that_do_not_fit_are_refused():
    for call in (expected_calibration_error, negative_log_likelihood, brier_score):
        with pytest.raises(DataError, match="expected \\[N, classes\\]"):
            call(torch.zeros(2, 3), torch.zeros(1, dtype=torch.int64))
        with pytest.raises(DataError, match="from 0 to 2"):
            call(torch.zeros(2, 3), torch.tensor([0, 3]))
    with pytest.raises(DataError, match="bins is 0"):
        expected_calibration_error(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), bins=0)


# --- two networks


def pair(first, second, neuron=lambda: IntLIF(2, tau=1.0)):
    """One input goes to two neurons with the given weights; the read-out tells them apart."""
    made = []
    for weights in (first, second):
        net = Network(
            {"in": nn.Linear(1, 2, bias=False), "n": neuron(), "out": nn.Linear(2, 2, bias=False)},
            input_shape=(1,),
        )
        net.layers["in"].weight.data = torch.tensor(weights).view(2, 1)
        net.layers["out"].weight.data = torch.eye(2)
        made.append(net)
    return made


def test_two_small_networks_by_hand():
    # tau 1: a letter is the current rounded to 0, 1 or 2. Inputs 0, 1, 2 and 5, one step.
    original, quantised = pair([1.0, 0.0], [2.0, 0.6])
    x = torch.tensor([[0.0], [1.0], [2.0], [5.0]]).unsqueeze(0)
    found = compare(original, quantised, [x[:, :3], x[:, 3:]], torch.tensor([0, 0, 0, 1]))
    assert (found.samples, found.steps) == (4, 1)
    (layer,) = found.layers
    # letters of neuron 1: 0 1 2 2 against 0 2 2 2; of neuron 2: 0 0 0 0 against 0 1 1 2 (3.0 is cut to 2)
    assert (layer.name, layer.neurons, layer.levels) == ("n", 2, (0.0, 1.0, 2.0))
    assert layer.original.usage == (5 / 8, 1 / 8, 2 / 8)
    assert layer.quantised.usage == (2 / 8, 2 / 8, 4 / 8)
    assert (layer.original.events, layer.quantised.events) == (3 / 8, 6 / 8)
    assert (layer.original.dead, layer.quantised.dead) == (1, 0)
    assert layer.agreement == 4 / 8
    assert layer.step_agreement == (4 / 8,)
    # cumulative 5/8, 6/8 against 2/8, 4/8; rates 0, 3/4 against 3/4, 3/4
    assert layer.letter_distance == pytest.approx(3 / 8 + 2 / 8)
    assert layer.rate_distance == pytest.approx(3 / 8)
    # the answers are (letter of 1, letter of 2); ties go to class 0
    assert found.agreement == 1.0
    assert found.original.accuracy == found.quantised.accuracy == 3 / 4


def test_a_network_behaves_like_itself():
    network = build("conv1d", ALPHABETS["shift2log"])
    x = direct_code(torch.randn(5, 3, 23), 3)
    found = compare(network, network, [x, x])
    assert (found.agreement, found.original, found.quantised) == (1.0, None, None)
    assert len(found.layers) == 2
    for layer in found.layers:
        assert layer.original == layer.quantised
        assert (layer.letter_distance, layer.rate_distance, layer.membrane_distance) == (0, 0, 0)
        assert (layer.agreement, layer.step_agreement) == (1.0, (1.0, 1.0, 1.0))
        assert sum(layer.original.usage) == pytest.approx(1)


@pytest.mark.parametrize("alphabet", ["binary", "ternary", "uniform4", "shift3", "signedshift2"])
def test_scales_and_units_of_the_three_renderings_cancel(alphabet):
    # The absorbed network differs by float rounding only; int8 weights move letters a little, a wrong unit all of them.
    torch.manual_seed(0)
    network = randomise(build("dense", ALPHABETS[alphabet]), seed=1)
    absorbed = absorb(network)
    prepared = prepare(absorbed, input_exponent=5, weight_bits=8)
    x = direct_code((torch.randn(40, 3, 4) * 32).round().clamp(-128, 127) / 32, 3)
    same, near = compare(network, absorbed, [x]), compare(absorbed, prepared, [x])
    for layer in same.layers:
        assert layer.agreement > 0.99
        assert layer.membrane_distance < 0.02
    for layer in near.layers:
        assert layer.agreement > 0.85
        assert layer.letter_distance < 0.05 * layer.levels[-1]
        assert layer.membrane_distance < 0.05 * layer.levels[-1]
        assert layer.original.events > 0.05
    assert near.agreement >= 0.9


def test_coarser_weights_behave_less_like_the_original():
    torch.manual_seed(0)
    absorbed = absorb(randomise(build("dense", ALPHABETS["shift3"]), seed=2))
    x = direct_code((torch.randn(60, 3, 4) * 32).round().clamp(-128, 127) / 32, 3)
    fine, coarse = (
        compare(absorbed, prepare(absorbed, input_exponent=5, weight_bits=bits), [x]) for bits in (8, 4)
    )
    for a, b in zip(fine.layers, coarse.layers, strict=True):
        assert a.agreement > b.agreement


def test_saturated_neurons_and_the_membrane_are_seen():
    # letters 0 and 2 at every step against 1 and 0: firing always is not saturation
    original, quantised = pair([0.0, 9.0], [1.25, 0.0])
    found = compare(original, quantised, [torch.ones(2, 3, 1)])
    (layer,) = found.layers
    assert (layer.original.dead, layer.original.saturated) == (1, 1)
    assert (layer.quantised.dead, layer.quantised.saturated) == (1, 0)
    # membranes 0 and 7 (counted in the last bin, at 4) against 0.25 and 0; bins are 8 / 512 wide
    assert layer.membrane_distance == pytest.approx((4 - 0.25) / 2, abs=8 / 512)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 11))
def test_batches_add_up(cut):
    original, quantised = pair([1.0, 0.3], [0.8, 0.5], lambda: ShiftLIF(2))
    x = torch.randn(3, 12, 1, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 2
    whole = compare(original, quantised, [x], labels)
    assert compare(original, quantised, [x[:, :cut], x[:, cut:]], labels) == whole
    assert json.loads(json.dumps(whole.to_dict()))["layers"][0]["name"] == "n"


def test_the_mode_of_the_networks_is_left_as_it_was():
    original, quantised = pair([1.0, 0.0], [1.0, 0.0])
    quantised.eval()
    compare(original, quantised, [torch.ones(1, 2, 1)])
    assert (original.training, quantised.training) == (True, False)


def test_networks_and_data_that_do_not_fit_are_refused():
    original, quantised = pair([1.0, 0.0], [1.0, 0.0])
    x = torch.ones(2, 3, 1)
    with pytest.raises(DataError, match="got no batch"):
        compare(original, quantised, [])
    with pytest.raises(DataError, match="T=1 and the ones before T=2"):
        compare(original, quantised, [x, x[:1]])
    with pytest.raises(DataError, match="for 3 samples"):
        compare(original, quantised, [x], torch.zeros(4, dtype=torch.int64))
    _, other = pair([1.0, 0.0], [1.0, 0.0], lambda: IntLIF(3))
    with pytest.raises(NetworkError, match="layer n has the letters"):
        compare(original, other, [x])
    renamed = Network({"a": nn.Linear(1, 2), "m": SpikingNeuron(ALPHABETS["binary"])}, input_shape=(1,))
    with pytest.raises(NetworkError, match="neurons \\['n'\\]"):
        compare(original, renamed, [x])
