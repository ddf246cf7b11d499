"""From a prepared network to the integer program: the bridge between the two halves (SPEC 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shiftlif.errors import CompileError
from shiftlif.network import Network, Residual, per_axis, require_network
from shiftlif.program import (
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    MaxPool,
    Neuron,
    Operation,
    largest_safe_steps,
    with_proven_widths,
)
from shiftlif.program import SumPool as SumPoolOperation
from shiftlif.quantize import (
    IntegerInput,
    IntegerNeuron,
    IntegerReadout,
    QuantizedSynapse,
    SumPool,
    prepare,
)
from shiftlif.quantize.pooling import MAXIMUM


def convert(
    prepared: Network,
    *,
    quantizer: InputQuantizer,
    classes: Sequence[str],
    steps: int,
    metadata: dict[str, Any] | None = None,
) -> IntegerProgram:
    """The integer program that computes what ``prepared`` computes in evaluation mode.

    Args:
        prepared: what `shiftlif.quantize.prepare` returned, fine-tuned or not.
        quantizer: makes the int8 frames; its exponent must be the one given to ``prepare``.
        classes: a name for each output.
        steps: T of an inference.
        metadata: JSON-able provenance kept in the model file.

    Raises:
        CompileError: ``prepared`` is no prepared network, or exponents differ.
        RangeError: an accumulator could overflow; the message names the layer.
        ProgramError: class names or steps do not fit.
    """
    require_network(prepared)
    first = dict(prepared.layers.items()).get("input")
    if not isinstance(first, IntegerInput):
        raise CompileError(
            "convert needs a prepared network; call absorb(network), then prepare(absorbed, ...)"
        )
    if first.exponent != quantizer.exponent:
        raise CompileError(
            f"the network was prepared for input exponent {first.exponent}, the quantizer has "
            f"{quantizer.exponent}; pass input_exponent=quantizer.exponent to prepare"
        )
    operations: list[Operation] = []
    entry = Input("input", prepared.input_shape, quantizer.low, quantizer.high)
    with torch.no_grad():
        _convert_layers(prepared.layers, "", "", operations, entry)
    max_steps = largest_safe_steps(operations)
    readout = prepared.layers["readout"]
    assert isinstance(readout, IntegerReadout)  # prepare() ends every network with one
    return IntegerProgram(
        operations=with_proven_widths(operations, max_steps),
        quantizer=quantizer,
        steps=steps,
        max_steps=max_steps,
        classes=tuple(classes),
        output_unit=float(readout.unit[0]),
        metadata=dict(metadata or {}),
    )


def compile_network(
    absorbed: Network,
    *,
    quantizer: InputQuantizer,
    classes: Sequence[str],
    steps: int,
    weight_bits: int = 8,
    membrane_bits: int = 32,
    metadata: dict[str, Any] | None = None,
) -> IntegerProgram:
    """Post-training compilation: ``prepare`` and `convert` without fine-tuning.

    Args and errors as in `shiftlif.quantize.prepare` and `convert`.
    """
    exponent = quantizer.exponent
    prepared = prepare(
        absorbed, input_exponent=exponent, weight_bits=weight_bits, membrane_bits=membrane_bits
    )
    return convert(prepared, quantizer=quantizer, classes=classes, steps=steps, metadata=metadata)


def _ints(values: Tensor, dtype: type) -> npt.NDArray[Any]:
    array = values.detach().double().cpu().numpy()
    info = np.iinfo(dtype)
    if np.any(array != np.round(array)) or array.min() < info.min or array.max() > info.max:
        raise CompileError(
            f"a value does not fit {np.dtype(dtype).name}: range {array.min():g} to {array.max():g}"
        )
    return array.astype(dtype)


def _convert_layers(
    layers: nn.ModuleDict, prefix: str, source: str, operations: list[Operation], entry: Input
) -> str:
    for name, layer in layers.items():
        path = prefix + name
        if isinstance(layer, Residual):
            body = _convert_layers(layer.body, path + ".", source, operations, entry)
            shortcut = _convert_layers(layer.shortcut, path + ".shortcut.", source, operations, entry)
            operations.append(Add(path, (body, shortcut), layer.shifts))
        else:
            operations.append(_operation(path, layer, source, entry))
        source = path
    return source


def _operation(path: str, layer: nn.Module, source: str, entry: Input) -> Operation:
    if isinstance(layer, IntegerInput):
        return replace(entry, name=path)
    if isinstance(layer, QuantizedSynapse):
        weight = _ints(layer.integer_weight(), np.int8)
        if layer.geometry is None:
            return Linear(path, source, weight, layer.bits)
        return Conv(path, source, weight, weight_bits=layer.bits, **layer.geometry)
    if isinstance(layer, IntegerNeuron):
        return Neuron(
            path,
            source,
            leak_shift=layer.leak_shift,
            current_shift=layer.current_shift,
            bias=_ints(layer.integer_bias(), np.int32),
            thresholds=_ints(layer.thresholds, np.int32),
            resets=_ints(layer.resets, np.int32),
            letters=layer.alphabet.integer_levels,
            reset=layer.reset,
        )
    if isinstance(layer, IntegerReadout):
        return Accumulate(path, source, layer.current_shift, _ints(layer.integer_bias(), np.int32))
    if isinstance(layer, SumPool):
        return SumPoolOperation(path, source, layer.kernel, layer.stride)
    if isinstance(layer, MAXIMUM):
        rank = 1 if isinstance(layer, nn.MaxPool1d) else 2
        return MaxPool(path, source, per_axis(layer.kernel_size, rank), per_axis(layer.stride, rank))
    if isinstance(layer, nn.Flatten):
        return Flatten(path, source)
    raise CompileError(f"layer {path} ({type(layer).__name__}) has no integer operation")
