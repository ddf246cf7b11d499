"""The dense int8 opponent: its sums are those of its integer program, on this machine in plain C."""

import numpy as np
import pytest
from benchmarks.mcu.cores import C
from benchmarks.mcu.dense import DenseNetwork, requantisation

from shiftlif.program import (
    Accumulate,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    MaxPool,
    Neuron,
    SumPool,
    with_proven_widths,
)
from tests.export.toolchain import need, run

LETTERS = np.arange(128, dtype=np.int32)


def quant_relu(rng, name, source, channels, unit, shift=0):
    units = rng.uniform(unit, 3 * unit, size=(channels, 1))
    thresholds = np.ceil((LETTERS[1:] - 0.5) * units).astype(np.int32)
    resets = np.zeros((channels, 128), np.int32)
    bias = rng.integers(-unit, unit, size=channels).astype(np.int32)
    return Neuron(name, source, 0, shift, bias, thresholds, resets, LETTERS)


def weight(rng, *shape):
    return rng.integers(-127, 128, size=shape).astype(np.int8)


def network(axes: int, channels: int = 3) -> IntegerProgram:
    """Convolutions with borders and pooling, then a read-out; or two dense layers without axes."""
    rng = np.random.default_rng(axes)
    if axes == 0:
        ops: list = [Input("input", (3, 7)), Flatten("flat", "input")]
        ops += [Linear("one", "flat", weight(rng, 10, 21)), quant_relu(rng, "fire1", "one", 10, 300)]
        ops += [Linear("two", "fire1", weight(rng, 6, 10)), quant_relu(rng, "fire2", "two", 6, 500, shift=1)]
        features, source = 6, "fire2"
    else:
        shape = (channels, 14) if axes == 1 else (channels, 6, 5)
        three, one, two = (3,) * axes, (1,) * axes, (2,) * axes
        ops = [Input("input", shape), Conv("one", "input", weight(rng, 5, channels, *three), one, one, one)]
        ops += [quant_relu(rng, "fire1", "one", 5, 300), MaxPool("pool", "fire1", two, two)]
        ops += [
            Conv("two", "pool", weight(rng, 6, 5, *three), one, one, one),
            quant_relu(rng, "fire2", "two", 6, 700, 1),
        ]
        ops += [SumPool("average", "fire2", two, two), Flatten("flat", "average")]
        features, source = 6 * (3 if axes == 1 else 1), "flat"
    ops += [Linear("last", source, weight(rng, 4, features))]
    ops += [Accumulate("scores", "last", 0, rng.integers(-99, 99, size=4).astype(np.int32))]
    quantizer = InputQuantizer.identity(3 if axes == 0 else channels)
    return IntegerProgram(with_proven_widths(ops, 1), quantizer, 1, 1, ("a", "b", "c", "d"))


MAIN = """
#include <stdio.h>
#include <stdint.h>
const int32_t *contender_infer(const int8_t *frame);
int main(void) {
    int8_t frame[%d];
    while (fread(frame, 1, sizeof frame, stdin) == sizeof frame) {
        const int32_t *scores = contender_infer(frame);
        for (int c = 0; c < 4; c++) printf("%%ld ", (long)scores[c]);
    }
    return 0;
}
"""


def scores_of(text, frames, folder):
    """What the C text computes, on this machine."""
    import subprocess

    (folder / "dense.c").write_text(text)
    (folder / "main.c").write_text(MAIN % frames[0].size)
    sanitized = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    options = ("-std=c99", "-O1", "-Wno-unknown-pragmas", *sanitized, f"-I{C}")
    run("gcc", *options, folder / "dense.c", folder / "main.c", "-o", folder / "dense")
    done = subprocess.run(
        [folder / "dense"], input=frames.tobytes(), capture_output=True, timeout=60, check=True
    )
    return np.array(done.stdout.split(), dtype=np.int64).reshape(len(frames), 4)


@pytest.mark.parametrize(("axes", "channels"), [(0, 3), (1, 3), (1, 4), (2, 1), (2, 2)])
def test_its_sums_are_those_of_the_program(tmp_path, axes, channels):
    need("gcc")
    program = network(axes, channels)
    frames = np.random.default_rng(0).integers(-128, 128, size=(20, *program.input_shape)).astype(np.int8)
    frames[0], frames[1] = 127, -128
    assert np.array_equal(scores_of(DenseNetwork(program).text, frames, tmp_path), program.run(frames).logits)


def test_an_altered_bias_changes_them(tmp_path):
    """The comparison above can fail."""
    need("gcc")
    program = network(1)
    frames = np.full((1, *program.input_shape), 100, np.int8)
    text = DenseNetwork(program).text
    at = text.index("layer8_b[")
    start = text.index("{", at) + 1
    altered = text[:start] + "\n    1 +" + text[start:].lstrip("\n")
    assert not np.array_equal(scores_of(altered, frames, tmp_path), program.run(frames).logits)


def letter(v, multiplier, shift):
    """What the C code computes."""
    return np.clip(((v * multiplier >> 32) + (1 << (shift - 1))) >> shift, 0, 127)


@pytest.mark.parametrize("unit", [5.3, 70.37, 5432.11])
def test_requantisation_gives_every_letter_at_its_threshold_and_not_before(unit):
    thresholds = np.ceil((LETTERS[1:] - 0.5) * unit).astype(np.int32)[None]
    multiplier, shift = (int(n[0]) for n in requantisation(thresholds, np.array([10**7])))
    row = thresholds[0].astype(object)
    assert [letter(v, multiplier, shift) for v in row] == list(range(1, 128))
    assert [letter(v - 1, multiplier, shift) for v in row] == list(range(127))
    assert letter(-(10**7), multiplier, shift) == 0


def test_units_that_are_far_apart_have_a_shift_each():
    thresholds = np.stack([np.ceil((LETTERS[1:] - 0.5) * unit) for unit in (70.37, 60_000.31)]).astype(
        np.int32
    )
    _, shifts = requantisation(thresholds, np.array([10**6, 9_000_000]))
    assert shifts[0] != shifts[1]


def test_thresholds_of_no_scale_are_refused():
    thresholds = (LETTERS[1:] ** 2 + 1)[None].astype(np.int32)
    with pytest.raises(ValueError, match="expected QuantReLU of 8 bits"):
        requantisation(thresholds, np.array([10**6]))


def test_a_spiking_program_is_refused():
    from tests.export.programs import edge_program

    with pytest.raises(ValueError, match="expected the letters 0 to 127"):
        DenseNetwork(edge_program(1, 1))
    with pytest.raises(ValueError, match="has 2 steps, expected"):
        DenseNetwork(edge_program(1, 2))
