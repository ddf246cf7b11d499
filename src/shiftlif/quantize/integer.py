"""Layers that compute with integers held in floats, and still have gradients (SPEC 6 and 9).

In a prepared network every wire carries integers, exactly as in the integer program. Forward, each
layer computes the program's result; backward, rounding passes gradients straight through and
emission uses its surrogate. Integers below 2^24 are exact in float32; a layer whose proven bound
exceeds that computes in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shiftlif.alphabet import Alphabet, Binary
from shiftlif.network import StatefulLayer
from shiftlif.neuron import emit
from shiftlif.neuron.straight_through import straight_through
from shiftlif.surrogate import Surrogate

EXACT_FLOAT32 = 2**24


def round_half_up(x: Tensor) -> Tensor:
    """Round to integers with the gradient of the identity."""
    return straight_through(x, torch.floor(x + 0.5))


def floor(x: Tensor) -> Tensor:
    """Floor with the gradient of the identity."""
    return straight_through(x, torch.floor(x))


class IntegerInput(nn.Module):
    """The int8 frame of a dequantised input: ``x 2**exponent``."""

    def __init__(self, exponent: int) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        """Integers held in floats, same shape."""
        return torch.floor(x * 2.0**self.exponent + 0.5)


class QuantizedSynapse(nn.Module):
    """Linear or convolution with integer weights ``round(W / delta)`` and no bias.

    Args:
        weight: float shadow weights ``[out, in, *kernel]``; they are what training changes.
        delta: real value of one weight unit, one per output channel ``[out]``.
        bits: 8 or 4, symmetric.
        geometry: stride, padding, dilation, groups of a convolution, or None for Linear.
        wide: compute in float64, because the proven bound exceeds 2^24.
    """

    def __init__(
        self, weight: Tensor, delta: Tensor, bits: int, geometry: dict[str, Any] | None, *, wide: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.register_buffer("delta", delta.detach().clone())
        self.delta: Tensor
        self.bits = bits
        self.geometry = geometry
        self.wide = wide

    @property
    def largest(self) -> int:
        """The largest weight magnitude, 127 or 7."""
        return int(2 ** (self.bits - 1) - 1)

    def integer_weight(self) -> Tensor:
        """Integer weights held in floats, with a straight-through gradient inside the range."""
        scaled = self.weight / self.delta.view(-1, *(1,) * (self.weight.ndim - 1))
        return round_half_up(scaled.clamp(-self.largest, self.largest))

    def forward(self, x: Tensor) -> Tensor:
        """Integer currents ``[B, out, ...]`` of integer letters ``[B, in, ...]``."""
        # Anything but plain float32 (autocast, bfloat16 or TF32 products) would round integers.
        exact32 = torch.get_float32_matmul_precision() == "highest" and not x.is_cuda
        wide = self.wide or not (exact32 or self.training)
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.float64 if wide else torch.float32
            x, weight = x.to(dtype), self.integer_weight().to(dtype)
            if self.geometry is None:
                return F.linear(x, weight)
            convolve = F.conv1d if weight.ndim == 3 else F.conv2d
            y: Tensor = convolve(x, weight, **self.geometry)
            return y

    def extra_repr(self) -> str:
        """What ``print(network)`` shows."""
        return f"int{self.bits} {list(self.weight.shape)}, {self.geometry or 'linear'}, wide={self.wide}"


class _EmitInteger(torch.autograd.Function):
    """Letters by comparing integer membranes with integer thresholds, and the membrane after a soft reset.

    Backward, the letter has the surrogate's slope, and the rounded reset follows the letter it stands for: g and
    ``1 - gain g`` in real units, with a gain of 0 for a reset that is left out of the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        v: Tensor,
        thresholds: Tensor,
        resets: Tensor,
        unit: Tensor,
        alphabet: Alphabet,
        surrogate: Surrogate,
        gain: float,
    ) -> tuple[Tensor, Tensor]:
        # Letter and reset climb from step to step of their tables: sums of integers, so exact.
        levels = alphabet.integer_levels.tolist()
        letter, after = torch.full_like(v, levels[0]), v - resets[0]
        for threshold, rise, deeper in zip(
            thresholds, np.diff(levels).tolist(), resets.diff(dim=0), strict=True
        ):
            reached = (v >= threshold).to(v.dtype)
            letter.add_(reached, alpha=rise)
            after.addcmul_(reached, deeper, value=-1)
        ctx.save_for_backward(v, unit)
        ctx.alphabet, ctx.surrogate, ctx.gain = alphabet, surrogate, gain
        return letter, after

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None, None, None]:
        v, unit = ctx.saved_tensors
        g = ctx.surrogate(v * unit, ctx.alphabet)
        grad = grads[0] * g * (unit * 2.0**ctx.alphabet.fraction_bits) + grads[1]
        if ctx.gain:
            grad.addcmul_(grads[1], g, value=-ctx.gain)
        return grad, None, None, None, None, None, None


class _Integrator(StatefulLayer):
    """What neurons and the read-out share: a current shift, a bias and the real value of a unit."""

    def __init__(
        self, bias: Tensor, unit: Tensor, current_shift: int, bias_limit: float, *, wide: bool
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.detach().clone())
        self.register_buffer("unit", unit.detach().clone())
        self.unit: Tensor
        self.current_shift = current_shift
        self.bias_limit = bias_limit
        self.wide = wide

    def integer_bias(self) -> Tensor:
        """Integer bias ``[C]`` held in float64, with a straight-through gradient."""
        return round_half_up((self.bias.double() / self.unit).clamp(-self.bias_limit, self.bias_limit))

    def _inflow(self, currents: Tensor) -> Tensor:
        """``(current << shift) + bias``, ``[T, B, C, ...]``."""
        dtype = torch.float64 if self.wide else torch.float32
        bias = _by_channel(self.integer_bias().to(dtype), currents.ndim - 1)
        return currents.to(dtype) * 2.0**self.current_shift + bias


def _by_channel(values: Tensor, rank: int) -> Tensor:
    """``[C]`` or ``[C, n]`` as ``[1, C, 1, ...]`` or ``[n, 1, C, 1, ...]``, to broadcast over ``[B, C, ...]``."""
    if values.ndim == 2:
        return values.t().reshape(values.shape[1], 1, -1, *(1,) * (rank - 2))
    return values.view(1, -1, *(1,) * (rank - 2))


class IntegerNeuron(_Integrator):
    """The program's neuron: ``v -= v >> m``, add, compare, emit, subtract.

    Args:
        bias: real bias ``[C]`` of the layer's currents.
        unit: real value of one membrane unit ``[C]``.
        thresholds: integer membranes ``[C, L]``; the letter is the number of thresholds ``<= v``.
        resets: integer membranes ``[C, L + 1]`` that each letter subtracts.
        leak_shift: m, or None for no leak.
        current_shift: currents are shifted left by this before they are added.
        alphabet: the letters.
        surrogate: g(u) for the backward pass.
        reset: ``soft`` or ``hard``.
        detach_reset: leave the reset out of the gradient.
        reset_gain: how many letters ``resets`` subtracts; the gradient of the reset follows it.
        bias_limit: integer biases are clamped to this magnitude.
        wide: compute in float64.
    """

    def __init__(
        self,
        bias: Tensor,
        unit: Tensor,
        thresholds: Tensor,
        resets: Tensor,
        *,
        leak_shift: int | None,
        current_shift: int,
        alphabet: Alphabet,
        surrogate: Surrogate,
        reset: str,
        detach_reset: bool,
        reset_gain: float,
        bias_limit: float,
        wide: bool,
    ) -> None:
        super().__init__(bias, unit, current_shift, bias_limit, wide=wide)
        self.register_buffer("thresholds", thresholds.detach().clone())
        self.register_buffer("resets", resets.detach().clone())
        self.thresholds: Tensor
        self.resets: Tensor
        self.leak_shift = leak_shift
        self.alphabet = alphabet
        self.surrogate = surrogate
        self.reset = reset
        self.detach_reset = detach_reset
        self.reset_gain = reset_gain

    def run(self, currents: Tensor, membrane: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Integer letters, last membrane and all membranes, like `SpikingNeuron.run`."""
        inflow = self._inflow(currents)
        rank = inflow.ndim - 1
        v = torch.zeros_like(inflow[0]) if membrane is None else membrane.to(inflow.dtype)
        unit = _by_channel(self.unit.to(inflow.dtype), rank)
        thresholds = _by_channel(self.thresholds.to(inflow.dtype), rank)
        resets = _by_channel(self.resets.to(inflow.dtype), rank)
        gain = 0.0 if self.detach_reset else self.reset_gain
        letters, membranes = [], []
        for current in inflow.unbind(0):
            v = self._leaked(v) + current
            letter, after = _EmitInteger.apply(  # type: ignore[no-untyped-call]
                v, thresholds, resets, unit, self.alphabet, self.surrogate, gain
            )
            v = after if self.reset == "soft" else v * (1 - self._cleared(v, letter, unit))
            letters.append(letter)
            membranes.append(v)
        return torch.stack(letters).float(), v, torch.stack(membranes)

    def _leaked(self, v: Tensor) -> Tensor:
        return v if self.leak_shift is None else v - floor(v * 2.0**-self.leak_shift)

    def before_emission(self, currents: Tensor, membranes: Tensor) -> Tensor:
        """The integer membranes ``[T, B, ...]`` that met the thresholds, of a sequence from the zero state.

        Args:
            currents: what was given to `run`.
            membranes: after each step, as `run` returned them.
        """
        before = torch.cat([torch.zeros_like(membranes[:1]), membranes[:-1]])
        return self._leaked(before) + self._inflow(currents)

    def _cleared(self, v: Tensor, letter: Tensor, unit: Tensor) -> Tensor:
        """1 where a hard reset clears the membrane, with the gradient that the float neuron gives it."""
        cleared = (letter.detach() != 0).to(v.dtype)
        if self.detach_reset:
            return cleared
        if not self.alphabet.signed:
            return straight_through(letter * 2.0**-self.alphabet.fraction_bits, cleared)
        u, one = v * unit, torch.ones((), dtype=v.dtype, device=v.device)
        up, down = (emit(x, one, Binary(), self.surrogate) for x in (u, -u))
        return straight_through(up + down, cleared)

    def extra_repr(self) -> str:
        """What ``print(network)`` shows."""
        return (
            f"{self.alphabet.name}, leak_shift={self.leak_shift}, current_shift={self.current_shift}, "
            f"reset={self.reset}, wide={self.wide}"
        )


class IntegerReadout(_Integrator):
    """The program's read-out ``y += (x << shift) + bias``.

    Its outputs are the increments of each step as real class scores, so that their mean over time is
    what the float network gives; its membranes are the integer sums y.
    """

    def run(self, currents: Tensor, membrane: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Real class scores ``[T, B, classes]``, last sum and all sums; arguments like `SpikingNeuron.run`."""
        inflow = self._inflow(currents)
        sums = inflow.cumsum(0) if membrane is None else inflow.cumsum(0) + membrane
        return (inflow * self.unit).float(), sums[-1], sums
