"""Write program.safetensors, vectors.npz, samples.npy and expected.txt into the folder given."""

import sys
from pathlib import Path

import numpy as np
import torch

from shiftlif.alphabet import PowerOfTwo
from shiftlif.compile import compile_network
from shiftlif.models import conv1d
from shiftlif.neuron import SpikingNeuron
from shiftlif.program import InputQuantizer, record
from shiftlif.quantize import absorb


def main(folder: Path) -> None:
    torch.manual_seed(0)
    network = conv1d((3, 32), 4, lambda: SpikingNeuron(PowerOfTwo(2), scale=0.5), width=8).eval()
    raw = np.random.default_rng(0).normal(size=(6, 3, 32)).astype(np.float32)
    quantizer = InputQuantizer.fit(raw)
    program = compile_network(absorb(network), quantizer=quantizer, classes=["a", "b", "c", "d"], steps=3)
    frames = quantizer.quantize(raw)
    program.save(folder / "program.safetensors")
    record(program, frames).save(folder / "vectors.npz")
    np.save(folder / "samples.npy", raw)
    predictions = program.run(frames).predictions
    (folder / "expected.txt").write_text("\n".join(program.classes[i] for i in predictions) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
