"""Neurons of every library as contenders: a call over all steps and what besides its input is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.training_kernels import compiled
from shiftlif import LIF, QBLIF, IntLIF, ShiftLIF
from shiftlif.kernels import use
from shiftlif.surrogate import Rectangle

Call = Callable[[Tensor], Tensor]
STATIC_STEPS = 16  # longer sequences are compiled once for all sizes: unrolled, each takes minutes


class Neuron(NamedTuple):
    """A contender that was built.

    Attributes:
        call: currents ``[T, B, ...]`` to spikes.
        parameters: what is differentiated besides the currents.
    """

    call: Call
    parameters: tuple[Tensor, ...] = ()


class Contender(NamedTuple):
    """A neuron of a library.

    Attributes:
        build: makes it for a number of steps and a device.
        equals: the name of the contender whose function it is, to be compared with, or None.
        arrays: roughly how many arrays of the size of its input live at once, for the memory budget.
        package: what has to be installed.
        max_steps: the longest sequence it is measured on; None: any.
        half: whether it is measured in half precision too.
    """

    build: Callable[[int, torch.device], Neuron]
    equals: str | None
    arrays: int
    package: str = "shiftlif"
    max_steps: int | None = None
    half: bool = False


def _ours(make: Callable[[], nn.Module], kernels: str) -> Callable[[int, torch.device], Neuron]:
    def build(steps: int, device: torch.device) -> Neuron:
        neuron = make().to(device)

        def call(x: Tensor) -> Tensor:
            with use(kernels):
                spikes: Tensor = neuron(x)
            return spikes

        return Neuron(call, tuple(p for p in neuron.parameters() if p.requires_grad))

    return build


def _compile(call: Any, steps: int, *, fullgraph: bool = True) -> Any:
    return torch.compile(call, fullgraph=fullgraph, dynamic=steps > STATIC_STEPS)


def _compiled_lif(function: Call) -> Callable[[int, torch.device], Neuron]:
    return lambda steps, device: Neuron(_compile(function, steps))


def _compiled_shiftlif(steps: int, device: torch.device) -> Neuron:
    scale = nn.Parameter(torch.ones(1, device=device))
    function = _compile(compiled.shiftlif_sequence, steps)
    return Neuron(lambda x: function(x, scale), (scale,))


def _compiled_reference(steps: int, device: torch.device) -> Neuron:
    neuron = ShiftLIF(K=3).to(device)
    function = _compile(neuron, steps, fullgraph=False)

    def call(x: Tensor) -> Tensor:
        with use("reference"):
            spikes: Tensor = function(x)
        return spikes

    return Neuron(call, (neuron.scale,))


def _spikingjelly(make: Callable[[], Any], compile_: bool = False) -> Callable[[int, torch.device], Neuron]:
    def build(steps: int, device: torch.device) -> Neuron:
        from spikingjelly.activation_based import functional

        node = make().to(device)
        run = _compile(node, steps, fullgraph=False) if compile_ else node

        def call(x: Tensor) -> Tensor:
            functional.reset_net(node)  # the membrane of the call before is still in it
            spikes: Tensor = run(x)
            return spikes

        return Neuron(call)

    return build


def spikingjelly_lif() -> Any:
    """SpikingJelly's LIF with the parameters of `LIF`: tau 2, soft reset, ATan."""
    from spikingjelly.activation_based import neuron, surrogate

    return neuron.LIFNode(tau=2.0, v_reset=None, surrogate_function=surrogate.ATan(), step_mode="m")


def _spikingjelly_ilif() -> Any:
    from spikingjelly.activation_based import neuron

    return neuron.ILIFNode(step_mode="m")


def ilif() -> IntLIF:
    """Ours with the parameters of SpikingJelly's I-LIF."""
    return IntLIF(L=4, tau=4 / 3, decay_input=False, surrogate=Rectangle())


def _snntorch(steps: int, device: torch.device) -> Neuron:
    import snntorch

    leaky = snntorch.Leaky(beta=0.5, reset_mechanism="subtract").to(device)

    def call(x: Tensor) -> Tensor:
        membrane = leaky.reset_mem()
        spikes = []
        for t in range(steps):
            spike, membrane = leaky(x[t], membrane)
            spikes.append(spike)
        return torch.stack(spikes)

    return Neuron(call)


CONTENDERS: dict[str, Contender] = {
    "shiftlif LIF": Contender(_ours(LIF, "fused"), "eager LIF", 4, half=True),
    "shiftlif ShiftLIF": Contender(_ours(lambda: ShiftLIF(K=3), "fused"), "eager ShiftLIF", 4, half=True),
    "shiftlif QBLIF": Contender(_ours(QBLIF, "fused"), "eager QBLIF", 4, half=True),
    "shiftlif IntLIF": Contender(_ours(ilif, "fused"), "eager IntLIF", 4, half=True),
    "eager LIF": Contender(_ours(LIF, "reference"), None, 10),
    "eager ShiftLIF": Contender(_ours(lambda: ShiftLIF(K=3), "reference"), None, 10, half=True),
    "eager QBLIF": Contender(_ours(QBLIF, "reference"), None, 10),
    "eager IntLIF": Contender(_ours(ilif, "reference"), None, 10, max_steps=1),  # for the comparison only
    "torch.compile LIF, steps": Contender(_compiled_lif(compiled.lif_steps), "eager LIF", 6, max_steps=4),
    "torch.compile LIF, sequence": Contender(_compiled_lif(compiled.lif_sequence), "eager LIF", 6),
    "torch.compile ShiftLIF, sequence": Contender(_compiled_shiftlif, "eager ShiftLIF", 6),
    "torch.compile ShiftLIF, reference": Contender(_compiled_reference, "eager ShiftLIF", 10, max_steps=4),
    "SpikingJelly LIF": Contender(
        _spikingjelly(spikingjelly_lif), "eager LIF", 10, "spikingjelly", half=True
    ),
    "SpikingJelly LIF, compiled": Contender(
        _spikingjelly(spikingjelly_lif, compile_=True), "eager LIF", 10, "spikingjelly", max_steps=4
    ),
    "SpikingJelly ILIF": Contender(
        _spikingjelly(_spikingjelly_ilif), "eager IntLIF", 10, "spikingjelly", half=True
    ),
    "snnTorch Leaky": Contender(_snntorch, None, 14, "snntorch"),
}


def missing(contender: Contender) -> str | None:
    """Why a contender cannot be built here, or None."""
    return None if find_spec(contender.package) else f"{contender.package} is not installed"
