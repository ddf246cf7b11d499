"""A trained network whose class probabilities another network learns (knowledge distillation)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from shiftlif.errors import ConfigurationError, ModelFileError
from shiftlif.network import Network, readout
from shiftlif.training.batches import Data
from shiftlif.training.runs import load_run


class Teacher:
    """A frozen network; not a torch module, so that no checkpoint or optimiser of the student's holds its weights.

    Args:
        network: left in evaluation mode.
        steps: T at which it runs; 1 is shown one frame of an input that is the same at every step.
    """

    def __init__(self, network: Network, steps: int) -> None:
        self.network = network.eval().requires_grad_(False)
        self.steps = steps
        self._device = torch.device("cpu")

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Class scores ``[B, classes]`` of the inputs ``[T, B, C, ...]`` that the student sees."""
        if x.device != self._device:
            self.network.to(x.device)
            self._device = x.device
        # Inputs shown at every step are a view with stride 0: any number of steps can be had of one.
        shown = x if len(x) == self.steps else x[:1].expand(self.steps, *x.shape[1:])
        return readout(self.network(shown))


def load_teacher(folder: str | Path, data: Data) -> Teacher:
    """The network of a finished run as the teacher of another on the same data.

    Raises:
        ConfigurationError: there is no finished run, or it has other classes, other samples or another split, or, for
            a temporal set, another number of frames.
        ModelFileError: the folder is unreadable.
    """
    try:
        run = load_run(folder)
    except (ConfigurationError, ModelFileError) as error:
        raise type(error)(f"teacher: {error}") from error
    for what, its, wanted in (
        ("classes", run.classes, data.classes),
        ("samples of the shape", run.sample_shape, data.sample_shape),
        ("frames", run.steps if data.temporal else None, data.steps if data.temporal else None),
        ("data (fingerprint)", run.fingerprint[:8], data.fingerprint()[:8]),
    ):
        if its != wanted:
            raise ConfigurationError(
                f"teacher {folder}: has {what} {its}, this run has {wanted}; train the teacher on the same data set "
                "with the same split_seed and val_fraction"
            )
    return Teacher(run.network, run.steps)
