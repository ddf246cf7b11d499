"""Fused multi-step kernels: the neuron of SPEC 2 and 3 at the speed of memory, on the CPU and on CUDA devices.

A kernel runs all steps of a layer at once, keeps the membrane in registers or the nearest cache, and saves nothing
for the backward pass, which computes the membranes again from the currents.
"""

from shiftlif.kernels.call import Call
from shiftlif.kernels.dispatch import CHOICES, channel_size, choice, explain, runs_fused, use
from shiftlif.kernels.mechanism import Mechanism, mechanism_of
from shiftlif.kernels.operator import fused_sequence
from shiftlif.kernels.pooling import max_pool, pools_fused

__all__ = [
    "CHOICES",
    "Call",
    "Mechanism",
    "channel_size",
    "choice",
    "explain",
    "fused_sequence",
    "max_pool",
    "mechanism_of",
    "pools_fused",
    "runs_fused",
    "use",
]
