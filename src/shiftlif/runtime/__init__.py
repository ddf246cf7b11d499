"""The C runtime: one library for microcontrollers and computers, and the engine that runs it from Python."""

from shiftlif.runtime.engine import Engine, Stream, paths, unavailable
from shiftlif.runtime.equality import Comparison, require_equal
from shiftlif.runtime.lower import lower
from shiftlif.runtime.plan import Plan

__all__ = ["Comparison", "Engine", "Plan", "Stream", "lower", "paths", "require_equal", "unavailable"]
