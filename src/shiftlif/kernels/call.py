"""One fused sequence as a value: what the kernels of every device are given."""

from __future__ import annotations

from typing import NamedTuple, overload

from torch import Tensor

from shiftlif.kernels.mechanism import Mechanism

N_TENSORS = 4
"""How many of a `Call`'s fields, from the first on, are what gradients may be asked of."""

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of spikes, last membrane and membranes; None is zero."""

Needs = tuple[bool, bool, bool, bool]
"""Which gradients are wanted: of currents, initial membrane, scale, decay."""


class Call(NamedTuple):
    """The arguments of a sequence.

    Attributes:
        currents: ``[steps, B, ...]``, or ``[1, B, ...]`` for the same frame at every step; float32 or bfloat16.
        initial: V before the first step, float32 ``[B, ...]``, or None for zero.
        scale: float32 ``[1]`` or ``[C]``; neuron j of a step's N has channel ``j // channel_size % C``.
        decay: 1 / tau, float32 scalar.
        steps: T.
        channel_size: neurons side by side that share a channel.
        mechanism: the neuron.
    """

    currents: Tensor
    initial: Tensor | None
    scale: Tensor
    decay: Tensor
    steps: int
    channel_size: int
    mechanism: Mechanism


@overload
def step_rows(tensor: Tensor) -> tuple[Tensor, int]: ...
@overload
def step_rows(tensor: Tensor | None) -> tuple[Tensor | None, int]: ...
def step_rows(tensor: Tensor | None) -> tuple[Tensor | None, int]:
    """``tensor [S, ...]`` with every step's slice contiguous, and the elements from one step to the next.

    The steps may lie anywhere: 0 elements repeat one step.
    """
    if tensor is None:
        return None, 0
    if not tensor.is_contiguous() and not tensor[0].is_contiguous():
        tensor = tensor.contiguous()
    return tensor, 0 if tensor.shape[0] == 1 else tensor.stride(0)


def contiguous(tensor: Tensor | None) -> Tensor | None:
    """``tensor`` in one piece, where there is one."""
    return None if tensor is None else tensor.contiguous()
