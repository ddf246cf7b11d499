import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.compile import compile_network, convert, verify
from shiftlif.errors import CompileError, ConfigurationError, NetworkError, VerificationError
from shiftlif.network import Network, direct_code, readout
from shiftlif.neuron import LIF, IntLIF, ShiftLIF
from shiftlif.program import InputQuantizer, Neuron
from shiftlif.quantize import IntegerNeuron, QuantizedSynapse, absorb, prepare
from tests.quantize.networks import ALPHABETS, KINDS, build

CLASSES = ("a", "b", "c")


def _quantizer(network, exponent=5):
    channels = network.input_shape[0]
    return InputQuantizer(np.zeros(channels), np.ones(channels), exponent)


def _frames(network, samples, seed=0, steps=None):
    shape = (samples, *(() if steps is None else (steps,)), *network.input_shape)
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def _both(network, bits=8, steps=5):
    absorbed = absorb(network)
    quantizer = _quantizer(network)
    prepared = prepare(absorbed, input_exponent=quantizer.exponent, weight_bits=bits)
    return prepared, convert(prepared, quantizer=quantizer, classes=CLASSES, steps=steps)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize("kind", KINDS)
def test_prepared_network_and_program_agree_on_every_letter_and_membrane(kind, alphabet, bits):
    network = build(kind, alphabet, seed=1)
    prepared, program = _both(network, bits)
    frames = _frames(network, 12)
    verification = verify(prepared, program, frames)
    assert verification.samples == 12
    # Equality of silent layers would prove little.
    letters = program.run(frames, record=True).letters
    assert all((array != 0).any() for array in letters.values())
    assert verification.letters > 0
    assert verification.membranes > verification.letters


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(KINDS),
    st.sampled_from(sorted(ALPHABETS)),
    st.sampled_from([8, 4]),
    st.integers(0, 10**6),
    st.sampled_from([1.0, 2.0, 4.0, 16.0, math.inf]),
    st.booleans(),
    st.integers(1, 9),
    st.sampled_from([1.0, 2.0, 4 / 3, 0.5]),
)
def test_equality_holds_for_random_networks_leaks_input_rules_and_reset_gains(
    kind, name, bits, seed, tau, decay_input, steps, reset_gain
):
    options = {"tau": tau, "decay_input": decay_input and not math.isinf(tau), "reset_gain": reset_gain}
    network = build(kind, ALPHABETS[name], seed=seed, **options)
    prepared, program = _both(network, bits, steps)
    verify(prepared, program, _frames(network, 3, seed))


@pytest.mark.parametrize("alphabet", [Binary(), Ternary()])
@pytest.mark.parametrize("kind", KINDS)
def test_equality_holds_for_hard_reset(kind, alphabet):
    network = build(kind, alphabet, reset="hard")
    prepared, program = _both(network)
    assert all(neuron.reset == "hard" for neuron in program.neurons)
    verify(prepared, program, _frames(network, 8))


def test_a_reset_gain_multiplies_the_reset_table_of_the_program():
    network = build("dense", Uniform(3), reset_gain=2.0)
    _, program = _both(network)
    for neuron in program.neurons:
        # Boundaries of Uniform(3) are 1/2, 3/2, 5/2 and letters subtract 0, 2, 4, 6: rounding apart, by 4, 8/3, 12/5.
        ratio = neuron.resets[:, 1:] / neuron.thresholds
        assert np.allclose(ratio, [4, 8 / 3, 12 / 5], rtol=0.05)


def test_equality_holds_for_frames_that_change_at_every_step():
    network = build("conv2d", PowerOfTwo(3))
    prepared, program = _both(network)
    verification = verify(prepared, program, _frames(network, 6, steps=7))
    assert verification.steps == 7


def test_equality_holds_for_extreme_and_silent_inputs():
    network = build("dense", PowerOfTwo(3))
    prepared, program = _both(network)
    extremes = np.stack([np.full(network.input_shape, v, np.int8) for v in (-128, -1, 0, 1, 127)])
    verify(prepared, program, extremes)


def test_equality_holds_after_fine_tuning():
    network = build("residual", PowerOfTwo(2), detach_reset=True)
    prepared = prepare(absorb(network), input_exponent=5, weight_bits=4)
    prepared.train()
    optimizer = torch.optim.SGD([p for p in prepared.parameters() if p.requires_grad], lr=0.5)
    x = torch.from_numpy(_frames(network, 16)).float() / 32
    before = [p.detach().clone() for p in prepared.parameters()]
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(readout(prepared(direct_code(x, 4))), torch.arange(16) % 3).backward()
        optimizer.step()
    assert any(not torch.equal(p, b) for p, b in zip(prepared.parameters(), before, strict=True))
    program = convert(prepared, quantizer=_quantizer(network), classes=CLASSES, steps=4)
    verify(prepared, program, _frames(network, 12, seed=4))


def test_every_trained_number_of_a_prepared_network_receives_a_gradient():
    network = build("conv1d", Uniform(4))
    prepared = prepare(absorb(network), input_exponent=5)
    x = torch.from_numpy(_frames(network, 16)).float() / 32
    nn.functional.cross_entropy(readout(prepared(direct_code(x, 4))), torch.arange(16) % 3).backward()
    for name, parameter in prepared.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_int8_stays_close_to_the_absorbed_network():
    network = build("dense", PowerOfTwo(3), seed=5)
    absorbed = absorb(network)
    prepared = prepare(absorbed, input_exponent=5)
    x = direct_code(torch.from_numpy(_frames(network, 200)).float() / 32, 8)
    error = (readout(prepared(x)) - readout(absorbed(x))).abs().max()
    assert error < 0.1 * readout(absorbed(x)).abs().max()


def test_a_layer_whose_bound_exceeds_float32_is_computed_in_float64_and_still_agrees():
    torch.manual_seed(0)
    network = Network(nn.Linear(2000, 4), LIF(), nn.Linear(4, 3), input_shape=(2000,))
    prepared, program = _both(network)
    assert prepared.layers["linear1"].wide
    assert prepared.layers["lif1"].wide
    assert 2000 * 127 * 128 >= 2**24
    extremes = np.stack([np.full(2000, 127, np.int8), np.full(2000, -128, np.int8)])
    verify(prepared, program, np.concatenate([extremes, _frames(network, 4)]))


def test_reduced_precision_products_do_not_enter_the_evaluation():
    network = build("dense", PowerOfTwo(3))
    prepared, program = _both(network)
    torch.set_float32_matmul_precision("medium")
    try:
        verify(prepared, program, _frames(network, 8))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            verify(prepared, program, _frames(network, 8))
    finally:
        torch.set_float32_matmul_precision("highest")


def test_thresholds_are_the_boundaries_in_membrane_units_rounded_up():
    # Input unit 2^-5, weights 127 x delta with delta = 1/127, decayed input halves: unit = 2^-6 / 127.
    network = Network(nn.Linear(1, 1, bias=False), LIF(), nn.Linear(1, 1, bias=False), input_shape=(1,))
    nn.init.ones_(network.layers["linear1"].weight)
    nn.init.ones_(network.layers["linear2"].weight)
    program = compile_network(absorb(network), quantizer=_quantizer(network), classes=["a"], steps=2)
    (neuron,) = program.neurons
    assert neuron.leak_shift == 1
    assert neuron.current_shift == 0
    assert neuron.thresholds.tolist() == [[127 * 64]]
    assert neuron.resets.tolist() == [[0, 127 * 64]]
    result = program.run(np.array([[64]], np.int8), steps=2, record=True)
    # Input 64 / 32 = 2.0: current 64 * 127 = 8128 is exactly the threshold at the first step.
    assert result.letters["lif1"].flatten().tolist() == [1, 1]
    assert result.membranes["lif1"].flatten().tolist() == [0, 0]


@pytest.mark.parametrize("mutate", ["weight", "threshold", "reset", "bias"])
def test_a_mutated_program_is_caught(mutate):
    network = build("conv1d", PowerOfTwo(3), seed=2)
    prepared, program = _both(network)
    with torch.no_grad():
        neuron = next(layer for layer in prepared.layers.values() if isinstance(layer, IntegerNeuron))
        synapse = next(layer for layer in prepared.layers.values() if isinstance(layer, QuantizedSynapse))
        if mutate == "weight":
            flat = synapse.weight.view(-1)
            flat[0] += synapse.delta[0] * (2 if flat[0] < 0 else -2)
        elif mutate == "threshold":
            neuron.thresholds += 40
        elif mutate == "reset":
            neuron.resets[:, -1] += 1
        else:
            neuron.bias += 3 * neuron.unit
    with pytest.raises(
        VerificationError, match=r"layer \w+, step \d+, sample \d+, channel .*: (letter|membrane) is -?\d+"
    ):
        verify(prepared, program, _frames(network, 12))


def test_a_tau_that_is_no_power_of_two_is_refused_with_the_nearest():
    network = Network(nn.Linear(4, 4), ShiftLIF(tau=3.0), nn.Linear(4, 3), input_shape=(4,))
    with pytest.raises(CompileError, match=r"layer shiftlif1: tau is 3, .* tau 4"):
        prepare(absorb(network), input_exponent=5)


def test_a_network_that_was_not_prepared_is_refused():
    network = absorb(build("dense", Binary()))
    with pytest.raises(CompileError, match="prepare"):
        convert(network, quantizer=_quantizer(network), classes=CLASSES, steps=4)


def test_another_input_exponent_is_refused():
    network = build("dense", Binary())
    prepared = prepare(absorb(network), input_exponent=4)
    with pytest.raises(CompileError, match="exponent 4, the quantizer has 5"):
        convert(prepared, quantizer=_quantizer(network), classes=CLASSES, steps=4)


@pytest.mark.parametrize("bits", [2, 16, 8.5])
def test_other_weight_widths_are_refused(bits):
    with pytest.raises(ConfigurationError, match="weight_bits"):
        prepare(absorb(build("dense", Binary())), input_exponent=5, weight_bits=bits)


def test_verification_without_samples_is_refused():
    network = build("dense", Binary())
    prepared, program = _both(network)
    with pytest.raises(NetworkError, match="at least one"):
        verify(prepared, program, np.zeros((0, *network.input_shape), np.int8))


def test_membranes_use_sixteen_bits_where_that_is_proven():
    network = build("conv1d", Binary(), seed=1)
    _, program = _both(network, bits=4)
    widths = {op.membrane_bits for op in program.operations if isinstance(op, Neuron)}
    assert widths <= {16, 32}
    for op in program.neurons:
        bound = program.ranges[op.name].accumulator
        assert (op.membrane_bits == 16) == (bound < 2**15)


def test_verifying_a_network_that_was_not_prepared_says_what_to_pass():
    network = build("dense", Binary())
    _, program = _both(network)
    with pytest.raises(CompileError, match="pass what prepare"):
        verify(absorb(network), program, _frames(network, 2))


@pytest.mark.parametrize(
    "neuron",
    [
        IntLIF(2, tau=1),
        IntLIF(2, tau=2),
        IntLIF(2, tau=math.inf, decay_input=False),
        LIF(tau=2, reset="hard"),
    ],
)
def test_a_channel_that_only_its_bias_drives_sends_what_it_sends_in_the_float_network(neuron):
    network = Network(nn.Linear(1, 3), neuron, nn.Linear(3, 3), input_shape=(1,)).eval()
    with torch.no_grad():
        network.layers["linear1"].weight.copy_(torch.tensor([[1.0], [0.0], [0.0]]))
        network.layers["linear1"].bias.copy_(torch.tensor([0.0, 0.0, 3.0]))
    prepared, program = _both(network, steps=3)
    frames = _frames(network, 6)
    verify(prepared, program, frames)
    name = next(iter(program.run(frames, record=True).letters))
    sent = program.run(frames, record=True).letters[name]
    assert (sent[:, :, 1] == 0).all()
    alone = neuron(torch.full((3, 1, 1), 3.0)) / float(neuron.scale) * 2**neuron.alphabet.fraction_bits
    assert alone.flatten().tolist() == sent[:, 0, 2].tolist()
    assert (sent[:, :, 2] == sent[:, :1, 2]).all()
