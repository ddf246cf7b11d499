"""The training loop of the description this project started from, without a trainer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from shiftlif.errors import CompileError, ConfigurationError, DataError, NetworkError
from shiftlif.network import Network, direct_code, readout, require_network
from shiftlif.neuron import QBLIF, ShiftLIF, ShiftLIFNeuron
from shiftlif.quantize import absorb as absorbed_copy
from shiftlif.quantize import absorb_scales_to_weights, check_absorbed


def train_shiftlif(
    model: Network,
    dataloader: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    n_timesteps: int = 4,
    *,
    epochs: int = 1,
    absorb: bool = True,
) -> Network:
    """Train with cross-entropy on the mean of the outputs over time, then absorb the scales once.

    Args:
        model: trained in place, left in evaluation mode.
        dataloader: batches ``(x [B, C, ...], labels [B])``; it is iterated once per epoch.
        optimizer: over the parameters of ``model``.
        n_timesteps: how often each frame is presented.
        epochs: passes over the data.
        absorb: False returns ``model`` itself, scales and all, to be trained on.

    Returns:
        ``model``, its every scale 1 unless ``absorb`` is False (see `shiftlif.quantize.absorb`).

    Raises:
        ConfigurationError: ``n_timesteps`` or ``epochs`` is below 1.
        NetworkError: ``model`` is no `Network`, or its scales are absorbed already.
        CompileError: ``absorb`` is True and a layer cannot be absorbed; nothing was trained.
        DataError: there is no batch, a sample or a loss is not finite.
    """
    require_network(model)
    for name, value in (("n_timesteps", n_timesteps), ("epochs", epochs)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}")
    if _is_absorbed(model):
        raise NetworkError(
            "the scales of this network are absorbed already, so there is none left to train; train the "
            "network that absorb() was given, or fine-tune with shiftlif.quantize.prepare"
        )
    if absorb:
        absorbed_copy(model)  # a network that cannot be absorbed is refused before it is trained
    model.train()
    for epoch in range(epochs):
        batches = 0
        for x, labels in dataloader:
            if not torch.isfinite(x).all():
                raise DataError(
                    f"batch {batches + 1} of epoch {epoch + 1} holds NaN or infinity; repair or remove such samples "
                    "(letters would hide them)"
                )
            optimizer.zero_grad()
            loss = F.cross_entropy(readout(model(direct_code(x, n_timesteps))), labels)
            if not torch.isfinite(loss):
                raise DataError(
                    f"the loss of epoch {epoch + 1}, batch {batches + 1} is {float(loss)}; lower the "
                    "learning rate"
                )
            torch.autograd.backward(loss)
            optimizer.step()
            batches += 1
        if batches == 0:
            raise DataError(
                f"the data loader gave no batch in epoch {epoch + 1}; pass one that can be iterated again"
            )
    return absorb_scales_to_weights(model) if absorb else model.eval()


def _is_absorbed(model: Network) -> bool:
    """Whether a neuron whose scale should be learnt is there, and no layer holds a scale any more."""
    if not any(isinstance(layer, ShiftLIF | QBLIF | ShiftLIFNeuron) for _, layer in model.stateful_layers()):
        return False
    try:
        check_absorbed(model)
    except CompileError:
        return False
    return True
