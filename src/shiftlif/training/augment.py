"""Random changes of training samples, by name.

Each function takes a batch ``[B, C, ...]`` (normalised, float32) and a strength and returns a new batch of
that shape. Frames ``[B, T, C, ...]`` arrive with time and channels joined, so all frames of a sample
change alike. The randomness is torch's global generator, which the training task seeds at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def noise(x: Tensor, strength: float) -> Tensor:
    """Add Gaussian noise; ``strength`` is its deviation in units of the normalised input."""
    return x + strength * torch.randn_like(x)


def gain(x: Tensor, strength: float) -> Tensor:
    """Multiply each channel of each sample by a factor around 1; ``strength`` is its deviation."""
    return x * (1 + strength * torch.randn(*x.shape[:2], *(1,) * (x.ndim - 2), device=x.device))


def roll(x: Tensor, strength: float) -> Tensor:
    """Rotate each sample along its last axis by up to ``strength`` of the axis; what leaves comes back."""
    index, _ = _moved(x, -1, strength)
    return x.gather(-1, _spread(index, x, -1))


def shift(x: Tensor, strength: float) -> Tensor:
    """Move each sample along every spatial axis by up to ``strength`` of the axis; zeros come in."""
    for axis in range(2, x.ndim):
        index, inside = _moved(x, axis, strength)
        x = x.gather(axis, _spread(index, x, axis)) * _spread(inside, x, axis)
    return x


def mask(x: Tensor, strength: float) -> Tensor:
    """Zero one span of each sample's last axis, of up to ``strength`` of the axis (time; arXiv:1904.08779)."""
    return x * _outside_a_span(x, -1, strength)


def mask_channels(x: Tensor, strength: float) -> Tensor:
    """Zero one span of each sample's channels, up to ``strength`` of them (bands of a spectrogram; as `mask`)."""
    return x * _outside_a_span(x, 1, strength)


def flip(x: Tensor, strength: float) -> Tensor:
    """Mirror each sample along its last axis with probability ``strength``."""
    mirrored = torch.rand(len(x), *(1,) * (x.ndim - 1), device=x.device) < strength
    return torch.where(mirrored, x.flip(-1), x)


def drop_channels(x: Tensor, strength: float) -> Tensor:
    """Zero each channel of each sample with probability ``strength``."""
    kept = torch.rand(*x.shape[:2], *(1,) * (x.ndim - 2), device=x.device) >= strength
    return x * kept


AUGMENTATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "noise": noise,
    "gain": gain,
    "roll": roll,
    "shift": shift,
    "mask": mask,
    "mask_channels": mask_channels,
    "flip": flip,
    "drop_channels": drop_channels,
}
"""Names a configuration file may use."""


BY_CHANNEL = (gain, mask_channels, drop_channels)
"""Those that draw for each channel, and must draw once for all frames of a sample."""


def augment(x: Tensor, strengths: Mapping[str, float], frames: int = 1) -> Tensor:
    """Every named augmentation in turn, on ``[B, C, ...]``, or with several frames on ``[B, frames C, ...]``."""
    for name, strength in strengths.items():
        change = AUGMENTATIONS[name]
        if frames > 1 and change in BY_CHANNEL:
            apart = x.reshape(len(x), frames, -1, *x.shape[2:]).transpose(1, 2)
            x = change(apart, strength).transpose(1, 2).flatten(1, 2)
        else:
            x = change(x, strength)
    return x


def _moved(x: Tensor, axis: int, strength: float) -> tuple[Tensor, Tensor]:
    """For each sample, where each position comes from (wrapped), and whether that lies inside: ``[B, n]``."""
    length = x.shape[axis]
    reach = int(strength * length)
    offset = torch.randint(-reach, reach + 1, (len(x), 1), device=x.device)
    source = torch.arange(length, device=x.device) + offset
    return source % length, (source >= 0) & (source < length)


def _outside_a_span(x: Tensor, axis: int, strength: float) -> Tensor:
    """False in one span of each sample's axis, of random length and place, broadcast to the shape of ``x``."""
    length = x.shape[axis]
    width = torch.rand(len(x), 1, device=x.device) * strength * length
    start = torch.rand(len(x), 1, device=x.device) * length
    position = torch.arange(length, device=x.device)
    return _spread((position < start) | (position >= start + width), x, axis)


def _spread(rows: Tensor, x: Tensor, axis: int) -> Tensor:
    """``[B, n]`` broadcast to the shape of ``x``, n along ``axis``."""
    shape = [1] * x.ndim
    shape[0], shape[axis] = rows.shape
    return rows.view(shape).expand(x.shape)
