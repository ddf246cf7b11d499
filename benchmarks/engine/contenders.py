"""What is measured: engine, program from C, interpreter, ONNX Runtime and simulations, with their accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from benchmarks.engine import onnx_export as exported
from benchmarks.engine.from_c import FromC
from benchmarks.engine.names import (
    BOUND,
    BOUND_BUFFERS,
    CALIBRATION,
    FLOAT,
    FP32,
    FROM_C,
    INT8,
    INTERPRETER,
    PLAIN,
)
from benchmarks.engine.simulations import simulations, spikingjelly
from benchmarks.trained import OPPONENT, SPIKING, STEPS, Trained, trained
from benchmarks.training_kernels.timing import Record, Run
from shiftlif.program import measure
from shiftlif.quantize import absorb
from shiftlif.runtime.equality import Comparison
from shiftlif.training.batches import Data, dequantize
from shiftlif.training.deployment import integer_answers, prepared_for, strided
from shiftlif.training.evaluation import predict

COMPARED = 64  # samples whose every letter and membrane is compared, and whose operations are counted
CALIBRATED = 512  # training samples


def accuracy(answers: npt.NDArray[Any], data: Data) -> float:
    """Share of right answers on the test part."""
    return float((np.asarray(answers) == data.parts["test"].y.numpy()).mean())


def typical(program: Any, frames: npt.NDArray[np.int8]) -> int:
    """The index of the sample whose synaptic operations are nearest to the mean of those given."""
    counts = [measure(program, frames[i : i + 1]).totals["synaptic_operations"] for i in range(len(frames))]
    return int(np.abs(np.asarray(counts) - np.mean(counts)).argmin())


@dataclass(frozen=True, eq=False)
class Spiking:
    """A trained spiking network and its program."""

    network: Trained
    data: Data

    @cached_property
    def absorbed(self) -> Any:
        """Without batch normalisation, every scale in the weights."""
        return absorb(self.network.run.network).eval()

    def record(self) -> Record:
        """Accuracies on the whole test part, density and operations; raises where renderings of the program differ."""
        program, data = self.network.program, self.data
        frames = data.frames("test")
        some = frames[strided(len(frames), COMPARED)]
        comparison = Comparison(program)
        comparison.require_equal(some, program.run(some, record=True))
        answers = program.engine().predict(frames)
        prepared = prepared_for(self.absorbed, data, 8, program.metadata["membrane_bits"])
        right = integer_answers(prepared, data, "test").numpy()
        if (answers != right).any():
            raise ValueError(
                f"the engine and the prepared network differ on {(answers != right).sum()} test samples"
            )
        cost = measure(program, some)
        return {
            "T": program.steps,
            "accuracy": accuracy(answers, data),
            "accuracy_float": accuracy(
                predict(self.network.run.network, data, "test").argmax(1).numpy(), data
            ),
            "samples": len(frames),
            "compared": comparison.verdict("interpreter")
            + f" in every letter and membrane of {len(some)} samples",
            "density": cost.events_per_neuron_step,
            "events": cost.totals["events"],
            "synaptic_operations": cost.totals["synaptic_operations"],
            "dense_operations": sum(layer.dense_operations for layer in cost.layers),
            "counted": len(some),
            "digest": program.digest(),
        }

    def runs(self, frames: npt.NDArray[np.int8], threads: int, folder: Path) -> dict[str, Run]:
        """Contenders for a batch, int8 ``[B, *input_shape]``."""
        program = self.network.program
        engine = program.engine(threads=threads)
        bound = engine.bind(frames)
        runs: dict[str, Run] = {BOUND: bound, PLAIN: lambda: engine.logits(frames)}
        expected = program.run(frames).logits
        if (bound() != expected).any() or (engine.logits(frames) != expected).any():
            raise ValueError("the engine differs from the interpreter")
        if threads == 1:
            from_c = FromC(program, frames, engine.path, folder)
            from_c()
            if (from_c.sums != expected).any():
                raise ValueError("the program from C differs from the interpreter")
            runs[FROM_C] = from_c
        if len(frames) == 1 and threads == 1:
            runs[INTERPRETER] = lambda: program.run(frames)
        x = dequantize(torch.from_numpy(frames), self.data.quantizer)
        return (
            runs
            | simulations(self.absorbed, program.steps, x)
            | spikingjelly(self.network.run, program.steps, x)
        )


@dataclass(frozen=True, eq=False)
class Opponent:
    """The network of quantised ReLUs in ONNX Runtime, float32 and 8 bits, several models of each."""

    network: Trained
    data: Data

    @cached_property
    def models(self) -> dict[str, bytes]:
        """Serialised models by contender."""
        absorbed, exponent = absorb(self.network.run.network).eval(), self.data.quantizer.exponent
        made = {
            name: exported.model(absorbed, exponent, kind)
            for name, kind in (INT8 | FP32).items()
            if kind != CALIBRATION
        }
        train = self.data.frames("train")
        samples = exported.as_input(train[strided(len(train), CALIBRATED)], exponent, FLOAT)
        for name, kind in INT8.items():
            if kind == CALIBRATION:
                real = exported.model(absorbed, exponent, FLOAT)
                with TemporaryDirectory() as folder:
                    made[name] = exported.calibrated(real, samples, Path(folder))
        return {name: model.SerializeToString() for name, model in made.items()}

    def input(self, name: str, frames: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
        """Frames as a model takes them."""
        kind = (INT8 | FP32)[name]
        return exported.as_input(frames, self.data.quantizer.exponent, FLOAT if kind == CALIBRATION else kind)

    def answers(self, name: str, part: str = "test") -> npt.NDArray[np.int64]:
        """The classes ``[N]`` that a model answers on a part of the data."""
        running = session(self.models[name], 1)
        frames = self.data.frames(part)
        found = [
            running.run(None, {exported.INPUT: self.input(name, frames[i : i + 256])})[0].argmax(1)
            for i in range(0, len(frames), 256)
        ]
        return np.concatenate(found)

    def record(self) -> Record:
        """Accuracies on the whole test part: of every model, of the integer program and of the trained network."""
        engine = self.network.program.engine()
        frames = self.data.frames("test")
        return {
            "accuracy": {name: accuracy(self.answers(name), self.data) for name in self.models},
            "accuracy_integer": accuracy(engine.predict(frames), self.data),
            "accuracy_float": accuracy(
                predict(self.network.run.network, self.data, "test").argmax(1).numpy(), self.data
            ),
        }

    def runs(self, frames: npt.NDArray[np.int8], threads: int) -> dict[str, Run]:
        """Contenders for a batch: each model called with arrays, and with bound buffers."""
        runs: dict[str, Run] = {}
        for name, model in self.models.items():
            running, x = session(model, threads), np.ascontiguousarray(self.input(name, frames))
            runs[name] = _plain(running, x)
            runs[name + BOUND_BUFFERS] = _bound(running, x, (len(frames), len(self.network.run.classes)))
        return runs


def session(model: bytes, threads: int) -> Any:
    """An ONNX Runtime session on the CPU with every optimisation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _plain(running: Any, x: npt.NDArray[Any]) -> Run:
    names, feed = [exported.OUTPUT], {exported.INPUT: x}
    return lambda: running.run(names, feed)


def _bound(running: Any, x: npt.NDArray[Any], shape: tuple[int, int]) -> Run:
    binding = running.io_binding()
    binding.bind_ortvalue_input(exported.INPUT, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    scores = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
    binding.bind_ortvalue_output(exported.OUTPUT, scores)
    return lambda: running.run_with_iobinding(binding)


def load(shape: str) -> tuple[dict[int, Spiking], Opponent]:
    """The trained networks of a shape, the spiking ones by T."""
    opponent = trained(shape, OPPONENT, 1)
    data = (
        opponent.run.data()
    )  # of every network of the shape: the same int8 frames, or `Run.data` would raise
    spiking = {steps: trained(shape, SPIKING, steps) for steps in STEPS}
    return {steps: Spiking(net, net.run.data()) for steps, net in spiking.items()}, Opponent(opponent, data)


def batch_of(spiking: Spiking, size: int) -> npt.NDArray[np.int8]:
    """Test samples: for a batch of one that with the most usual number of operations, else evenly spread ones."""
    frames = spiking.data.frames("test")
    some = frames[strided(len(frames), size if size > 1 else COMPARED)]
    if size == 1:
        at = typical(spiking.network.program, some)
        some = some[at : at + 1]
    return np.ascontiguousarray(some)
