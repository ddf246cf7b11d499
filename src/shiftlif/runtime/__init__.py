"""The C runtime: one library for microcontrollers and computers, and the engine that runs it from Python."""

from shiftlif.runtime.early import EarlyRule, decide
from shiftlif.runtime.engine import Engine, paths, unavailable
from shiftlif.runtime.equality import Comparison, require_equal
from shiftlif.runtime.lower import lower
from shiftlif.runtime.plan import Plan
from shiftlif.runtime.stream import Stream
from shiftlif.runtime.streaming import Classifier, Decision, InterpretedStream
from shiftlif.runtime.windows import Windows

__all__ = [
    "Classifier",
    "Comparison",
    "Decision",
    "EarlyRule",
    "Engine",
    "InterpretedStream",
    "Plan",
    "Stream",
    "Windows",
    "decide",
    "lower",
    "paths",
    "require_equal",
    "unavailable",
]
