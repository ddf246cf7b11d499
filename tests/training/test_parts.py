"""The small pure parts: augmentation, schedule, metrics, rate, batches."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from shiftlif.errors import DataError
from shiftlif.network import Network
from shiftlif.neuron import IntLIF, ShiftLIF
from shiftlif.program import InputQuantizer
from shiftlif.training.augment import AUGMENTATIONS, augment, flip, mask, mask_channels, roll, shift
from shiftlif.training.batches import EpochSampler, dequantize, fit_quantizer, make_data
from shiftlif.training.metrics import confusion, scores
from shiftlif.training.rate import event_rate, rate_penalty
from shiftlif.training.schedule import warmup_cosine
from tests.training.conftest import blobs


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(3, 2, 9), (3, 2, 5, 7)])
def test_augmentations_keep_the_shape_and_strength_0_changes_nothing(name, shape):
    x = torch.randn(shape)
    assert augment(x, {name: 0.5}).shape == x.shape
    assert torch.equal(augment(x, {name: 0.0}), x)


def test_roll_moves_every_sample_as_a_whole():
    x = torch.arange(10.0).repeat(32, 2, 1)
    y = roll(x, 0.5)
    assert torch.equal(y.sort(-1).values, x)
    assert torch.equal(y[:, 0], y[:, 1])
    assert len({tuple(row.tolist()) for row in y[:, 0]}) > 3


def test_shift_brings_in_zeros_and_never_wraps():
    x = torch.arange(1.0, 11.0).repeat(64, 1, 1)
    for row in shift(x, 0.3)[:, 0]:
        kept = row[row > 0]
        assert len(kept) >= 7
        assert torch.equal(kept, torch.arange(float(kept[0]), float(kept[-1]) + 1))


def test_mask_zeroes_one_span():
    for row in mask(torch.ones(32, 1, 20), 0.5)[:, 0]:
        assert (row.diff() != 0).sum() <= 2
        assert (row == 0).sum() <= 11


def test_mask_channels_zeroes_neighbouring_channels_over_all_of_time():
    for sample in mask_channels(torch.ones(32, 20, 3), 0.5):
        assert torch.equal(sample[:, 0], sample[:, 2])
        zeros = (sample[:, 0] == 0).nonzero().flatten()
        assert len(zeros) <= 11
        assert len(zeros) == 0 or zeros.tolist() == list(range(int(zeros[0]), int(zeros[-1]) + 1))


def test_flip_mirrors_whole_samples_and_about_as_many_as_asked():
    x = torch.arange(4.0).expand(1000, 2, 4)
    y = flip(x, 0.25)
    mirrored = (y == x.flip(-1)).all(-1).all(-1)
    assert ((y == x).all(-1).all(-1) | mirrored).all()
    assert 180 < int(mirrored.sum()) < 320
    assert torch.equal(flip(x, 1.0), x.flip(-1))


@given(st.integers(1, 500), st.floats(0, 0.9))
def test_the_rate_rises_then_falls_to_nothing(total, warmup):
    rates = [warmup_cosine(step, total, warmup) for step in range(total + 1)]
    peak = rates.index(max(rates))
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_scores_equal_scikit_learn(pairs):
    labels, answers = (torch.tensor(column) for column in zip(*pairs, strict=True))
    found = scores(confusion(answers, labels, 4), 0.5)
    assert found.accuracy == pytest.approx(float((labels == answers).float().mean()), abs=1e-6)
    assert found.macro_f1 == pytest.approx(f1_score(labels, answers, average="macro", zero_division=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, answers))


@pytest.mark.parametrize("neuron", [IntLIF(3), ShiftLIF(2, scale=0.5), ShiftLIF(1, channels=6)])
def test_the_rate_is_the_exact_share_of_events_and_its_gradient_lowers_it(neuron):
    torch.manual_seed(0)
    net = Network(torch.nn.Linear(4, 6), neuron, torch.nn.Linear(6, 2), input_shape=(4,))
    seen = []
    net.run(torch.randn(3, 50, 4) + 1, observer=seen.append)
    rate = event_rate(seen[0])
    assert rate.item() == pytest.approx(float((seen[0].outputs != 0).float().mean()))
    rate.backward()
    weight = net.layers["linear1"].bias
    assert weight.grad.min() >= 0
    assert weight.grad.max() > 0
    with torch.no_grad():
        weight -= 3 * weight.grad / weight.grad.max()
    net.run(torch.randn(3, 50, 4) + 1, observer=lambda o: seen.append(o))
    assert event_rate(seen[1]).item() < rate.item()


def test_a_hinge_leaves_quiet_layers_alone():
    rates = [torch.tensor(0.05), torch.tensor(0.3)]
    assert float(rate_penalty(rates, 0.1, "hinge")) == pytest.approx(0.1)
    assert float(rate_penalty(rates, 0.1, "squared")) == pytest.approx((0.05**2 + 0.2**2) / 2)


def test_the_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        sampler = EpochSampler(20, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert sorted(order(1, 2)) == list(range(20))
    assert len({tuple(order(s, e)) for s in range(3) for e in range(3)}) == 9


def test_batches_hold_what_the_program_will_see():
    dataset = blobs()
    data = make_data(dataset, 3)
    frames, labels = next(iter(data.loader("val", 5)))
    assert frames.dtype == torch.int8
    expected = data.quantizer.quantize(dataset.x_val[:5])
    assert np.array_equal(frames.numpy(), expected)
    assert np.array_equal(dequantize(frames, data.quantizer).numpy(), data.quantizer.dequantize(expected))
    x = data.present(frames)
    assert x.shape == (3, 5, 2, 16)
    assert x.stride(0) == 0, "layers before the first neuron must see one frame only"
    assert labels.tolist() == dataset.y_val[:5].tolist()


def test_time_comes_first_for_temporal_data_and_counts_stay_counts():
    dataset = blobs((3, 1, 8, 8), temporal=True)
    data = make_data(dataset, 3)
    assert np.array_equal(data.quantizer.offset, InputQuantizer.identity(1).offset)
    frames, _ = next(iter(data.loader("train", 4)))
    assert torch.equal(data.present(frames), torch.from_numpy(dataset.x_train[:4]).transpose(0, 1))


def test_temporal_data_that_is_not_counts_is_normalised():
    dataset = blobs((3, 1, 8, 8), temporal=True)
    object.__setattr__(dataset, "x_train", dataset.x_train * 0.37)
    assert fit_quantizer(dataset).offset[0] != 0


def test_other_steps_than_frames_are_refused():
    with pytest.raises(DataError, match="3 frames but T is 4"):
        make_data(blobs((3, 1, 8, 8), temporal=True), 4)


def test_a_batch_is_looked_up_at_once_and_the_rest_is_left_out_of_training_only():
    data = make_data(blobs(n=(35, 9, 9)), 2)
    assert [len(y) for _, y in data.training_loader(16, 0)] == [16, 16]
    assert [len(y) for _, y in data.training_loader(64, 0)] == [35]
    assert [len(y) for _, y in data.loader("val", 4)] == [4, 4, 1]


@pytest.mark.parametrize("name", ["gain", "mask_channels", "drop_channels"])
def test_all_frames_of_a_sample_change_alike(name):
    # Two samples of three frames and four channels; every value is 1, so what was done can be read off.
    changed = augment(torch.ones(64, 3 * 4, 5), {name: 0.5}, frames=3).view(64, 3, 4, 5)
    assert torch.equal(changed, changed[:, :1].expand_as(changed))
    assert not torch.equal(changed, torch.ones_like(changed))
    assert len(changed[:, 0, :, 0].unique(dim=0)) > 2


def test_inputs_of_one_digit_are_powers_of_two_in_the_step_that_was_given():
    quantizer = fit_quantizer(blobs(), exponent=2, digits=1)
    assert (quantizer.exponent, quantizer.digits) == (2, 1)
    frames = make_data(blobs(), 3, quantizer).frames("test")
    assert len(np.unique(frames)) > 4
    assert set(np.unique(np.abs(frames.astype(int))).tolist()) <= {0, 1, 2, 4, 8, 16, 32, 64, 128}
    assert fit_quantizer(blobs((3, 1, 8, 8), temporal=True), digits=1).digits == 1
