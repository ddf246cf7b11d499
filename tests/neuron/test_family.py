"""The table of the family: every member computes its equation, and compiles or is refused as the table says."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.alphabet import Binary, Ternary, Uniform
from shiftlif.compile import convert, verify
from shiftlif.errors import CompileError, ConfigurationError
from shiftlif.network import Network, direct_code
from shiftlif.neuron import (
    FAMILY,
    IF,
    LIF,
    NEURONS,
    NILIF,
    PLIF,
    TLIF,
    BurstLIF,
    IntLIF,
    QuantReLU,
    SignedShiftLIF,
    SpikingNeuron,
)
from shiftlif.neuron.family import as_markdown
from shiftlif.program import InputQuantizer
from shiftlif.quantize import IntegerNeuron, absorb, prepare
from shiftlif.surrogate import Rectangle
from tests.quantize.networks import randomise

PAGE = Path(__file__).parents[2] / "docs" / "neurons.md"
STEPS = 4
WITH_STEPS = {"GLIF", "PSN"}


def _trace(neuron, currents):
    spikes, _, membranes = neuron.run(torch.tensor(currents).view(-1, 1, 1), None, record=True)
    return spikes.flatten().tolist(), membranes.flatten().tolist()


def test_if_adds_up_its_input():
    assert _trace(IF(), [0.5, 0.5, 0.25]) == ([0.0, 1.0, 0.0], [0.5, 0.0, 0.25])


def test_plif_leaks_with_its_learned_tau():
    # 1/tau = sigmoid(-log 3) = 1/4. H: 0.5, then 0.5 + (4 - 0.5) / 4 = 1.375 fires.
    spikes, membranes = _trace(PLIF(tau=4.0), [2.0, 4.0])
    assert spikes == [0.0, 1.0]
    assert membranes == pytest.approx([0.5, 0.375])


def test_tlif_clears_its_membrane_at_either_letter():
    # H: 1 fires up, V = 0; -0.5, kept; -0.25 - 0.875 = -1.125 fires down, V = 0.
    assert _trace(TLIF(), [1.0, -0.5, -0.875]) == ([1.0, 0.0, -1.0], [0.0, -0.5, 0.0])


def test_tlif_with_soft_reset_keeps_the_rest():
    assert _trace(TLIF(reset="soft"), [1.25, -1.25]) == ([1.0, -1.0], [0.25, -0.125])


def test_the_scale_of_tlif_is_its_amplitude():
    currents = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(TLIF(scale=2.0)(2 * currents), 2 * TLIF()(currents))


def test_nilif_is_intlif_in_units_of_its_largest_count():
    # IntLIF: H = 2.5 -> 3, V = -0.5, H = 9.75 -> 4, V = 5.75; a quarter of each.
    assert _trace(NILIF(L=4), [5.0, 20.0]) == ([0.75, 1.0], [-0.125, 1.4375])
    currents = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(0)) * 4
    assert torch.equal(NILIF(L=4)(currents) * 4, IntLIF(L=4)(currents))
    assert torch.allclose(NILIF(L=5)(currents) * 5, IntLIF(L=5)(currents))


def test_the_burst_neuron_emits_all_that_its_membrane_holds_up_to_its_limit():
    # 1.5 -> 1; 0.5 + 2 -> 2; 0.5 + 0.25 -> 0; 0.75 + 6.5 -> 2 of 7; 5.25 - 9 -> 0.
    currents = [1.5, 2.0, 0.25, 6.5, -9.0]
    assert _trace(BurstLIF(L=2), currents) == ([1.0, 2.0, 0.0, 2.0, 0.0], [0.5, 0.5, 0.75, 5.25, -3.75])


def test_signed_shiftlif_emits_negative_letters():
    # H = -0.75 lies on a boundary and takes the upper letter; then H = -0.125 - 1 / 2 ... nearest -1/2.
    assert _trace(SignedShiftLIF(K=2), [-1.5, -1.0]) == ([-0.5, -0.5], [-0.25, -0.125])


def test_quantrelu_rounds_clips_and_remembers_nothing():
    neuron = QuantReLU(bits=2, scale=0.5)
    # 1.4 steps -> 1; below 0 -> 0; 1.5 steps -> 2, half up; 10 steps -> 3.
    assert neuron(torch.tensor([0.7, -1.0, 0.75, 5.0]).view(4, 1, 1)).flatten().tolist() == [
        0.5,
        0.0,
        1.0,
        1.5,
    ]
    x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(neuron(x), torch.cat([neuron(row.unsqueeze(0)) for row in x]))


def test_quantrelu_has_the_gradients_of_lsq():
    scale = 0.5
    neuron = QuantReLU(bits=2, scale=scale)
    x = torch.tensor([[[0.7, -1.0, 5.0]]], requires_grad=True)
    neuron(x).sum().backward()
    assert x.grad.flatten().tolist() == [1.0, 0.0, 0.0]
    # round(v / s) - v / s = 1 - 1.4 inside, 0 below, Q = 3 above; times 1 / sqrt(N Q), N = 3.
    assert neuron.scale.grad.item() == pytest.approx((-0.4 + 0 + 3) / math.sqrt(3 * 3), rel=1e-5)


@pytest.mark.parametrize(("bits", "letters"), [(1, 2), (2, 4), (4, 16), (7, 128), (8, 128)])
def test_the_letters_of_quantrelu_follow_its_bits(bits, letters):
    assert QuantReLU(bits).alphabet == Uniform(letters - 1)


@pytest.mark.parametrize("bits", [0, 9, 2.0, True])
def test_quantrelu_refuses_other_widths(bits):
    with pytest.raises(ConfigurationError, match="bits must be a whole number from 1 to 8"):
        QuantReLU(bits)


@pytest.mark.parametrize(("kind", "option"), [(IF, {"tau": 2.0}), (PLIF, {"learnable_tau": False})])
def test_what_makes_a_member_what_it_is_cannot_be_set_otherwise(kind, option):
    with pytest.raises(ConfigurationError, match=f"{kind.__name__} has .* by definition"):
        kind(**option)
    assert isinstance(kind(**kind.fixed), kind)


def _make(name, **options):
    return FAMILY[name].neuron(*([STEPS] if name in WITH_STEPS else []), **options)


def _network(neuron, seed=0):
    torch.manual_seed(seed)
    network = Network(
        nn.Conv1d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm1d(6),
        neuron(),
        nn.MaxPool1d(2),
        nn.Conv1d(6, 5, 3, padding=1),
        neuron(),
        nn.Flatten(),
        nn.Linear(5 * 8, 3),
        input_shape=(3, 16),
    )
    return randomise(network, seed)


def _verify(network, bits=8):
    quantizer = InputQuantizer(np.zeros(3), np.ones(3), 5)
    prepared = prepare(absorb(network), input_exponent=5, weight_bits=bits)
    program = convert(prepared, quantizer=quantizer, classes=("a", "b", "c"), steps=STEPS)
    frames = np.random.default_rng(0).integers(-128, 128, (6, *network.input_shape), dtype=np.int8)
    result = verify(prepared, program, frames)
    letters = program.run(frames, record=True).letters
    assert all((array != 0).any() for array in letters.values())
    assert result.membranes > result.letters > 0


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", [name for name, member in FAMILY.items() if member.compiles == "exactly"])
def test_a_member_that_compiles_exactly_does(name, bits):
    _verify(_network(lambda: _make(name)), bits)


@pytest.mark.parametrize("name", [name for name, member in FAMILY.items() if member.compiles == "refused"])
def test_a_member_that_is_refused_is_refused_by_name_and_with_the_reason_of_the_table(name):
    network = _network(lambda: _make(name))
    pattern = rf"layer {name.lower()}1 \({name}\) cannot be compiled: {re.escape(FAMILY[name].note)}"
    with pytest.raises(CompileError, match=pattern):
        absorb(network)
    with pytest.raises(CompileError, match=pattern):
        prepare(network, input_exponent=5)


def test_the_one_member_on_condition_is_plif_and_rounding_its_tau_meets_it():
    assert [name for name, member in FAMILY.items() if member.compiles == "on condition"] == ["PLIF"]
    network = _network(PLIF)
    neurons = [layer for layer in network.modules() if isinstance(layer, PLIF)]
    for neuron in neurons:
        neuron.decay_logit.data.fill_(-0.9)
    with pytest.raises(CompileError, match=r"layer plif1: tau is 3\.45\d*, .* call round_tau\(\)"):
        _verify(network)
    assert [neuron.round_tau() for neuron in neurons] == [4.0, 4.0]
    assert [neuron.tau for neuron in neurons] == [4.0, 4.0]
    _verify(network)


def test_rounding_keeps_a_neuron_without_leak():
    neuron = IF()
    assert neuron.round_tau() == math.inf
    assert neuron.tau == math.inf


@pytest.mark.parametrize(("beta", "rounded"), [(0.9, 0.875), (0.5, 0.5), (0.3, 0.5), (0.05, 0.5)])
def test_rounding_keeps_a_neuron_that_subtracts_after_the_leak(beta, rounded):
    neuron = LIF(tau=1 / (1 - beta), decay_input=False, reset_gain=1 / beta)
    assert neuron.round_tau() == neuron.tau == 1 / (1 - rounded)
    assert neuron.reset_gain == 1 / rounded


@pytest.mark.parametrize(
    ("options", "tau"),
    [
        (
            {"tau": 10.0, "decay_input": False, "reset_gain": 2.0},
            8.0,
        ),  # not 1 / 0.9: chosen, not a late reset
        ({"tau": 10.0, "reset_gain": 1 / 0.9}, 8.0),  # its input is divided: no neuron of snnTorch
        ({"tau": 1.25, "decay_input": False}, 1.0),
    ],
)
def test_rounding_leaves_any_other_reset_gain_alone(options, tau):
    neuron = LIF(**options)
    before = neuron.reset_gain
    assert neuron.round_tau() == tau
    assert neuron.reset_gain == before


def test_equality_holds_for_a_ternary_neuron_with_either_reset_and_any_leak():
    for reset in ("hard", "soft"):
        for tau in (1.0, 4.0, math.inf):
            _verify(_network(lambda reset=reset, tau=tau: TLIF(reset=reset, tau=tau)), bits=4)


@pytest.mark.parametrize(
    "neuron",
    [lambda: NILIF(3), lambda: NILIF(4), lambda: IntLIF(reset_gain=2.0), lambda: TLIF(scale=0.7)],
    ids=["NILIF(3)", "NILIF(4)", "reset_gain", "TLIF"],
)
def test_absorbing_changes_nothing(neuron):
    network = _network(neuron)
    absorbed = absorb(network)
    assert all(n.input_gain == 1 for n in absorbed.modules() if isinstance(n, SpikingNeuron))
    x = direct_code(torch.randn(6, 3, 16, generator=torch.Generator().manual_seed(0)), STEPS)
    assert torch.allclose(absorbed(x), network(x), atol=1e-4)


def test_the_gradient_of_a_prepared_reset_follows_its_gain():
    unit = torch.full((1,), 1 / 64)
    neuron = IntegerNeuron(
        torch.zeros(1),
        unit,
        torch.full((1, 1), 64.0),
        torch.tensor([[0.0, 128.0]]),
        leak_shift=None,
        current_shift=0,
        alphabet=Binary(),
        surrogate=Rectangle(),
        reset="soft",
        detach_reset=False,
        reset_gain=2.0,
        bias_limit=1e6,
        wide=False,
    )
    # 64 emits 1 and subtracts 128; -64 + 96 = 32 emits 0. With g = 1 at both: dq2/di1 = (1 - 2) / 64.
    currents = torch.tensor([64.0, 96.0]).view(2, 1, 1).requires_grad_()
    letters, _, membranes = neuron.run(currents, None)
    assert letters.flatten().tolist() == [1.0, 0.0]
    assert membranes.flatten().tolist() == [-64.0, 32.0]
    letters[1].sum().backward()
    assert currents.grad.flatten().tolist() == [-1 / 64, 1 / 64]


class _Doubled(LIF):
    def run(self, currents, membrane, **options):
        return super().run(2 * currents, membrane, **options)


class _OwnTau(LIF):
    @property
    def tau(self):
        return 4.0


@pytest.mark.parametrize(("kind", "name"), [(_Doubled, "run"), (_OwnTau, "tau")])
def test_a_neuron_of_other_dynamics_is_never_compiled_as_the_mechanism(kind, name):
    with pytest.raises(CompileError, match=rf"layer {kind.__name__.lower()}1 .* defines {name} itself"):
        absorb(_network(kind))


def test_a_ternary_hard_reset_of_the_program_clears_for_every_letter_but_zero():
    network = Network(nn.Linear(1, 1, bias=False), TLIF(tau=1.0), nn.Linear(1, 1), input_shape=(1,))
    nn.init.ones_(network.layers["linear1"].weight)
    prepared = prepare(absorb(network.eval()), input_exponent=5)
    x = torch.tensor([2.0, -2.0, 0.5]).view(1, 3, 1)
    seen = []
    prepared(x, lambda observation: seen.append(observation))
    neuron = next(o for o in seen if o.name == "tlif1")
    assert neuron.outputs.flatten().tolist() == [1.0, -1.0, 0.0]
    assert [v == 0 for v in neuron.membranes.flatten().tolist()] == [True, True, False]
    assert neuron.layer.alphabet == Ternary()


def test_the_page_shows_the_table():
    text = PAGE.read_text(encoding="utf-8")
    start, end = "<!-- table: shiftlif.neuron.family.as_markdown() -->\n", "<!-- end of table -->"
    shown = text[text.index(start) + len(start) : text.index(end)]
    assert shown.strip() == as_markdown().strip(), "replace the table by what as_markdown() returns"


def test_the_names_of_the_table_are_those_of_configurations():
    assert list(NEURONS) == list(FAMILY)
    assert all(member.source and member.equation for member in FAMILY.values())
