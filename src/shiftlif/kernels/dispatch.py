"""Which rendering of the neuron runs: the fused kernels or the eager reference.

The two give the same spikes, bit for bit, and the same gradients to rounding, so the choice is one of speed. It is
never silent where it matters: ``use("fused")`` raises where the kernels cannot run, and `explain` says why.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from threading import local

import torch
from torch import Tensor

from shiftlif.errors import ConfigurationError, NetworkError
from shiftlif.kernels import cpu
from shiftlif.kernels.mechanism import Mechanism

CHOICES = ("auto", "fused", "reference")
VARIABLE = "SHIFTLIF_KERNELS"
_LOCAL = local()
LEAST_TRITON = (3, 4)  # keeps tuples of tensors in registers; older ones cannot compile the kernels
_WARNED: set[str] = set()


def _checked(choice: str, origin: str) -> str:
    if choice not in CHOICES:
        raise ConfigurationError(f"{origin} must be one of {', '.join(CHOICES)}, got {choice!r}")
    return choice


_DEFAULT = _checked(os.environ.get(VARIABLE, "auto"), f"the environment variable {VARIABLE}")


def choice() -> str:
    """What this thread asked for, else ``$SHIFTLIF_KERNELS``, else ``auto``."""
    current: str = getattr(_LOCAL, "choice", _DEFAULT)
    return current


@contextmanager
def use(choice_: str) -> Iterator[None]:
    """Choose the rendering inside a ``with`` block, for this thread.

    Args:
        choice_: ``auto`` (kernels where they can run), ``fused`` (an error where they cannot) or ``reference``.

    Raises:
        ConfigurationError: another name.
    """
    _checked(choice_, "kernels")
    before = choice()
    _LOCAL.choice = choice_
    try:
        yield
    finally:
        _LOCAL.choice = before


def channel_size(scale: Tensor, currents: Tensor) -> int | None:
    """How many neurons of ``currents [S, B, C, ...]`` side by side share a scale; None: a shape the kernels lack."""
    if scale.numel() == 1:
        return 1
    rank = currents.ndim - 1
    if scale.ndim != rank or rank < 2 or any(n != 1 for i, n in enumerate(scale.shape) if i != 1):
        return None
    if scale.shape[1] != currents.shape[2]:
        return None
    size = 1
    for n in currents.shape[3:]:
        size *= n
    return size


_NO_TRITON = "triton 3.4 or newer is not installed; pip install 'shiftlif[gpu]'"


@cache
def _triton_compiles() -> bool:
    try:
        return tuple(int(n) for n in version("triton").split(".")[:2]) >= LEAST_TRITON
    except PackageNotFoundError:
        return False


def _missing(device: str) -> str | None:
    if device == "cpu":
        if cpu.unavailable is not None:
            _warn_once(f"training runs the slow eager reference: {cpu.unavailable}")
        return cpu.unavailable
    if device == "cuda":
        return None if _triton_compiles() else _NO_TRITON
    return f"there are kernels for cpu and cuda tensors, not for {device}"


def _warn_once(message: str) -> None:
    if message not in _WARNED:
        _WARNED.add(message)
        warnings.warn(message, stacklevel=2)


def explain(
    mechanism: Mechanism | str, currents: Tensor, initial: Tensor | None, scale: Tensor, decay: Tensor
) -> str | None:
    """Why the fused kernels cannot run this call; None when they can. ``mechanism`` as `mechanism_of` gives it."""
    if isinstance(mechanism, str):
        return mechanism
    if currents.dtype not in (torch.float32, torch.bfloat16):
        return f"the kernels take float32 and bfloat16 currents, these are {currents.dtype}"
    for name, tensor in (("scale", scale), ("decay", decay), ("state", initial)):
        if tensor is None:
            continue
        if tensor.dtype != torch.float32:
            return f"the kernels take a float32 {name}, this one is {tensor.dtype}"
        if tensor.device != currents.device:
            return f"the {name} is on {tensor.device}, the currents are on {currents.device}"
    if decay.numel() != 1:
        return f"the kernels take one decay per layer, this one has shape {tuple(decay.shape)}"
    if channel_size(scale, currents) is None:
        return f"the kernels take one scale per layer or channel, this one has shape {tuple(scale.shape)}"
    return _missing(currents.device.type)


def runs_fused(
    mechanism: Mechanism | str, currents: Tensor, initial: Tensor | None, scale: Tensor, decay: Tensor
) -> bool:
    """Whether this call goes to the kernels; arguments as `explain`.

    Raises:
        NetworkError: ``fused`` was asked for and the kernels cannot run it.
    """
    wanted = choice()
    if wanted == "reference":
        return False
    reason = explain(mechanism, currents, initial, scale, decay)
    if reason is not None and wanted == "fused":
        raise NetworkError(f"the fused kernels cannot run this neuron: {reason}; or use the reference")
    return reason is None
