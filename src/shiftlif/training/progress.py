"""How far something is: what training, deployment and evaluation tell whoever shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from torch import Tensor


class Report(Protocol):
    """Called again and again while one stage goes on."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None:
        """So many are done of so many in all; ``note`` is a word on how it goes."""


class Stages(Protocol):
    """Shows stages that follow one another."""

    def __call__(self, stage: str, unit: str = "samples", /) -> Report:
        """The report of a stage: what it does, as in ``verifying``, and what it counts."""


def report_of(progress: bool | Stages, stage: str, unit: str = "samples") -> Report:
    """The report of a stage, or one that shows nothing where no stages are shown."""
    return _silent if isinstance(progress, bool) else progress(stage, unit)


def _silent(done: int, total: int, note: str = "", /) -> None:
    pass


def counted(batches: Iterable[Tensor], report: Report, total: int, done: int = 0) -> Iterator[Tensor]:
    """Batches ``[T, B, ...]`` as they are; each is reported, with its B samples, once the next one is asked for.

    Args:
        batches: what is iterated over.
        report: called with (samples done, ``total``), first before the first batch.
        total: samples in all.
        done: samples before the first batch.
    """
    report(done, total)
    for x in batches:
        yield x
        done += x.shape[1]
        report(done, total)
