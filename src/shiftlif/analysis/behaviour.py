"""Whether a quantised network behaves like its original, layer by layer and in its answers.

Two networks of the same accuracy can fire very differently, and firing is what an inference costs
(arXiv:2604.14487).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from shiftlif.alphabet import Alphabet
from shiftlif.analysis.confidence import brier_score, expected_calibration_error, negative_log_likelihood
from shiftlif.analysis.firing import LayerBehaviour, LayerTally
from shiftlif.errors import DataError, NetworkError
from shiftlif.network import Network, Observation, evaluating, readout

Watch = Callable[[int, Observation], None]


@dataclass(frozen=True)
class Answers:
    """How good one network's class scores are, see `shiftlif.analysis.confidence`.

    Attributes:
        accuracy: share of right answers.
        calibration_error: in 15 bins of equal width.
        adaptive_calibration_error: in 15 bins of equal count.
        negative_log_likelihood: in nats.
        brier_score: 0 to 2.
    """

    accuracy: float
    calibration_error: float
    adaptive_calibration_error: float
    negative_log_likelihood: float
    brier_score: float


@dataclass(frozen=True)
class Behaviour:
    """A quantised network beside its original.

    Attributes:
        samples: how many were seen.
        steps: T.
        layers: every layer that emits letters, in order.
        agreement: share of samples on which both predict the same class.
        original: the original's answers; None without labels.
        quantised: the quantised network's answers; None without labels.
    """

    samples: int
    steps: int
    layers: tuple[LayerBehaviour, ...]
    agreement: float
    original: Answers | None
    quantised: Answers | None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return asdict(self)


@torch.no_grad()
def compare(
    original: Network,
    quantised: Network,
    batches: Iterable[Tensor],
    labels: Tensor | None = None,
    *,
    watch: Watch | None = None,
) -> Behaviour:
    """Run both networks on the same inputs and compare what they do, in evaluation mode.

    Counts are kept per layer, neuron and bin, and class scores per sample: memory does not grow with the data
    otherwise.

    Args:
        original: a float network, with scales or absorbed; left in the mode it was in.
        quantised: the prepared network (or any other with the same layer names and alphabets).
        batches: network inputs ``[T, B, *input_shape]``, all with the same T.
        labels: ``[N]``, of all samples in the order of the batches; None: answers are compared but not judged.
        watch: also called with every observation of a layer that emits letters, after 0 for the original and 1 for
            the quantised network; a batch of the original comes before the same one of the quantised network.

    Raises:
        NetworkError: the networks' neurons differ in name or alphabet.
        DataError: there is no batch, T changes, or there are not as many labels as samples.
    """
    tallies = {name: LayerTally(alphabet) for name, alphabet in _alphabets(original, quantised).items()}
    scores: tuple[list[Tensor], list[Tensor]] = ([], [])
    steps = 0
    with evaluating(original, quantised):
        for x in batches:
            if steps and len(x) != steps:
                raise DataError(f"a batch has T={len(x)} and the ones before T={steps}, expected the same T")
            steps = len(x)
            for which, network in enumerate((original, quantised)):
                outputs, _ = network.run(
                    x.to(next(network.parameters()).device), observer=_observer(tallies, which, watch)
                )
                scores[which].append(readout(outputs).cpu())
    if not steps:
        raise DataError("behaviour is compared on data, got no batch")
    logits = [torch.cat(parts) for parts in scores]
    if labels is not None and labels.shape != logits[0].shape[:1]:
        raise DataError(
            f"labels are {tuple(labels.shape)} for {len(logits[0])} samples, expected one per sample"
        )
    answers = [None if labels is None else _judge(found, labels.cpu()) for found in logits]
    return Behaviour(
        len(logits[0]),
        steps,
        tuple(tally.behaviour(name) for name, tally in tallies.items()),
        float((logits[0].argmax(1) == logits[1].argmax(1)).double().mean()),
        answers[0],
        answers[1],
    )


def _observer(
    tallies: dict[str, LayerTally], which: int, watch: Watch | None
) -> Callable[[Observation], None]:
    def observe(seen: Observation) -> None:
        if seen.name in tallies:
            tallies[seen.name].add(seen, which)
            if watch is not None:
                watch(which, seen)

    return observe


def _alphabets(original: Network, quantised: Network) -> dict[str, Alphabet]:
    """The alphabet of every layer that emits letters, the same in both networks."""
    first, second = _own_alphabets(original), _own_alphabets(quantised)
    if first.keys() != second.keys():
        raise NetworkError(
            f"the original has the neurons {sorted(first)} and the quantised network {sorted(second)}; compare "
            "a network with the one that prepare(absorb(network)) makes of it"
        )
    for name, alphabet in first.items():
        if second[name].levels != alphabet.levels:
            raise NetworkError(
                f"layer {name} has the letters {alphabet.levels} in the original and {second[name].levels} in the "
                "quantised network; behaviour is compared letter by letter, so give both the same alphabet"
            )
    return first


def _own_alphabets(network: Network) -> dict[str, Alphabet]:
    found = ((name, getattr(layer, "alphabet", None)) for name, layer in network.stateful_layers())
    return {name: alphabet for name, alphabet in found if isinstance(alphabet, Alphabet)}


def _judge(logits: Tensor, labels: Tensor) -> Answers:
    return Answers(
        float((logits.argmax(1) == labels).double().mean()),
        expected_calibration_error(logits, labels),
        expected_calibration_error(logits, labels, adaptive=True),
        negative_log_likelihood(logits, labels),
        brier_score(logits, labels),
    )
