"""Other libraries: neurons that live in their networks, and import of networks that they trained.

``spikingjelly`` holds nodes that follow SpikingJelly's conventions. Neither library is imported here: what belongs to
one is recognised by where its class was defined.
"""

from shiftlif.interop.from_snntorch import from_snntorch
from shiftlif.interop.from_spikingjelly import from_spikingjelly
from shiftlif.interop.spikingjelly import Node

__all__ = ["Node", "from_snntorch", "from_spikingjelly"]
