"""From an absorbed float network to one that computes the integer program's integers (SPEC 6).

Real values become integers times a unit: the input's unit is ``2**-exponent``, a letter's
``2**-fraction_bits``, a weight's ``delta`` (one per output channel, one for the whole read-out). A
membrane's unit follows, and the alphabet's boundaries divided by it are the channel's thresholds, so
no scale is left on the data path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from shiftlif.errors import CompileError, ConfigurationError
from shiftlif.network import Network, Residual, per_axis, require_network
from shiftlif.neuron import SpikingNeuron
from shiftlif.quantize.absorb import SYNAPSES, Synapse, check_absorbed
from shiftlif.quantize.integer import (
    EXACT_FLOAT32,
    IntegerInput,
    IntegerNeuron,
    IntegerReadout,
    QuantizedSynapse,
)
from shiftlif.quantize.narrow import narrow_units
from shiftlif.quantize.pooling import MAXIMUM, SumPool
from shiftlif.quantize.weights import check_bits, check_membrane_bits, weight_unit

FINEST_THRESHOLD = 64
"""Currents are shifted left until the smallest boundary is at least this many membrane units away."""
LARGEST_TABLE = 2**22
"""No threshold or reset exceeds this: a channel of tiny weights gets a coarser unit instead."""
MAX_CURRENT_SHIFT = 8


@dataclass
class _Wire:
    """Integers on a wire: their unit, the smallest and the largest magnitude, and the synapse of a current."""

    unit: float
    lowest: int
    largest: int
    synapse: QuantizedSynapse | None = None
    bias: Tensor | None = None
    path: str = ""


def prepare(
    network: Network, *, input_exponent: int, weight_bits: int = 8, membrane_bits: int = 32
) -> Network:
    """The quantisation-aware form of an absorbed network.

    It is trained like any network (float inputs, real class scores out, gradients through rounding)
    and its evaluation forward equals the integer program bit for bit.

    Args:
        network: absorbed; it is not changed.
        input_exponent: inputs are int8 integers times ``2**-input_exponent``.
        weight_bits: 8 or 4.
        membrane_bits: 32, or 16: the weights of a layer get coarser units where its membranes fit int16 then, and no
            unit has to grow more than fourfold (`shiftlif.quantize.narrow`). That halves the memory of their state.

    Returns:
        A network with the names of the given one, in evaluation mode, on the same device.

    Raises:
        CompileError: the network is not absorbed, or a layer cannot be compiled (named).
        ConfigurationError: bits or exponent out of range.
    """
    require_network(network)
    check_bits(weight_bits)
    check_membrane_bits(membrane_bits)
    if not 0 <= input_exponent <= 14:
        raise ConfigurationError(f"input_exponent must lie in 0..14, got {input_exponent!r}")
    check_absorbed(network)
    readout = list(network.layers)[-1]
    layers: dict[str, nn.Module] = {"input": IntegerInput(input_exponent)}
    wire = _Wire(2.0**-input_exponent, -128, 128)
    bits = (weight_bits, membrane_bits)
    wire = _prepare_layers(network.layers, "", wire, layers, bits, readout)
    assert wire.synapse is not None  # absorb() ends networks with Linear
    assert wire.bias is not None
    bound = float(wire.synapse.largest) * wire.synapse.weight[0].numel() * wire.largest
    unit = wire.synapse.delta * wire.unit
    layers["readout"] = IntegerReadout(wire.bias, unit, 0, bound, wide=True)
    return Network(layers, input_shape=network.input_shape).eval()


def _prepare_layers(
    source: nn.ModuleDict,
    prefix: str,
    wire: _Wire,
    target: dict[str, nn.Module],
    bits: tuple[int, int],
    readout: str,
) -> _Wire:
    for name, layer in source.items():
        path = prefix + name
        if name in ("input", "readout") and not prefix:
            raise CompileError(f"layer {name}: this name is taken by the integer program; rename the layer")
        if isinstance(layer, SYNAPSES):
            target[name], wire = _synapse(path, layer, wire, bits[0], per_channel=path != readout)
        elif isinstance(layer, SpikingNeuron):
            target[name], wire = _neuron(path, layer, wire, narrow=bits[1] == 16)
        elif isinstance(layer, SumPool):
            target[name] = SumPool(layer.kernel, layer.stride)
            size = math.prod(layer.kernel)
            wire = replace(wire, lowest=wire.lowest * size, largest=wire.largest * size)
        elif isinstance(layer, (*MAXIMUM, nn.Flatten)):
            target[name] = layer
        elif isinstance(layer, Residual):
            target[name], wire = _residual(path, layer, wire, bits)
        else:
            raise CompileError(
                f"layer {path} ({type(layer).__name__}) cannot be compiled; call absorb(network) first"
            )
    return wire


def convolution_geometry(layer: Synapse) -> dict[str, object] | None:
    """Stride, padding, dilation and groups of a convolution as `shiftlif.program.Conv` names them; None for Linear.

    Raises:
        CompileError: it pads unevenly.
    """
    if isinstance(layer, nn.Linear):
        return None
    rank = layer.weight.ndim - 2
    kernel, dilation = per_axis(layer.kernel_size, rank), per_axis(layer.dilation, rank)
    if isinstance(layer.padding, str):
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if layer.padding == "same" and any(r % 2 for r in reach):
            raise CompileError(
                f"padding='same' with kernel {kernel} pads unevenly; use an odd kernel or a number"
            )
        padding = tuple(r // 2 if layer.padding == "same" else 0 for r in reach)
    else:
        padding = per_axis(layer.padding, rank)
    return {
        "stride": per_axis(layer.stride, rank),
        "padding": padding,
        "dilation": dilation,
        "groups": layer.groups,
    }


def _synapse(
    path: str, layer: Synapse, wire: _Wire, bits: int, *, per_channel: bool
) -> tuple[QuantizedSynapse, _Wire]:
    if wire.synapse is not None:
        raise CompileError(
            f"layer {path} follows layer {wire.path}, which has weights too; put a neuron between them"
        )
    try:
        geometry = convolution_geometry(layer)
    except CompileError as error:
        raise CompileError(f"layer {path}: {error}") from None
    delta = weight_unit(layer.weight, bits, per_channel=per_channel)
    # A channel without weights needs some unit; any will do.
    delta = delta.clamp(min=max(float(delta.max()) * 2.0**-16, 2.0**-64))
    largest = 2 ** (bits - 1) - 1
    bound = layer.weight[0].numel() * largest * wire.largest
    prepared = QuantizedSynapse(layer.weight, delta, bits, geometry, wide=bound >= EXACT_FLOAT32)
    assert layer.bias is not None  # absorb() gives every synapse one
    return prepared, replace(wire, synapse=prepared, bias=layer.bias.detach(), path=path)


def _leak_shift(path: str, tau: float) -> int | None:
    if math.isinf(tau):
        return None
    shift = round(math.log2(tau))
    if abs(tau - 2.0**shift) > 1e-6 * tau:
        raise CompileError(
            f"layer {path}: tau is {tau:g}, but a leak by shift needs a power of two; train with tau {2.0**shift:g} "
            f"(beta = 1 - 1/tau = {1 - 2.0**-shift:g}), or call round_tau() on the neuron and fine-tune"
        )
    return shift


def _narrow(synapse: QuantizedSynapse, wire: _Wire, leak_shift: int, coarsest: float) -> None:
    """Coarsens the synapse's units where the membranes behind it fit 16 bits then."""
    assert wire.bias is not None
    inputs = (wire.lowest, wire.largest)
    weight, largest = synapse.weight, synapse.largest
    units = narrow_units(weight, synapse.delta, largest, inputs, wire.bias / wire.unit, leak_shift)
    if units is not None and float(units.max()) <= coarsest:
        synapse.delta.copy_(units)


def _neuron(path: str, neuron: SpikingNeuron, wire: _Wire, *, narrow: bool) -> tuple[IntegerNeuron, _Wire]:
    if wire.synapse is None or wire.bias is None:
        raise CompileError(f"layer {path} has no weights before it; put a Linear or Conv layer before it")
    leak_shift = _leak_shift(path, neuron.tau)
    alphabet = neuron.alphabet
    synapse = wire.synapse
    input_gain = 2.0**-leak_shift if neuron.decay_input and leak_shift is not None else 1.0
    boundaries = torch.tensor(alphabet.boundaries, dtype=torch.float64, device=synapse.delta.device)
    levels = torch.tensor(alphabet.levels, dtype=torch.float64, device=synapse.delta.device)
    subtracted = levels * neuron.reset_gain

    # Coarsen the unit of channels whose tables would not fit, then refine all by one current shift.
    reach = float(max(boundaries.abs().max(), subtracted.abs().max()))
    synapse.delta.clamp_(min=reach / (LARGEST_TABLE * wire.unit * input_gain))
    smallest = float(boundaries.abs().min())
    if narrow and leak_shift is not None:  # without a shift of the currents, which would widen them again
        coarsest = smallest / (FINEST_THRESHOLD * wire.unit * input_gain)
        _narrow(synapse, wire, leak_shift, coarsest)
    unit = synapse.delta.double() * wire.unit * input_gain
    shift = math.ceil(math.log2(FINEST_THRESHOLD * float(unit.max()) / smallest))
    shift = min(max(shift, 0), MAX_CURRENT_SHIFT)
    while shift and reach / (float(unit.min()) * 2.0**-shift) > LARGEST_TABLE:
        shift -= 1
    unit = unit * 2.0**-shift

    fan_in = synapse.weight[0].numel()
    current = fan_in * synapse.largest * wire.largest * 2**shift
    # A bias beyond every current by the last boundary sends that letter at every step, as any larger one does.
    table = math.ceil(reach / float(unit.min()))
    bias_limit = current + table
    # Leak by 2^m keeps the membrane below 2^m times its largest inflow (current and bias).
    bound = math.inf if leak_shift is None else 2**leak_shift * (current + bias_limit + 1) + table
    prepared = IntegerNeuron(
        wire.bias * input_gain,
        unit,
        torch.ceil(boundaries / unit.unsqueeze(1)),
        torch.floor(subtracted / unit.unsqueeze(1) + 0.5),
        leak_shift=leak_shift,
        current_shift=shift,
        alphabet=alphabet,
        surrogate=neuron.surrogate,
        reset=neuron.reset,
        detach_reset=neuron.detach_reset,
        reset_gain=neuron.reset_gain,
        bias_limit=float(bias_limit),
        wide=bound >= EXACT_FLOAT32,
    )
    sent = alphabet.integer_levels
    return prepared, _Wire(2.0**-alphabet.fraction_bits, min(int(sent.min()), 0), int(abs(sent).max()))


def _residual(path: str, layer: Residual, wire: _Wire, bits: tuple[int, int]) -> tuple[Residual, _Wire]:
    if wire.synapse is not None:
        raise CompileError(f"layer {path}: a residual block must start from letters; put a neuron before it")
    branches: list[dict[str, nn.Module]] = [{}, {}]
    body = _prepare_layers(layer.body, path + ".", wire, branches[0], bits, "")
    shortcut = _prepare_layers(layer.shortcut, path + ".shortcut.", wire, branches[1], bits, "")
    if body.synapse is not None or shortcut.synapse is not None:
        raise CompileError(f"layer {path}: both branches must end in letters; end each with a neuron")
    prepared = Residual()
    prepared.body, prepared.shortcut = nn.ModuleDict(branches[0]), nn.ModuleDict(branches[1])
    # Letters of real value n * unit * 2**shift, brought to the smaller of the two units.
    units = [body.unit * 2.0 ** layer.shifts[0], shortcut.unit * 2.0 ** layer.shifts[1]]
    common = min(units)
    shifts = tuple(round(math.log2(u / common)) for u in units)
    prepared.shifts = (shifts[0], shifts[1])
    largest = body.largest * 2 ** shifts[0] + shortcut.largest * 2 ** shifts[1]
    lowest = body.lowest * 2 ** shifts[0] + shortcut.lowest * 2 ** shifts[1]
    return prepared, _Wire(common, lowest, largest)
