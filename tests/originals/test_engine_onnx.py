"""The ONNX models that the engine is compared with: the numbers of the trained network, and the program from C."""

import numpy as np
import pytest
import torch
from benchmarks.engine import onnx_export
from benchmarks.engine.contenders import session
from benchmarks.engine.from_c import FromC
from benchmarks.engine.names import FLOAT, FLOAT_CLIPPED
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from shiftlif import QuantReLU
from shiftlif.compile import convert
from shiftlif.models import MODELS
from shiftlif.network import Network, direct_code, readout
from shiftlif.program import InputQuantizer
from shiftlif.quantize import absorb, prepare
from tests.program.examples import tiny

EXPONENT = 4
BYTES = (onnx_export.UINT8, onnx_export.INT8)


def scores(model, frames, kind):
    running = session(model.SerializeToString(), 1)
    return running.run(None, {"x": onnx_export.as_input(frames, EXPONENT, kind)})[0]


def by_hand(bias):
    """Input -> weight 1 -> letters of 1/4 from 0 to 127/4 -> weight 1, plus the bias."""
    net = Network(nn.Linear(1, 1), QuantReLU(8, scale=0.25), nn.Linear(1, 1), input_shape=(1,)).eval()
    with torch.no_grad():
        for layer in (net.layers["linear1"], net.layers["linear2"]):
            layer.weight.fill_(1.0)
            layer.bias.zero_()
        net.layers["linear2"].bias.fill_(bias)
    return absorb(net)


@pytest.mark.parametrize("kind", BYTES)
def test_activations_are_cut_off_where_the_network_cuts_them_off(kind):
    model = onnx_export.model(by_hand(2.0), 0, kind)
    frames = np.array([[-100], [0], [10], [31], [32], [127]], np.int8)
    running = session(model.SerializeToString(), 1)
    found = running.run(None, {"x": onnx_export.as_input(frames, 0, kind)})[0][:, 0] - 2.0
    step = 31.75 / 255
    np.testing.assert_allclose(found, [0, 0, 10, 31, 31.75, 31.75], atol=step)
    assert found[-1] == pytest.approx(31.75, rel=1e-2)


def test_the_float_model_ends_at_127_letters_only_where_it_is_clipped():
    frames = np.array([[-100], [127]], np.int8)
    ends = {}
    for kind in (FLOAT, FLOAT_CLIPPED):
        running = session(onnx_export.model(by_hand(0.0), 0, kind).SerializeToString(), 1)
        ends[kind] = running.run(None, {"x": onnx_export.as_input(frames, 0, kind)})[0][:, 0].tolist()
    assert ends == {FLOAT: pytest.approx([0, 127]), FLOAT_CLIPPED: pytest.approx([0, 31.75])}


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    frames = np.rint(x[order]).astype(np.int8)
    return frames[:1200], y[order][:1200], frames[1200:], y[order][1200:]


SHAPES = {"dense": (1, 8, 8), "conv2d": (1, 8, 8), "conv1d": (2, 32)}


@pytest.fixture(scope="module", params=list(SHAPES))
def trained(request, digits):
    """A network of quantised ReLUs after a minute's worth of learning, its frames and labels."""
    shape = SHAPES[request.param]
    x, y, held, labels = digits
    torch.manual_seed(0)
    net = MODELS[request.param](shape, 10, lambda: QuantReLU(8))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    inputs, targets = (
        torch.from_numpy(x).float().view(-1, *shape) * 2.0**-EXPONENT,
        torch.from_numpy(y).long(),
    )
    for _ in range(8):
        for at in torch.randperm(len(inputs)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(readout(net(direct_code(inputs[at], 1))), targets[at]).backward()
            optimizer.step()
    return absorb(net.eval()), held.reshape(-1, *shape), labels


def programmed(network):
    shape = network.input_shape
    quantizer = InputQuantizer(np.zeros(shape[0]), np.ones(shape[0]), EXPONENT)
    prepared = prepare(network, input_exponent=EXPONENT)
    return convert(prepared, quantizer=quantizer, classes=[str(n) for n in range(10)], steps=1)


@pytest.mark.parametrize("kind", BYTES)
def test_the_8_bit_model_answers_what_the_integer_program_of_the_network_answers(trained, kind):
    network, frames, labels = trained
    own = programmed(network).run(frames).predictions
    theirs = scores(onnx_export.model(network, EXPONENT, kind), frames, kind).argmax(1)
    accuracy = (own == labels).mean()
    assert accuracy > 0.9
    assert (own == theirs).mean() > 0.98
    assert abs((theirs == labels).mean() - accuracy) < 0.01


def test_the_clipped_float_model_is_the_network_without_rounding(trained):
    network, frames, _ = trained
    x = torch.from_numpy(onnx_export.as_input(frames, EXPONENT, FLOAT_CLIPPED))
    with torch.no_grad():
        for layer in network.layers.values():
            x = x.clamp(0, 127) if isinstance(layer, QuantReLU) else layer(x)
    found = scores(onnx_export.model(network, EXPONENT, FLOAT_CLIPPED), frames, FLOAT_CLIPPED)
    np.testing.assert_allclose(found, x.numpy(), rtol=1e-3, atol=1e-3 * float(x.abs().max()))


def test_onnx_runtimes_own_calibration_makes_a_model_of_8_bit_weights(trained, tmp_path):
    network, frames, labels = trained
    real = onnx_export.model(network, EXPONENT, FLOAT)
    samples = onnx_export.as_input(frames[:128], EXPONENT, FLOAT)
    made = onnx_export.calibrated(real, samples, tmp_path)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in made.graph.node}
    assert (scores(made, frames, FLOAT).argmax(1) == labels).mean() > 0.9


def test_what_is_not_absorbed_or_unknown_is_refused():
    with pytest.raises(ValueError, match="call absorb"):
        onnx_export.model(Network(nn.Linear(1, 1), QuantReLU(8), nn.Linear(1, 1), input_shape=(1,)), 0, FLOAT)
    unknown = by_hand(0.0)
    unknown.layers["odd"] = nn.Softmax(1)
    with pytest.raises(TypeError, match=r"layer odd \(Softmax\)"):
        onnx_export.model(unknown, 0, FLOAT)


def test_the_loop_in_c_computes_the_program_and_takes_time(tmp_path):
    program = tiny()
    frames = np.array([[5], [-3], [127]], np.int8)
    loop = FromC(program, frames, "portable", tmp_path)
    assert loop.seconds(3) > 0
    np.testing.assert_array_equal(loop.sums, program.run(frames).logits)
    with pytest.raises(ValueError, match="cannot be run from C"):
        FromC(program, frames, "no such path", tmp_path)
