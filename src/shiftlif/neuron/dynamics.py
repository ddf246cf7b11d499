"""What neurons of other dynamics share: they stand where a `SpikingNeuron` stands, with steps of their own."""

from __future__ import annotations

from torch import Tensor

from shiftlif.neuron.modules import SpikingNeuron


class OtherDynamics(SpikingNeuron):
    """A neuron that defines ``run`` itself; its state is one tensor ``[B, planes, ...]``, batch first.

    The first plane is the membrane. What `run` records is the membrane alone, ``[T, B, ...]``.
    """

    refusal = "its steps are not those that the integer program computes"

    def step(self, current: Tensor, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step: ``(current [B, ...], state or None for the zero state) -> (spikes [B, ...], state)``."""
        spikes, last, _ = self.run(current.unsqueeze(0), membrane)
        assert last is not None  # run was asked for it
        return spikes[0], last
