"""A trained network of quantised ReLUs as ONNX models: float32, and 8 bits with QuantizeLinear and DequantizeLinear.

The integers are those of the network's training: weights are rounded as for the integer program, one unit a channel,
and activations are cut off where the trained network cuts them off. That range is divided into the 256 steps which 8
bits have (a letter has 128), since ONNX Runtime needs no operation of its own to cut off at the ends of a byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from benchmarks.engine.names import FLOAT, FLOAT_CLIPPED, INT8_KIND, UINT8_KIND
from shiftlif.network import Network, per_axis
from shiftlif.neuron import SpikingNeuron
from shiftlif.quantize.absorb import SYNAPSES, Synapse, check_absorbed
from shiftlif.quantize.pooling import SumPool
from shiftlif.quantize.prepare import convolution_geometry
from shiftlif.quantize.weights import weight_unit

OPSET, IR_VERSION = 18, 8  # what the widest range of runtimes reads
UINT8, INT8 = UINT8_KIND, INT8_KIND
ACTIVATIONS = (FLOAT, FLOAT_CLIPPED, UINT8, INT8)
LOWEST = {UINT8: 0, INT8: -128}
ZERO_OF_INPUT = {UINT8: 128, INT8: 0}
STEPS = 255
INPUT, OUTPUT = "x", "scores"


class _Graph:
    """Nodes and initializers as they are added; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: npt.NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name


class _Quantities:
    """How numbers are kept between layers, in one of the two 8-bit types."""

    def __init__(self, graph: _Graph, kind: str) -> None:
        self.graph, self.dtype, self.lowest = graph, np.dtype(kind), LOWEST[kind]

    def real(self, wire: str, scale: float, zero: int) -> str:
        constants = (np.float32(scale), self.dtype.type(zero))
        return self.graph.node(
            "DequantizeLinear", [wire, *map(self.graph.constant, map(np.asarray, constants))]
        )

    def byte(self, wire: str, scale: float) -> str:
        constants = (np.float32(scale), self.dtype.type(self.lowest))
        return self.graph.node(
            "QuantizeLinear", [wire, *map(self.graph.constant, map(np.asarray, constants))]
        )

    def weights(self, values: npt.NDArray[np.float64], axis: int) -> tuple[str, npt.NDArray[np.float64]]:
        """Weights ``[out, ...]`` along ``axis``, and the unit of each channel."""
        unit = weight_unit(torch.from_numpy(values), 8, per_channel=True).numpy()
        unit = np.maximum(unit, 2.0**-64)
        whole = np.floor(values / unit.reshape(-1, *(1,) * (values.ndim - 1)) + 0.5).clip(-127, 127)
        whole = whole.astype(np.int8) if axis == 0 else whole.astype(np.int8).T
        zeros = self.graph.constant(np.zeros(len(unit), np.int8))
        inputs = [self.graph.constant(whole), self.graph.constant(unit.astype(np.float32)), zeros]
        return self.graph.node("DequantizeLinear", inputs, axis=axis), unit

    def bias(self, values: npt.NDArray[np.float64], unit: npt.NDArray[np.float64]) -> str:
        whole = np.rint(values / unit).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
        zeros = self.graph.constant(np.zeros(len(unit), np.int32))
        inputs = [self.graph.constant(whole), self.graph.constant(unit.astype(np.float32)), zeros]
        return self.graph.node("DequantizeLinear", inputs, axis=0)


def _geometry(layer: Synapse) -> dict[str, Any]:
    geometry = convolution_geometry(layer)
    assert geometry is not None
    padding: Any = geometry["padding"]
    return {
        "kernel_shape": list(layer.weight.shape[2:]),
        "strides": geometry["stride"],
        "dilations": geometry["dilation"],
        "group": geometry["groups"],
        "pads": [*padding, *padding],
    }


def _pooled(layer: nn.MaxPool1d | nn.MaxPool2d | SumPool, rank: int) -> dict[str, Any]:
    if isinstance(layer, SumPool):
        return {"kernel_shape": layer.kernel, "strides": layer.stride}
    return {"kernel_shape": per_axis(layer.kernel_size, rank), "strides": per_axis(layer.stride, rank)}


def model(network: Network, exponent: int, activations: str) -> Any:
    """An ONNX model ``x [B, *input_shape]`` to ``scores [B, classes]``.

    Args:
        network: absorbed, its neurons all `QuantReLU`.
        exponent: of the input quantiser; one integer step of the input is ``2**-exponent``.
        activations: one of `ACTIVATIONS`. ``float32`` takes real inputs and does not round, ``float32, clipped`` also
            cuts activations off above, ``uint8`` takes frames plus 128, ``int8`` frames as they are.

    Raises:
        CompileError: the network is not absorbed.
        TypeError: a layer of another kind.
    """
    check_absorbed(network)
    graph = _Graph()
    whole = None if activations in (FLOAT, FLOAT_CLIPPED) else _Quantities(graph, activations)
    rank = len(network.input_shape) - 1
    wire, summed = INPUT, 1.0
    scale, zero = 2.0**-exponent, ZERO_OF_INPUT.get(activations, 0)
    last = list(network.layers)[-1]
    for name, layer in network.layers.items():
        if isinstance(layer, SYNAPSES):
            weight = layer.weight.detach().double().numpy() * summed  # pools give means where ours gave sums
            assert layer.bias is not None  # absorb() gave it one
            bias = layer.bias.detach().double().numpy()
            dense, summed = isinstance(layer, nn.Linear), 1.0
            if whole is None:
                inputs = [wire, graph.constant((weight.T if dense else weight).astype(np.float32))]
                inputs.append(graph.constant(bias.astype(np.float32)))
            else:
                factors, unit = whole.weights(weight, 1 if dense else 0)
                inputs = [whole.real(wire, scale, zero), factors, whole.bias(bias, unit * scale)]
            wire = graph.node("Gemm", inputs) if dense else graph.node("Conv", inputs, **_geometry(layer))
        elif isinstance(layer, SpikingNeuron):
            highest = float(layer.alphabet.levels[-1])
            if whole is not None:
                scale, zero = highest / STEPS, whole.lowest
                wire = whole.byte(wire, scale)
            elif activations == FLOAT_CLIPPED:
                bounds = [graph.constant(np.asarray(bound, np.float32)) for bound in (0, highest)]
                wire = graph.node("Clip", [wire, *bounds])
            else:
                wire = graph.node("Relu", [wire])
        elif isinstance(layer, nn.MaxPool1d | nn.MaxPool2d):
            wire = graph.node("MaxPool", [wire], **_pooled(layer, rank))
        elif isinstance(layer, SumPool):
            summed = float(np.prod(layer.kernel))
            if summed > 1:
                real = wire if whole is None else whole.real(wire, scale, zero)
                real = graph.node("AveragePool", [real], **_pooled(layer, rank))
                wire = real if whole is None else whole.byte(real, scale)
        elif isinstance(layer, nn.Flatten):
            wire = graph.node("Flatten", [wire])
        else:
            raise TypeError(
                f"layer {name} ({type(layer).__name__}) has no counterpart here; absorb the network first"
            )
        if name == last:
            graph.nodes[-1].output[0] = OUTPUT
    kind = {UINT8: TensorProto.UINT8, INT8: TensorProto.INT8}.get(activations, TensorProto.FLOAT)
    classes = int(network.layers[last].weight.shape[0])  # type: ignore[union-attr, index]
    made = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, kind, ["batch", *network.input_shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", classes])],
        graph.constants,
    )
    found = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(found, full_check=True)
    return found


def as_input(frames: npt.NDArray[np.int8], exponent: int, activations: str) -> npt.NDArray[Any]:
    """int8 frames ``[B, *shape]`` as `model` takes them."""
    if activations == UINT8:
        return (frames.astype(np.int16) + 128).astype(np.uint8)
    return frames if activations == INT8 else frames.astype(np.float32) * np.float32(2.0**-exponent)


def calibrated(real: Any, samples: npt.NDArray[np.float32], folder: Path) -> Any:
    """ONNX Runtime's own static quantisation: weights per channel, activations uint8, calibrated by extremes.

    Args:
        real: a model of `model`.
        samples: real inputs of the training part ``[N, *shape]``.
        folder: for files on the way.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter(np.array_split(samples, max(1, len(samples) // 64)))

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    paths = [str(folder / name) for name in ("real.onnx", "inferred.onnx", "quantised.onnx")]
    onnx.save(real, paths[0])
    quant_pre_process(paths[0], paths[1])
    quantize_static(
        paths[1],
        paths[2],
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return onnx.load(paths[2])
