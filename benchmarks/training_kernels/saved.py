"""What a layer keeps for its backward pass, and whether the contenders compute the same function."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.training_kernels.contenders import CONTENDERS, Neuron, missing
from benchmarks.training_kernels.timing import Record, failure

STEPS, NEURONS = 4, 65_536


def tasks(quick: bool) -> list[Record]:
    """One process."""
    return [{"threads": 1, "quick": quick}]


def _storage(tensor: Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def kept(neuron: Neuron, x: Tensor) -> Record:
    """Bytes saved per neuron and step: each storage once, without the input; with and without the output."""
    storages: dict[int, int] = {}
    alive = []  # an address may not be used again while it is counted

    def pack(tensor: Tensor) -> Tensor:
        address, n_bytes = _storage(tensor)
        storages[address] = n_bytes
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = neuron.call(x)
    own = {_storage(p)[0] for p in neuron.parameters}
    beyond = {a: n for a, n in storages.items() if a != _storage(x)[0] and a not in own}
    without_output = sum(n for a, n in beyond.items() if a != _storage(y)[0])
    return {
        "input": _storage(x)[0] in storages,
        "bytes_beyond_input": sum(beyond.values()) / x.numel(),
        "bytes_beyond_input_and_output": without_output / x.numel(),
    }


def _results(neuron: Neuron, x: Tensor, grad: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    y = neuron.call(x)
    return y.detach(), torch.autograd.grad(y, (x, *neuron.parameters), grad)


def difference(neuron: Neuron, other: Neuron, x: Tensor, grad: Tensor) -> Record:
    """How far two contenders are apart: share of equal spikes, largest difference of gradients."""
    y, grads = _results(neuron, x, grad)
    expected, expected_grads = _results(other, x, grad)
    same = y == expected
    whole = same.all(0)  # a neuron whose spikes agree at every step
    found = {
        "equal_spikes": same.float().mean().item(),
        "gradient_difference": (grads[0] - expected_grads[0])[:, whole].abs().max().item(),
    }
    if len(grads) > 1 and len(expected_grads) > 1:
        scale = expected_grads[1].abs().max().item()
        found["scale_gradient_difference"] = (grads[1] - expected_grads[1]).abs().max().item() / scale
    return found


def run(task: Record) -> Iterator[Record]:
    """A record per contender."""
    torch.manual_seed(0)
    x = torch.randn(STEPS, 1, NEURONS, requires_grad=True)
    grad = torch.randn_like(x)
    for name, contender in CONTENDERS.items():
        record: Record = {"contender": name, "T": STEPS, "N": NEURONS}
        reason = missing(contender)
        if reason is not None:
            yield {**record, "skipped": reason}
            continue
        torch._dynamo.reset()
        try:
            neuron = contender.build(STEPS, x.device)
            neuron.call(x)  # compiles before anything is counted
            record |= kept(neuron, x)
            if contender.equals is not None:
                other = CONTENDERS[contender.equals].build(STEPS, x.device)
                record |= {"compared_with": contender.equals, **difference(neuron, other, x, grad)}
        except Exception as error:
            record |= failure(error)
        yield record
