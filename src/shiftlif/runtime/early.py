"""When a running read-out is sure enough: the rule that ends an inference before its last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.errors import ConfigurationError

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EarlyRule:
    """Decide at the first step at which the best class has been the same, and sure, for ``patience`` steps in a row.

    Sure is a softmax probability of at least ``confidence``, of the class scores as trained: the mean of the read-out
    over the steps so far. With label smoothing or without calibration it is no probability of being right; measure
    what a threshold costs (`decide`).

    Attributes:
        confidence: above 0, at most 1; None never ends early.
        patience: steps in a row, at least 1.
        min_steps: no decision before this step, counted from 1.

    Raises:
        ConfigurationError: on a value out of its range.
    """

    confidence: float | None = None
    patience: int = 1
    min_steps: int = 1

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0 < self.confidence <= 1:
            raise ConfigurationError(
                f"early decision: confidence is {self.confidence}, expected a probability above 0, at most 1"
            )
        for name in ("patience", "min_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(
                    f"early decision: {name} is {value!r}, expected a whole number from 1"
                )


def probabilities(readout: Int32, unit: float, steps: int) -> Float64:
    """Softmax of the class scores: ``[..., classes]`` from the read-out after ``steps`` steps.

    Args:
        readout: integer sums ``[..., classes]``.
        unit: ``program.output_unit``.
        steps: how many steps were summed.
    """
    return softmax(readout.astype(np.float64) * (unit / steps))


def softmax(scores: Float64) -> Float64:
    """Probabilities ``[..., classes]`` of class scores ``[..., classes]``."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Float64 = powers / powers.sum(axis=-1, keepdims=True)
    return result


class Watch:
    """Follows the read-outs of one inference by a rule."""

    def __init__(self, rule: EarlyRule, unit: float) -> None:
        self._rule, self._unit = rule, unit
        self._best, self._streak = -1, 0

    def sure(self, readout: Int32, step: int) -> bool:
        """Whether the read-out ``[classes]`` after ``step`` steps (counted from 1) ends the inference."""
        rule = self._rule
        if rule.confidence is None:
            return False
        best = int(readout.argmax())
        scores = readout * (self._unit / step)
        # The probability of the best class, as `probabilities` gives it: the largest power is 1.
        if 1.0 / float(np.exp(scores - scores[best]).sum()) < rule.confidence:
            self._best, self._streak = -1, 0
            return False
        self._streak = self._streak + 1 if best == self._best else 1
        self._best = best
        return self._streak >= rule.patience and step >= rule.min_steps


def decide(readouts: Int32, unit: float, rule: EarlyRule) -> tuple[Int64, Int64]:
    """What a rule makes of recorded read-outs, for choosing its threshold.

    Args:
        readouts: int32 ``[T, B, classes]``, such as ``engine.run(frames, record=True).membranes[program.output]``.
        unit: ``program.output_unit``.
        rule: when to end.

    Returns:
        The class index and the number of steps of each sample, int64 ``[B]``.
    """
    steps, batch = readouts.shape[:2]
    classes, used = np.empty(batch, np.int64), np.empty(batch, np.int64)
    for sample in range(batch):
        watch, step = Watch(rule, unit), 1
        while step < steps and not watch.sure(readouts[step - 1, sample], step):
            step += 1
        classes[sample], used[sample] = readouts[step - 1, sample].argmax(), step
    return classes, used


def margin(readout: Int32) -> int:
    """How far the best class is before the second, in integer units; 0 where there is one class."""
    if readout.size < 2:
        return 0
    ordered: npt.NDArray[Any] = np.sort(readout.astype(np.int64))
    return int(ordered[-1] - ordered[-2])
