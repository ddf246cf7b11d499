"""Emission ``S = s Q(H / s)`` with its pseudo-derivative (SPEC 2 and 3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet, Uniform
from shiftlif.surrogate import ReLSGET, Surrogate, first_derivative_only, lsq_factor

_TABLES: dict[tuple[Alphabet, torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}


def _tables(alphabet: Alphabet, like: Tensor) -> tuple[Tensor, Tensor]:
    """Levels and boundaries as tensors beside ``like``; made once, since they are constants."""
    key = (alphabet, like.dtype, like.device)
    if key not in _TABLES:
        levels, boundaries = (
            torch.tensor(alphabet.levels),
            torch.tensor(alphabet.boundaries, dtype=torch.float64),
        )
        _TABLES[key] = (levels.to(like.device, like.dtype), boundaries.to(like.device, like.dtype))
    return _TABLES[key]


def letters(u: Tensor, alphabet: Alphabet) -> Tensor:
    """The letter Q(u) of each normalised membrane value, same shape and dtype as ``u``; NaN emits the top letter."""
    levels, boundaries = _tables(alphabet, u)
    if len(boundaries) == 1:
        return torch.where(u < boundaries[0], levels[0], levels[1])
    index = torch.bucketize(u.contiguous(), boundaries, right=True, out_int32=True)
    return levels.index_select(0, index.view(-1)).view(u.shape)


class _Emit(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, membrane: Tensor, scale: Tensor, alphabet: Alphabet, surrogate: Surrogate
    ) -> Tensor:
        u = membrane / scale
        q = letters(u, alphabet)
        ctx.save_for_backward(u, q, scale)
        ctx.alphabet, ctx.surrogate = alphabet, surrogate
        ctx.factor = lsq_factor(membrane.shape, scale.numel(), alphabet.n_levels)
        return q * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        first_derivative_only()
        u, q, scale = ctx.saved_tensors
        g = ctx.surrogate(u, ctx.alphabet)
        grad_membrane = grads[0] * g
        grad_scale = None
        if ctx.needs_input_grad[1]:
            grad_scale = (ctx.factor * (grads[0] * q - grad_membrane * u)).sum_to_size(scale.shape)
        return grad_membrane, grad_scale, None, None


def emit(membrane: Tensor, scale: Tensor, alphabet: Alphabet, surrogate: Surrogate) -> Tensor:
    """Spikes ``s Q(H / s)``.

    Args:
        membrane: H, ``[B, ...]``.
        scale: s > 0, broadcastable to ``membrane``.
        alphabet: the letter table Q.
        surrogate: g(u), the pseudo-derivative of Q.

    Returns:
        Spikes, same shape as ``membrane``. Gradients: ``dS/dH = g(u)``, and the LSQ form
        ``dS/ds = (Q(u) - u g(u)) / sqrt(N L)``, see `shiftlif.surrogate.lsq_factor`.
    """
    spikes: Tensor = _Emit.apply(membrane, scale, alphabet, surrogate)  # type: ignore[no-untyped-call]
    return spikes


def ReLSG_ET(x: Tensor, scale: Tensor, n_levels: int, alpha: float = 2.0, periodic: bool = True) -> Tensor:
    """Uniform emission with the surrogate of the description this project started from.

    A thin entry point onto `emit` with ``Uniform(n_levels - 1)``: values ``{0, s, ..., (n_levels-1) s}``.
    Unlike that sketch, the scale receives its LSQ gradient and the letters follow the table (a value
    on a boundary takes the upper letter). ``ReLSG_ET.apply`` is the same function.

    Args:
        x: membrane ``[B, ...]``.
        scale: s > 0, broadcastable to ``x``.
        n_levels: number of letters, 0 included (2 to 128).
        alpha: steepness of the surrogate.
        periodic: the sketch's bump at every letter (True) or exponential tails outside the range only.
    """
    return emit(x, torch.as_tensor(scale), Uniform(n_levels - 1), ReLSGET(alpha, periodic))


ReLSG_ET.apply = ReLSG_ET  # type: ignore[attr-defined]
