"""Small programs that a person can compute by hand."""

from __future__ import annotations

import numpy as np

from shiftlif.program import Accumulate, Input, InputQuantizer, IntegerProgram, Linear, Neuron


def neuron(source="current", **changes):
    """One channel, letters 0, 1, 2 at thresholds 4 and 8, resets 4 and 8."""
    settings = {
        "leak_shift": 1,
        "current_shift": 0,
        "bias": np.array([0], np.int32),
        "thresholds": np.array([[4, 8]], np.int32),
        "resets": np.array([[0, 4, 8]], np.int32),
        "letters": np.array([0, 1, 2], np.int32),
        "reset": "soft",
        "membrane_bits": 16,
    }
    return Neuron(name="neuron", source=source, **{**settings, **changes})


def tiny(max_steps=16, steps=4, weight=1, **changes):
    """Input x -> weight -> one neuron -> read-out ``y += 3 letter + 1``."""
    operations = (
        Input("x", (1,)),
        Linear("current", "x", np.array([[weight]], np.int8)),
        neuron(**changes),
        Linear("readout", "neuron", np.array([[3]], np.int8), 4),
        Accumulate("y", "readout", 0, np.array([1], np.int32)),
    )
    return IntegerProgram(
        operations, InputQuantizer.identity(1), steps, max_steps, ("only",), 0.5, {"note": "hand-made"}
    )


def frames(*values):
    """One sample, one channel, one value per step: int8 ``[T, 1, 1]``."""
    return np.array(values, np.int8).reshape(-1, 1, 1)
