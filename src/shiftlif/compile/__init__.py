"""The bridge: prepared network to integer program, and the proof that they are equal."""

from shiftlif.compile.convert import compile_network, convert
from shiftlif.compile.verify import Verification, trace, verify

__all__ = ["Verification", "compile_network", "convert", "trace", "verify"]
