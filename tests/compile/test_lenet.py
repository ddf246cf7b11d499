import numpy as np
import pytest
import torch
from torch import nn

from shiftlif.compile import convert, verify
from shiftlif.errors import ConfigurationError
from shiftlif.models import MODELS, PARAMETER_LIMIT, lenet
from shiftlif.neuron import ShiftLIF
from shiftlif.program import InputQuantizer
from shiftlif.quantize import absorb, prepare
from tests.quantize.networks import randomise


def test_lenet_is_a_model_of_the_configuration():
    assert MODELS["lenet"] is lenet


@pytest.mark.parametrize("shape", [(3, 20), (2, 9, 12)])
def test_a_lenet_compiles_to_the_program_that_it_was(shape):
    torch.manual_seed(0)
    network = randomise(lenet(shape, 4, lambda: ShiftLIF(K=2), width=3), 0)
    prepared = prepare(absorb(network), input_exponent=5, weight_bits=8)
    quantizer = InputQuantizer(np.zeros(shape[0]), np.ones(shape[0]), 5)
    program = convert(prepared, quantizer=quantizer, classes=("a", "b", "c", "d"), steps=3)
    frames = np.random.default_rng(0).integers(-128, 128, (6, *shape), dtype=np.int8)
    verification = verify(prepared, program, frames)
    assert verification.samples == 6
    assert all((array != 0).any() for array in program.run(frames, record=True).letters.values())


def test_width_sets_the_layers_until_the_limit_lowers_the_first_dense_one():
    def widths(network):
        return [m.out_features for m in network.modules() if isinstance(m, nn.Linear)]

    assert widths(lenet((6, 64), 5, ShiftLIF, width=4)) == [32, 16, 5]
    wide = lenet((6, 512), 5, ShiftLIF, width=16)
    assert widths(wide)[0] < 128
    assert wide.n_parameters < PARAMETER_LIMIT


def test_an_input_that_leaves_no_dense_layer_is_refused_with_a_way_out():
    with pytest.raises(
        ConfigurationError, match=r"\(2, 128, 128\) leaves 2 neurons .* smaller width than 16"
    ):
        lenet((2, 128, 128), 10, ShiftLIF)
