"""What the sections about layers say of networks small enough to compute by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.network import Network
from shiftlif.neuron import QBLIF, IntLIF, ShiftLIF
from shiftlif.report.alphabets import alphabets, with_size
from shiftlif.report.exactness import exactness
from shiftlif.report.letters import letters
from shiftlif.report.membranes import membranes
from shiftlif.report.operations import operations
from shiftlif.report.raster import raster, telling
from shiftlif.report.recordings import recordings, shown_samples
from shiftlif.report.section import Facts
from shiftlif.report.trials import Trial, alike, answer, labels, tradeoff, trial_table
from shiftlif.report.wording import key_of, letter_name, number, percent, unit_name
from tests.report.made import block, evidence_of

SAMPLES = [[0], [1], [2], [5]]


def one_neuron(weight, bias=None, neuron=lambda: IntLIF(2, tau=1.0)):
    """At tau 1 the membrane is the current; the letters 0, 1 and 2 begin at 0.5 and 1.5."""
    net = Network({"in": nn.Linear(1, 1), "n": neuron(), "out": nn.Linear(1, 2)}, input_shape=(1,))
    net.layers["in"].weight.data.fill_(weight)
    net.layers["in"].bias.data.fill_(0.0 if bias is None else bias)
    return net


def first(sections):
    return next(iter(sections))


# ---- recordings


def test_membranes_and_letters_of_both_networks_are_recorded_before_the_reset(tmp_path):
    seen = recordings(evidence_of(one_neuron(1.0), SAMPLES, [0, 1, 0, 1], tmp_path))
    (layer,) = seen.layers
    assert layer.original.membranes.tolist() == [0, 1, 2, 5]
    assert layer.integer.membranes == pytest.approx([0, 1, 2, 5])
    assert layer.original.counts.tolist() == layer.integer.counts.tolist() == [[1, 1, 2]]
    assert layer.drive.source == "in"
    assert (seen.steps, seen.samples) == (1, 4)


def test_a_membrane_that_lasts_is_recorded_at_every_step(tmp_path):
    # no leak by the input: H = V / 2 + I, letters are subtracted. I = 0.25: 0.25, 0.375, 0.4375, then 0.46875
    net = one_neuron(0.25, neuron=lambda: IntLIF(2, tau=2.0, decay_input=False))
    (layer,) = recordings(evidence_of(net, [[1]], [0], tmp_path, steps=4)).layers
    assert layer.original.membranes.tolist() == [0.25, 0.375, 0.4375, 0.46875]
    assert layer.integer.membranes == pytest.approx([0.25, 0.375, 0.4375, 0.46875], abs=0.01)
    assert layer.drive.lasting == 2.0


def test_letters_and_membranes_shown_are_those_of_their_samples(tmp_path):
    evidence = evidence_of(one_neuron(1.0), [[0], [1], [2], [5]] * 30, [0, 1, 0, 1] * 30, tmp_path)
    seen = recordings(evidence)
    (layer,) = seen.layers
    assert seen.shown.tolist() == list(range(0, 40, 2)) + list(range(1, 40, 2))
    expected = np.array([[0, 2], [1, 5]])  # samples of class 0 are 0 and 2, of class 1 they are 1 and 5
    assert (
        layer.original.charges[0, :, 0].tolist()
        == np.repeat(expected, 10, 0).reshape(2, 10, 2).ravel().tolist()
    )
    assert layer.original.letters[0, :20, 0].tolist() == [0, 2] * 10


def test_rasters_show_classes_in_turn_and_in_order():
    labels = np.array([2, 2, 0, 1, 0, 2])
    assert shown_samples(labels, 8).tolist() == [2, 4, 3, 0, 1]
    assert shown_samples(labels, 40).tolist() == [2, 3, 0]
    assert shown_samples(labels, 1000).tolist() == [2]
    assert shown_samples(np.arange(40) % 20, 100).tolist() == [0]


# ---- membranes


def test_shares_of_the_membrane_by_hand(tmp_path):
    section = first(membranes(evidence_of(one_neuron(1.0), SAMPLES, [0, 1, 0, 1], tmp_path)))
    assert section.layer == "n"
    assert section.answer == (
        "25 % of the membranes of n stay below the first boundary (0.5) and send nothing; 50 % lie at or above "
        "the top "
        "boundary (1.5) and get the largest letter 2. The letters cover 75 % of it: 25 % lie beyond the largest "
        "letter "
        "(2) itself and are cut off."
    )
    rows = block(section, "membrane-histogram").rows
    bins = [row for row in rows if row["kind"] == "bin"]
    assert len(bins) == 80
    assert sum(row["float"] for row in bins) == pytest.approx(1, abs=1e-4)
    assert sum(row["integer"] for row in bins) == pytest.approx(1, abs=1e-4)
    assert [row["float"] for row in bins if row["from"] <= 1 < row["to"]] == [0.25]
    rules = [(row["at"], row["letter"], row["float"]) for row in rows if row["kind"] == "boundary"]
    assert rules == [(0.5, "1", 0.25), (1.5, "2", 0.5)]


def test_a_layer_with_weights_too_small_is_silent_and_says_so(tmp_path):
    section = first(membranes(evidence_of(one_neuron(0.01), SAMPLES, [0, 1, 0, 1], tmp_path)))
    assert section.answer.startswith(
        "n never sends a letter. Its membrane is at most 0.05, and 99 % of it lie below 0.0491; the first "
        "boundary is "
        "0.5, 10.2 times as much. What arrives is too weak: in brings no more than 0.0491 (99 % of the currents "
        "without "
        "bias), and a lasting current of 0.5 is what a letter needs."
    )
    bins = [row for row in block(section, "membrane-histogram").rows if row["kind"] == "bin"]
    assert bins[-1]["to"] == pytest.approx(0.625), (
        "the picture ends just above the boundary it does not reach"
    )


def test_a_layer_held_down_by_its_bias_says_so(tmp_path):
    section = first(membranes(evidence_of(one_neuron(1.0, bias=-8.0), SAMPLES, [0, 1, 0, 1], tmp_path)))
    assert "Its bias holds it down (median −8): its inputs alone would bring up to 4.91" in section.answer


def test_a_layer_behind_a_silent_one_says_that_nothing_arrives(tmp_path):
    names = {"in": nn.Linear(1, 1), "n": IntLIF(2), "mid": nn.Linear(1, 1), "m": IntLIF(2)}
    net = Network({**names, "out": nn.Linear(1, 2)}, input_shape=(1,))
    for name, weight, bias in (("in", 1.0, -100.0), ("mid", 1.0, 0.1)):
        net.layers[name].weight.data.fill_(weight)
        net.layers[name].bias.data.fill_(bias)
    second = membranes(evidence_of(net, SAMPLES, [0, 1, 0, 1], tmp_path, steps=2))[1]
    assert "Nothing arrives: all inputs of mid are 0, because n never sends a letter." in second.answer


def test_a_nearly_silent_layer_says_why_too(tmp_path):
    # one sample of a hundred reaches the boundary of 0.5: 1 % of the emissions
    samples = [[1]] * 99 + [[100]]
    section = first(membranes(evidence_of(one_neuron(0.01), samples, [0, 1] * 50, tmp_path)))
    assert section.answer.startswith(
        "n is nearly silent (1 % of its emissions). Its membrane is at most 1, and 90 % of it lie below 0.01; the "
        "first boundary is 0.5, 50 times as much. What arrives is too weak: in brings no more than 0.01 "
        "(90 % of the currents"
    )
    assert "cover" not in section.answer


def test_neurons_that_never_speak_are_counted_and_explained(tmp_path):
    net = Network({"in": nn.Linear(1, 3), "n": IntLIF(2, tau=1.0), "out": nn.Linear(3, 2)}, input_shape=(1,))
    net.layers["in"].weight.data = torch.tensor([[1.0], [0.25], [0.25]])
    net.layers["in"].bias.data = torch.tensor([0.0, -4.0, 0.0])
    section = first(membranes(evidence_of(net, SAMPLES, [0, 1, 0, 1], tmp_path)))
    # currents of the second neuron: -4, -3.75, -3.5 and -2.75
    assert (
        "1 of its 3 neurons never speaks. The highest of their membranes in the samples of the raster is −2.75; the "
        "first boundary is 0.5. Their bias holds them down (median −4, of the others 0)."
    ) in section.answer
    assert "cover" not in section.answer


# ---- letters and rasters


def test_letters_dead_and_saturated_neurons_by_hand(tmp_path):
    net = Network({"in": nn.Linear(1, 3), "n": IntLIF(2, tau=1.0), "out": nn.Linear(3, 2)}, input_shape=(1,))
    net.layers["in"].weight.data = torch.tensor([[1.0], [0.0], [0.25]])
    net.layers["in"].bias.data = torch.tensor([0.0, 0.0, 2.0])
    section = first(letters(evidence_of(net, SAMPLES, [0, 1, 0, 1], tmp_path)))
    # letters 0 1 2 2, then 0 at all samples, then 2 at all samples: 7 of 12 are none, 6 of 12 are the largest
    assert section.answer == (
        "A neuron of n sends a letter in 58 % of its steps, most often 2. In 4 samples 1 neuron of 3 never spoke, "
        "1 neuron always sent the largest letter."
    )
    usage = block(section, "letter-usage").rows
    assert [row["times"] for row in usage if row["network"] == "float"] == [5, 1, 6]
    rates = block(section, "neuron-rates").rows
    assert [(row["rate"], row["dead"]) for row in rates] == [(0.75, 0), (0.0, 1), (1.0, 0)]
    facts = dict(next(b for b in section.blocks if isinstance(b, Facts)).pairs)
    assert facts["neurons that never speak, always at the top (integer)"] == "1, 1"


def test_a_raster_shows_the_letter_of_each_sample(tmp_path):
    section = first(raster(evidence_of(one_neuron(1.0), SAMPLES, [0, 1, 0, 1], tmp_path)))
    rows = block(section, "raster-chart").rows
    found = [(row["sample"], row["letter"], row["membrane"]) for row in rows]
    assert [(s, q) for s, q, _ in found] == [("a", "0"), ("a (2)", "2"), ("b", "1"), ("b (2)", "2")]
    assert [u for _, _, u in found] == pytest.approx([0, 2, 1, 5], abs=0.05)


@pytest.mark.parametrize(("name", "angle"), [("sitting", 0), ("walking_downstairs", -90)])
def test_titles_wider_than_their_panel_stand_upright(tmp_path, name, angle):
    evidence = evidence_of(one_neuron(1.0), SAMPLES, [0, 0, 1, 1], tmp_path, steps=4)
    named = replace(evidence, data=replace(evidence.data, classes=("lying", name)))
    # four panels of 4 steps, 40 pixels each: 160 pixels, enough for "sitting (2)" but not for 22 characters
    spec = block(first(raster(named)), "raster-chart").spec
    assert spec["spec"]["width"] == 160
    assert spec["facet"]["column"]["header"]["labelAngle"] == angle


def test_the_neurons_chosen_for_a_raster_are_those_that_differ_between_samples():
    same = [[3, 0, 1, 0, 2]] * 2  # two steps; of samples 0 and 1 neurons 1 and 3 differ most
    letters_ = np.array([[a, b] for a, b in zip(same, [[3, 3, 1, 2, 1]] * 2, strict=True)], np.uint8)
    assert telling(letters_, 2).tolist() == [1, 3]
    assert sorted(telling(letters_, 9).tolist()) == [0, 1, 2, 3, 4]


# ---- other letters


def test_another_size_keeps_the_largest_letter_where_it_was():
    shift, count = (
        Network({"in": nn.Linear(1, 1), "n": neuron, "out": nn.Linear(1, 2)}, input_shape=(1,))
        for neuron in (ShiftLIF(3, scale=0.5), QBLIF(4, scale=0.5))
    )
    for network, size, scale in ((shift, 1, 0.5), (count, 2, 1.0)):
        changed = with_size(network, size)
        assert changed.layers["n"].scale.item() == scale
        assert changed.layers["n"].alphabet.levels[-1] * scale == (0.5 if network is shift else 2.0)
        assert network.layers["n"].scale.item() == 0.5, "the run's own network is left as it is"


def test_fewer_letters_cost_what_they_cost_by_hand(tmp_path):
    # Class b wins where the letter of x / 8 is larger than 0.2.
    net = one_neuron(0.125, neuron=lambda: ShiftLIF(3, tau=1.0))
    net.layers["out"].weight.data = torch.tensor([[0.0], [1.0]])
    net.layers["out"].bias.data = torch.tensor([0.2, 0.0])
    section = alphabets(evidence_of(net, [[0], [1], [2], [5]], [0, 0, 1, 1], tmp_path))
    rows = {row["letters"]: row for row in block(section, "alphabets-trials").rows}
    assert list(rows) == ["as trained (K=3)", "K=0", "K=1", "K=2", "K=4", "K=5"]
    # currents 0, 1/8, 1/4, 5/8: letters 0, 1/8, 1/4, 1/2; with K = 1 they are 0, 0, 1/2, 1/2, with K = 0 0, 0, 0, 1
    assert rows["as trained (K=3)"]["accuracy %, not retrained"] == 100.0
    assert rows["K=1"]["accuracy %, not retrained"] == 100.0
    assert rows["K=0"]["accuracy %, not retrained"] == 75.0
    assert rows["K=0"]["letters per neuron and step"] == 0.25
    assert rows["as trained (K=3)"]["letters per neuron and step"] == 0.75
    # with K = 2 the current 1/8 reaches the first boundary, and its letter 1/4 is larger than 0.2
    assert rows["K=2"]["accuracy %, not retrained"] == 75.0
    assert section.answer.startswith(
        "As trained, with K=3, 100.0 % of 4 validation samples are answered right; without retraining, K=0, K=1, K=2, "
        "K=4 and K=5 reach 75.0 % to 100.0 %: these samples are too few to tell which is best."
    )


def test_the_best_other_choice_is_named_and_training_advised_only_where_something_is_lost():
    trained, fewer, more = (
        Trial(size, right, adds, 0.5) for size, right, adds in ((None, 0.8, 100), (2, 0.8, 90), (4, 0.9, 150))
    )
    assert answer("K", [3], [trained, fewer, more], 256) == (
        "The best other choice is K=4: without retraining, 90.0 % of 256 validation samples are answered right instead "
        "of 80.0 % with K=3 as trained, with 50 % more additions. With K=2 in every layer (fewer letters) it is 80.0 "
        "%, with 10 % fewer additions."
    )


def test_choices_that_the_samples_cannot_tell_apart_are_not_ranked():
    trials = [Trial(size, 1.0, adds, 0.5) for size, adds in ((None, 100), (0, 60), (2, 90), (4, 150))]
    assert answer("K", [3], trials, 21) == (
        "As trained, with K=3, 100.0 % of 21 validation samples are answered right; without retraining, K=0, K=2 and "
        "K=4 reach 100.0 %: these samples are too few to tell which is best. The cheapest of them is K=0, with 40 % "
        "fewer additions."
    )
    worse = [Trial(None, 1.0, 100, 0.5), Trial(2, 0.5, 90, 0.5), Trial(4, 1.0, 150, 0.5)]
    assert answer("K", [3], worse, 21) == (
        "As trained, with K=3, 100.0 % of 21 validation samples are answered right; without retraining, K=4 reaches "
        "100.0 %: these samples are too few to tell which is best. With K=2 in every layer (fewer letters) it is "
        "50.0 %, with 10 % fewer additions. Training with other letters would usually do better than that."
    )
    lost = [Trial(None, 0.9, 100, 0.5), Trial(1, 0.5, 80, 0.5), Trial(2, 0.5, 90, 0.5)]
    assert answer("K", [3], lost, 100).startswith(
        "The best other choice is K=1 (K=2 too, as far as these samples can tell): without retraining, 50.0 % of 100 "
    )
    for found in (trials, worse, lost):
        assert "best" not in trial_table("K", found, [3]).reading


def test_accuracies_are_alike_within_their_standard_error():
    # 100 samples: shares of 91/102 and 81/102, errors sqrt(0.00096 + 0.00163) = 0.051
    trials = [Trial(None, share, None, None) for share in (0.9, 0.84, 0.8)]
    assert alike(trials[0], trials[1], 100) is False
    assert alike(trials[1], trials[2], 100) is True
    # 21 of 21 is 22/23: sqrt(2 x 0.0416 / 21) = 0.063, and 20 of 21 is 0.048 less
    assert alike(Trial(None, 1.0, None, None), Trial(None, 20 / 21, None, None), 21) is True
    assert alike(Trial(None, 1.0, None, None), Trial(None, 18 / 21, None, None), 21) is False


def test_the_axis_of_equal_accuracies_is_wide_enough_for_ticks():
    (chart,) = tradeoff("K", [Trial(size, 1.0, adds, 0.5) for size, adds in ((None, 100), (0, 60), (4, 150))])
    assert chart.spec["encoding"]["y"]["scale"]["domain"] == [0.9, 1.0]
    (chart,) = tradeoff(
        "K", [Trial(size, share, 9, 0.5) for size, share in ((None, 0.9), (0, 0.3), (4, 0.8))]
    )
    assert chart.spec["encoding"]["y"]["scale"]["domain"] == [0.3, 0.9]


def test_points_that_lie_on_each_other_have_one_label():
    rows = [
        {"letters": name, "kind": kind, "accuracy": accuracy, "additions": adds}
        for name, kind, accuracy, adds in (
            ("as trained", "as trained", 0.9, 100),
            ("K=1", "not retrained", 0.5, 50),
            ("K=4", "not retrained", 0.9, 101),
            ("K=5", "not retrained", 0.9, 102),
        )
    ]
    assert labels(rows) == ["as trained", "K=1", "K=4, K=5", ""]


# ---- exactness and operations


def test_agreement_is_said_and_a_difference_is_the_finding(tmp_path):
    evidence = evidence_of(one_neuron(1.0), SAMPLES, [0, 1, 0, 1], tmp_path)
    section = exactness(evidence)
    assert "On 4 samples every letter and every membrane" in section.answer
    words = "layer n, step 0, sample 2, channel 0: letter is 2 in the program and 1 in the engine"
    broken = exactness(replace(evidence, proof=None, difference=words))
    assert f"But the integer program is not what was prepared: {words}." in broken.answer
    table = block(section, "exactness-layers").rows
    assert [row["same letter"] for row in table] == [1.0]
    assert [row["distance of letters"] for row in table] == [0.0]


def test_samples_that_only_one_network_answers_right_are_counted(tmp_path):
    evidence = evidence_of(one_neuron(1.0), SAMPLES, [0, 0, 1, 1], tmp_path)
    scores = np.array([[1.0, 0], [1, 0], [0, 1], [1, 0]])  # right, right, right, wrong
    facts = exactness(replace(evidence, scores=scores, answers=np.array([0, 1, 1, 1]))).blocks[0]
    assert dict(facts.pairs) == {
        "same class, float and integer": "2 of 4",
        "right, float": "3 (75.0 %)",
        "right, integer": "3 (75.0 %)",
        "right in float only": "1",
        "right as integers only": "1",
    }


def test_operations_are_those_of_the_cost_and_shares_add_up(tmp_path):
    evidence = evidence_of(one_neuron(1.0), SAMPLES, [0, 1, 0, 1], tmp_path)
    section = operations(evidence)
    rows = block(section, "operations-counts").rows
    assert sum(row["amount"] for row in rows if row["part"] == "additions") == evidence.cost.totals["adds"]
    for part in ("additions", "comparisons"):
        assert sum(row["share"] for row in rows if row["part"] == part) == pytest.approx(1, abs=1e-4)
    # 0, 1, 2 and 5 have 0, 1, 1 and 2 binary digits, and each meets one weight
    assert [row["amount"] for row in rows if (row["operation"], row["part"]) == ("in", "additions")] == [1.0]
    # weights: 1 and 2 bytes; tables: 1 bias, 2 thresholds, 3 resets, 3 letters, then 2 biases; state: 2 sums
    table = {row["operation"]: row for row in block(section, "operations-table").rows}
    assert (table["in"]["bytes of weights"], table["out"]["bytes of weights"]) == (1, 2)
    assert (table["n"]["bytes of tables"], table["readout"]["bytes of tables"]) == (36, 8)
    assert table["readout"]["bytes of membranes and sums"] == 8


# ---- words


def test_numbers_are_written_without_false_precision():
    shares = [percent(share) for share in (0, 0.00004, 0.0004, 0.004, 0.25, 0.996, 0.99996, 1)]
    assert shares == ["0 %", "under 0.01 %", "0.04 %", "0.4 %", "25 %", "99.6 %", "over 99.99 %", "100 %"]
    assert [number(v) for v in (0.0625, 12345.6, -8.0, 1 / 3, float("inf"))] == [
        "0.0625",
        "12,346",
        "−8",
        "0.333",
        "unbounded",
    ]
    assert [letter_name(q) for q in (0.0, 0.125, -0.5, 3.0)] == ["0", "1/8", "−1/2", "3"]
    assert unit_name(13, (2, 3, 4)) == "channel 1 at (0, 1)"
    assert unit_name(13, (20,)) == "neuron 13"
    assert key_of("letters", 2, "Res.Conv_1") == "letters-2-res-conv-1"
