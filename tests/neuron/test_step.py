import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.alphabet import PowerOfTwo, Uniform
from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.neuron import LIF, QBLIF, IntLIF, ShiftLIF, ShiftLIFNeuron, SpikingNeuron


def _trace(neuron, currents):
    spikes, _, membranes = neuron.run(torch.tensor(currents).view(-1, 1, 1), None, record=True)
    return spikes.flatten().tolist(), membranes.flatten().tolist()


def test_lif_integrates_half_of_the_input_fires_at_one_and_subtracts():
    # H: 0.75, then 0.75 + (1.5 - 0.75)/2 = 1.125 fires, V = 0.125, then 0.125 + 0.6875 = 0.8125.
    spikes, membranes = _trace(LIF(), [1.5, 1.5, 1.5])
    assert spikes == [0.0, 1.0, 0.0]
    assert membranes == [0.75, 0.125, 0.8125]


def test_without_decayed_input_the_whole_current_arrives():
    # H: 0.75, then 0.375 + 0.75 = 1.125 fires.
    spikes, membranes = _trace(LIF(decay_input=False), [0.75, 0.75])
    assert spikes == [0.0, 1.0]
    assert membranes == [0.75, 0.125]


def test_reset_gain_multiplies_what_a_soft_reset_subtracts():
    # H: 1.5 fires, V = 1.5 - 2 = -0.5, then -0.25 + 1.5 = 1.25 fires, V = -0.75.
    spikes, membranes = _trace(LIF(decay_input=False, reset_gain=2.0), [1.5, 1.5])
    assert spikes == [1.0, 1.0]
    assert membranes == [-0.5, -0.75]


def test_hard_reset_returns_to_zero():
    spikes, membranes = _trace(LIF(reset="hard"), [3.0, 1.0])
    assert spikes == [1.0, 0.0]
    assert membranes == [0.0, 0.5]


def test_a_neuron_without_leak_keeps_its_membrane():
    spikes, membranes = _trace(LIF(tau=math.inf, decay_input=False), [0.25, 0.25, 0.25, 0.25])
    assert spikes == [0.0, 0.0, 0.0, 1.0]
    assert membranes == [0.25, 0.5, 0.75, 0.0]


def test_shiftlif_emits_the_nearest_power_of_two_and_keeps_the_rest():
    # H = 0.75 lies on the boundary of 1 and 1/2: the upper letter; V = -0.25.
    spikes, membranes = _trace(ShiftLIF(K=2), [1.5, 0.0])
    assert spikes == [1.0, 0.0]
    assert membranes == [-0.25, -0.125]


def test_intlif_counts_and_saturates():
    spikes, membranes = _trace(IntLIF(L=4), [5.0, 20.0])
    assert spikes == [3.0, 4.0]
    assert membranes == [-0.5, 5.75]


def test_scale_multiplies_letters_and_boundaries():
    spikes, _ = _trace(QBLIF(L=4, scale=0.5), [1.0, 1.0])
    assert spikes == [0.5, 0.5]


def test_scale_per_channel_is_used_on_the_channel_axis():
    neuron = IntLIF(L=4, channels=2)
    neuron.scale.data = torch.tensor([1.0, 2.0])
    spikes = neuron(torch.full((1, 1, 2, 3), 8.0))
    assert spikes[0, 0].tolist() == [[4.0] * 3, [4.0] * 3]
    assert neuron(torch.full((1, 1, 2, 1), 16.0)).flatten().tolist() == [4.0, 8.0]


def test_power_of_two_constraint_holds_exactly_and_passes_the_gradient():
    neuron = ShiftLIF(scale_power_of_two=True, scale_range=(2**-8, 1.0))
    for raw, used in [(0.3, 0.25), (0.70, 0.5), (0.0001, 2**-8), (7.0, 1.0), (-3.0, 2**-8)]:
        neuron.scale.data.fill_(raw)
        assert neuron.effective_scale().item() == used
    neuron.effective_scale().sum().backward()
    assert neuron.scale.grad.item() == 1.0


def test_learnable_tau_starts_at_tau_and_receives_a_gradient():
    neuron = LIF(tau=4.0, learnable_tau=True)
    assert neuron.tau == pytest.approx(4.0)
    neuron(torch.rand(3, 2, 5) * 3).sum().backward()
    assert neuron.decay_logit.grad.abs().item() > 0


def test_a_module_keeps_no_state_between_calls():
    neuron = ShiftLIF()
    x = torch.rand(4, 2, 3)
    first = neuron(x)
    neuron(torch.rand(4, 7, 3))
    assert torch.equal(neuron(x), first)


@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 3))
def test_streaming_equals_the_sequence_call(steps, split, batch):
    torch.manual_seed(steps)
    neuron = ShiftLIF(K=2)
    x = torch.randn(steps, batch, 5) * 2
    spikes, _, membranes = neuron.run(x, None, record=True)
    v = torch.zeros(batch, 5)
    for t in range(steps):
        s, v = neuron.step(x[t], v)
        assert torch.equal(s, spikes[t])
        assert torch.equal(v, membranes[t])


def test_a_state_of_another_batch_size_is_refused_not_recreated():
    with pytest.raises(NetworkError, match=r"state has shape \(3, 5\).*\(2, 5\)"):
        ShiftLIF().run(torch.zeros(4, 2, 5), torch.zeros(3, 5))


def test_a_sequence_without_steps_is_refused():
    with pytest.raises(NetworkError, match="T >= 1"):
        ShiftLIF()(torch.zeros(0, 2, 5))


def test_the_old_neuron_steps_with_its_state_and_learns_its_scale():
    neuron = ShiftLIFNeuron(n_levels=4, tau=2.0, threshold=1.0)
    assert neuron.alphabet == Uniform(3)
    v = torch.zeros(2, 3)
    spikes, v_next = neuron(torch.full((2, 3), 2.0), v)
    # H = 1, s = 0.5 -> 2 levels of 0.5, V = 0.
    assert spikes.tolist() == [[1.0] * 3] * 2
    assert v_next.shape == v.shape
    assert v_next.abs().max() == 0
    neuron(torch.full((2, 3), 0.7), v)[0].sum().backward()
    assert neuron.scale.grad.abs().item() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 0.5}, "tau must be at least 1"),
        ({"tau": float("nan")}, "tau must be"),
        ({"tau": math.inf}, "decay_input=False"),
        ({"tau": 1.0, "learnable_tau": True}, "above 1"),
        ({"scale": 0.0}, "scale must lie"),
        ({"scale": 1e9}, "scale must lie"),
        ({"reset": "none"}, "'soft' or 'hard'"),
        ({"channels": 0}, "channels"),
        ({"reset_gain": 0.0}, "reset_gain must be positive"),
        ({"reset_gain": math.inf}, "reset_gain must be positive"),
        (
            {"scale": 0.6, "scale_range": (0.55, 0.7), "learnable_scale": True, "scale_power_of_two": True},
            "power of two",
        ),
    ],
)
def test_parameters_out_of_range_are_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        SpikingNeuron(PowerOfTwo(3), **options)


def test_hard_reset_of_a_multi_level_neuron_is_refused():
    with pytest.raises(ConfigurationError, match="Binary"):
        ShiftLIF(reset="hard")


def test_a_hard_reset_of_letters_that_change_elsewhere_than_ternary_ones_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"SignedUniform\(L=1, nearest\) .* boundaries \(-0\.5, 0\.5\); use"
    ):
        SpikingNeuron(Uniform(1, signed=True), reset="hard")
    assert (
        SpikingNeuron(Uniform(1, "floor", signed=True), reset="hard").reset == "hard"
    )  # Ternary by another name
    assert SpikingNeuron(Uniform(1), reset="hard").reset == "hard"


def test_a_reset_gain_of_a_hard_reset_is_refused():
    with pytest.raises(ConfigurationError, match="reset_gain must be 1 with a hard reset"):
        LIF(reset="hard", reset_gain=2.0)


@pytest.mark.parametrize("n_levels", [1, 129, 2.0, True])
def test_the_old_neuron_checks_its_number_of_levels(n_levels):
    with pytest.raises(ConfigurationError, match="n_levels"):
        ShiftLIFNeuron(n_levels=n_levels)


def test_a_step_with_a_membrane_of_another_shape_is_refused():
    with pytest.raises(NetworkError, match=r"membrane has shape \(3,\), the current \(2, 3\)"):
        ShiftLIFNeuron()(torch.zeros(2, 3), torch.zeros(3))
