"""``verify`` compares the engine too, and says so."""

import numpy as np
import pytest

from shiftlif.compile import convert, verify
from shiftlif.errors import VerificationError
from shiftlif.program import InputQuantizer
from shiftlif.quantize import absorb, prepare
from shiftlif.runtime import paths
from tests.quantize.networks import ALPHABETS, build
from tests.runtime.comparison import needs_engine


def both(kind="conv1d"):
    network = absorb(build(kind, ALPHABETS["shift3"]))
    channels = network.input_shape[0]
    quantizer = InputQuantizer(np.zeros(channels), np.ones(channels), 5)
    prepared = prepare(network, input_exponent=5, weight_bits=8)
    program = convert(prepared, quantizer=quantizer, classes=("a", "b", "c"), steps=3)
    x = np.random.default_rng(0).integers(-128, 128, (5, *network.input_shape), dtype=np.int8)
    return prepared, program, x


@needs_engine
@pytest.mark.parametrize("temporal", [False, True])
def test_the_verdict_names_network_interpreter_and_the_engines_paths(temporal):
    prepared, program, x = both()
    result = verify(prepared, program, np.stack([x, x, x], axis=1) if temporal else x)
    names = ", ".join(dict.fromkeys((paths()[0], "portable")))
    assert result.compared == f"prepared network = interpreter = engine ({names})"
    assert result.to_dict()["compared"] == result.compared


@pytest.mark.usefixtures("no_engine")
def test_the_verdict_says_where_no_engine_was_compared():
    compared = verify(*both()).compared
    assert compared.startswith(
        "prepared network = interpreter; the engine was not compared: the C runtime is not"
    )


@needs_engine
@pytest.mark.usefixtures("wrong_engine")
def test_an_engine_that_differs_is_no_verification():
    with pytest.raises(
        VerificationError, match=r"layer readout, step 0, .* in the interpreter and .* engine \("
    ):
        verify(*both())


@needs_engine
def test_the_engines_steps_are_those_that_were_asked_for():
    prepared, program, x = both()
    assert verify(prepared, program, x, steps=2).steps == 2
