import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from shiftlif.compile import convert
from shiftlif.errors import ConfigurationError
from shiftlif.models import conv1d
from shiftlif.network import Network, Residual, direct_code
from shiftlif.neuron import LIF, TLIF, ShiftLIF, SignedShiftLIF
from shiftlif.program import InputQuantizer, measure
from shiftlif.quantize import absorb, prepare
from shiftlif.training import fit
from shiftlif.training.batches import make_data
from shiftlif.training.loop import train
from shiftlif.training.objective import classification_loss, distillation_loss
from shiftlif.training.rate import event_rate, has_letters
from shiftlif.training.synaptic import SynapticPenalty, connections
from shiftlif.training.teacher import load_teacher
from tests.training.conftest import blobs


def test_the_loss_answers_for_the_mean_or_for_every_step():
    # Step 1 is sure and right, step 2 sure and wrong: their mean is undecided.
    outputs = torch.tensor([[[4.0, 0.0]], [[0.0, 4.0]]])
    labels = torch.tensor([0])
    assert float(classification_loss(outputs, labels)) == pytest.approx(math.log(2))
    each = (math.log(1 + math.exp(-4)) + math.log(1 + math.exp(4))) / 2
    assert float(classification_loss(outputs, labels, per_step=1)) == pytest.approx(each)
    assert float(classification_loss(outputs, labels, per_step=0.25)) == pytest.approx(
        0.75 * math.log(2) + 0.25 * each
    )


@given(st.integers(1, 4), st.integers(1, 5), st.floats(0, 0.5), st.integers(0, 9))
def test_smoothing_acts_as_in_torch(steps, batch, smoothing, seed):
    torch.manual_seed(seed)
    outputs, labels = torch.randn(steps, batch, 3), torch.randint(3, (batch,))
    wanted = F.cross_entropy(outputs.mean(0), labels, label_smoothing=smoothing)
    torch.testing.assert_close(classification_loss(outputs, labels, smoothing=smoothing), wanted)


def test_the_distance_to_a_teacher_is_zero_where_nothing_is_left_to_learn():
    scores = torch.tensor([[2.0, 0.0, -1.0]])
    assert float(distillation_loss(scores + 5, scores, 2.0)) == pytest.approx(0, abs=1e-6)


def test_the_distance_to_a_teacher_has_its_literal_value():
    # Teacher 3/4 and 1/4, student even, temperature 1: KL = 3/4 ln(3/2) + 1/4 ln(1/2).
    teacher = torch.tensor([[math.log(3.0), 0.0]])
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(distillation_loss(torch.zeros(1, 2), teacher, 1.0)) == pytest.approx(wanted)
    softened = distillation_loss(torch.zeros(1, 2), 3 * teacher, 3.0)
    assert float(softened) == pytest.approx(9 * wanted)


def test_the_teacher_gets_no_gradient():
    teacher = torch.randn(2, 3, requires_grad=True)
    student = torch.randn(2, 3, requires_grad=True)
    distillation_loss(student, teacher, 2.0).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_connections_count_borders_stride_and_groups():
    assert connections(nn.Linear(3, 5), (3,)).tolist() == [5, 5, 5]
    assert connections(nn.Conv1d(1, 2, 3, padding=1), (1, 4)).tolist() == [[4, 6, 6, 4]]
    assert connections(nn.Conv1d(2, 4, 2, stride=2, groups=2), (2, 4)).tolist() == [[2] * 4] * 2


def penalty_of(network, x):
    penalty = SynapticPenalty(network)
    with penalty.watch() as arriving:
        network(x)
    return penalty.value(arriving, x)


def test_a_network_that_always_fires_costs_its_connections():
    network = Network(nn.Linear(2, 3), LIF(tau=1.0), nn.Linear(3, 4), input_shape=(2,))
    with torch.no_grad():
        network.layers["linear1"].bias.fill_(9.0)
    x = direct_code(torch.zeros(5, 2), steps=4)
    assert penalty_of(network, x).item() == pytest.approx(1.0)
    with torch.no_grad():
        network.layers["linear1"].bias.fill_(-9.0)
    assert penalty_of(network, x).item() == 0.0


def test_the_penalty_is_what_the_program_counts_behind_its_first_layer():
    torch.manual_seed(0)
    network = conv1d((2, 32), 3, lambda: ShiftLIF(2), width=4).eval()
    prepared = prepare(absorb(network), input_exponent=0)
    program = convert(prepared, quantizer=InputQuantizer.identity(2), classes=list("abc"), steps=3)
    frames = torch.randint(-60, 60, (6, 2, 32)).to(torch.int8)
    x = direct_code(frames.float(), steps=3)
    cost = measure(program, frames.numpy())
    behind = [layer for layer in cost.layers if layer.kind in ("Conv", "Linear")][1:]
    dense = sum(
        float(connections(layer, shape).sum())
        for layer, shape in zip(
            [layer for _, layer in prepared.named_layers() if hasattr(layer, "geometry")][1:],
            [(4, 16), (4, 8), (32,)],
            strict=True,
        )
    )
    counted = sum(layer.synaptic_operations for layer in behind) / (3 * dense)
    assert penalty_of(prepared, x).item() == pytest.approx(counted, rel=1e-5)


def test_following_the_gradient_of_the_penalty_lowers_it():
    torch.manual_seed(0)
    network = Network(nn.Linear(4, 8), ShiftLIF(2), nn.Linear(8, 2), input_shape=(4,))
    x = direct_code(torch.randn(40, 4), steps=2)
    first = penalty_of(network, x)
    first.backward()
    bias = network.layers["linear1"].bias
    assert bias.grad.min() >= 0
    with torch.no_grad():
        bias -= 2 * bias.grad / bias.grad.max()
    assert penalty_of(network, x).item() < first.item()


def test_a_penalty_without_a_neuron_to_quieten_is_refused():
    with pytest.raises(ConfigurationError, match="layer with weights behind a neuron"):
        SynapticPenalty(Network(nn.Linear(2, 2), input_shape=(2,)))


@pytest.mark.parametrize("neuron", [SignedShiftLIF(3), TLIF(), SignedShiftLIF(2, channels=5)], ids=str)
def test_no_penalty_on_letters_of_both_signs_asks_for_a_smaller_scale_which_would_send_more(neuron):
    torch.manual_seed(0)
    network = Network(nn.Linear(3, 5), neuron, nn.Linear(5, 2), input_shape=(3,))
    x = direct_code(torch.randn(200, 3) * 2, steps=2)

    def gradient(penalty):
        return torch.autograd.grad(penalty, neuron.scale)[0]

    def rates():
        seen = []
        network.run(x, observer=lambda o: seen.append(event_rate(o)) if has_letters(o) else None)
        return seen

    assert gradient(penalty_of(network, x)).max() < 0
    assert gradient(rates()[0]).max() < 0
    before = penalty_of(network, x).item()
    with torch.no_grad():
        neuron.scale *= 0.8
    assert penalty_of(network, x).item() > before


def test_a_penalty_on_positive_letters_leaves_the_scale_to_the_task():
    """Inside the range it sees rounding errors of either sign; in units of itself it would see more than weights do."""
    torch.manual_seed(0)
    neuron, dense = ShiftLIF(3), nn.Linear(3, 5)
    network = Network(dense, neuron, nn.Linear(5, 2), input_shape=(3,))
    penalty = penalty_of(network, direct_code(torch.randn(2000, 3) * 2, steps=2))
    scale, weight = torch.autograd.grad(penalty, [neuron.scale, dense.weight])
    assert scale.abs().max() < 0.1 * weight.norm()


def test_residual_branches_are_counted_too():
    body = Residual(nn.Linear(3, 3), LIF(), shortcut=(nn.Linear(3, 3), LIF()))
    network = Network(nn.Linear(2, 3), LIF(tau=1.0), body, nn.Linear(3, 1), input_shape=(2,))
    with torch.no_grad():
        network.layers["linear1"].bias.fill_(9.0)
        for name, parameter in network.named_parameters():
            if name.startswith("layers.residual1"):
                parameter.fill_(9.0)
    assert penalty_of(network, direct_code(torch.zeros(1, 2), steps=1)).item() == 1.0


def test_a_branch_before_the_first_neuron_sees_the_data_and_is_not_counted():
    block = Residual(nn.Linear(2, 3), LIF(tau=1.0), shortcut=(nn.Linear(2, 3), LIF(tau=1.0)))
    network = Network(block, nn.Linear(3, 4), input_shape=(2,))
    with torch.no_grad():
        for parameter in network.layers["residual1"].parameters():
            if parameter.requires_grad:
                parameter.fill_(9.0)
    assert penalty_of(network, direct_code(torch.ones(5, 2), steps=4)).item() == 1.0


@pytest.fixture
def teacher_run(tmp_path, dataset, config):
    fit(config, tmp_path / "teacher", dataset=dataset, progress=False)
    return tmp_path / "teacher"


@pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
def test_a_student_comes_closer_to_its_teacher_than_to_the_labels_alone(dataset, config, teacher_run):
    data = make_data(dataset, 2)
    teacher = load_teacher(teacher_run, data)
    x = data.present(data.parts["train"].x)
    distances = []
    for weight in (0.0, 1.0):
        torch.manual_seed(1)
        student = conv1d(data.sample_shape, 2, ShiftLIF, width=4)
        stage = config.model_copy(
            update={"teacher": str(teacher_run), "teacher_weight": weight, "epochs": 12, "seed": 5}
        )
        train(student, data, stage, progress=False)
        with torch.no_grad():
            distances.append(float(distillation_loss(student(x).mean(0), teacher.scores(x), 2.0)))
    assert distances[1] < distances[0]


@pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
def test_a_teacher_of_other_data_is_refused(dataset, config, teacher_run):
    with pytest.raises(ConfigurationError, match="fingerprint"):
        load_teacher(teacher_run, make_data(blobs(seed=3), 2))
    with pytest.raises(ConfigurationError, match="samples of the shape"):
        load_teacher(teacher_run, make_data(blobs((3, 16)), 2))


@pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
def test_a_teacher_that_is_not_there_is_called_a_teacher_and_its_folder_does_not_move(
    tmp_path, dataset, config, teacher_run, monkeypatch
):
    with pytest.raises(ConfigurationError, match=r"teacher: .*nowhere is not a run folder"):
        load_teacher(tmp_path / "nowhere", make_data(dataset, 2))
    monkeypatch.chdir(tmp_path)
    stage = config.model_copy(update={"teacher": "teacher", "epochs": 1})
    result = fit(stage, tmp_path / "student", dataset=dataset, progress=False)
    assert result.config.teacher == str(teacher_run.resolve())


@pytest.mark.filterwarnings("ignore:layer .* is:UserWarning")
def test_every_term_of_the_loss_trains_together_and_resumes(tmp_path, dataset, config, teacher_run):
    stage = config.model_copy(
        update={
            "teacher": str(teacher_run),
            "synaptic_weight": 0.1,
            "per_step": 0.5,
            "rate_weight": 0.1,
            "label_smoothing": 0.1,
        }
    )
    result = fit(stage, tmp_path / "student", dataset=dataset, progress=False)
    again = fit(stage, tmp_path / "student", dataset=dataset, progress=False, resume=True)
    assert again.summary["test"] == result.summary["test"]
