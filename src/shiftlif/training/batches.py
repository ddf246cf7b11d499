"""Data in memory, as the program will see it: int8 frames, dequantised when a batch is used (SPEC 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from shiftlif.data import EVENT_FRAMES, Dataset
from shiftlif.errors import DataError
from shiftlif.network import direct_code
from shiftlif.program.quantizer import InputQuantizer

Batch = tuple[Tensor, Tensor]


class Part(TorchDataset[Batch]):
    """int8 frames ``[N, C, ...]`` or ``[N, T, C, ...]`` and int64 labels ``[N]`` as tensors."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x = x
        self.y = y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> Batch:
        return self.x[index], self.y[index]

    def __getitems__(self, indices: list[int]) -> Batch:
        """A whole batch by one look-up, instead of one sample at a time."""
        chosen = torch.tensor(indices)
        return self.x.index_select(0, chosen), self.y.index_select(0, chosen)


class EpochSampler(Sampler[int]):
    """A shuffled order that depends on (seed, epoch) and nothing else, so a resumed run continues it."""

    def __init__(self, length: int, seed: int) -> None:
        self.length = length
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        return iter(order.tolist())

    def __len__(self) -> int:
        return self.length


def _identity(batch: Any) -> Any:
    return batch


@dataclass(frozen=True, eq=False)
class Data:
    """A data set as tensors, with what turned it into int8.

    Attributes:
        parts: ``train``, ``val`` and ``test``.
        quantizer: fitted on the training part.
        classes: class names in label order.
        temporal: whether axis 1 of the samples is time.
        steps: T.
        sample_shape: one sample at one step, ``(C, ...)``.
        test_files: the file of each test sample, see `shiftlif.data.Dataset`; empty where there is none.
    """

    parts: dict[str, Part]
    quantizer: InputQuantizer
    classes: tuple[str, ...]
    temporal: bool
    steps: int
    sample_shape: tuple[int, ...]
    test_files: tuple[str, ...] = ()

    def training_loader(self, batch_size: int, seed: int) -> DataLoader[Batch]:
        """Batches of ``batch_size`` training samples, shuffled anew in each epoch from ``seed``.

        A last batch that is not full is left out (batch-norm cannot use one sample).

        Raises:
            DataError: the training part holds one sample.
        """
        part = self.parts["train"]
        if len(part) < 2:
            raise DataError(
                "the training part holds one sample, but batch normalisation needs at least two; add data"
            )
        return DataLoader(
            part,
            batch_size,
            sampler=EpochSampler(len(part), seed),
            collate_fn=_identity,
            drop_last=len(part) >= batch_size,
        )

    def loader(self, part: str, batch_size: int = 256) -> DataLoader[Batch]:
        """Batches of ``batch_size`` samples of a part, in order."""
        return DataLoader(self.parts[part], batch_size, collate_fn=_identity)

    def fingerprint(self) -> str:
        """SHA-256 over the int8 samples and labels of every part, in order: the same data, split alike."""
        digest = hashlib.sha256()
        for name, part in self.parts.items():
            digest.update(f"{name} {tuple(part.x.shape)}".encode())
            digest.update(part.x.numpy().tobytes())
            digest.update(part.y.numpy().tobytes())
        return digest.hexdigest()

    def present(self, x: Tensor) -> Tensor:
        """What enters the network, ``[T, B, C, ...]``, for int8 frames ``x``."""
        return in_time(dequantize(x, self.quantizer), self.steps, self.temporal)

    def frames(self, part: str) -> npt.NDArray[np.int8]:
        """The int8 frames of a part, ``[N, C, ...]`` or ``[N, T, C, ...]`` when temporal."""
        return self.parts[part].x.numpy()


def dequantize(x: Tensor, quantizer: InputQuantizer) -> Tensor:
    """float32 ``x * 2^-exponent``, as `InputQuantizer.dequantize`, for tensors on any device."""
    return x.to(torch.float32) * 2.0**-quantizer.exponent


def in_time(x: Tensor, steps: int, temporal: bool) -> Tensor:
    """``[T, B, C, ...]`` of ``[B, T, C, ...]`` when temporal, else of ``[B, C, ...]`` shown at every step."""
    return x.transpose(0, 1) if temporal else direct_code(x, steps)


def fit_quantizer(dataset: Dataset, exponent: int | None = None, digits: int | None = None) -> InputQuantizer:
    """The quantiser of a data set, fitted on its training part.

    Event counts (temporal, whole numbers from 0 to 127) are int8 already and stay sparse: identity. Where the front end
    says their limit, nothing beyond it is provided for.

    Args:
        dataset: its training part is used.
        exponent: as `InputQuantizer.fit` takes it; None is fitted. Counts keep their step.
        digits: as `InputQuantizer.fit` takes them; None is all of int8.
    """
    x = dataset.x_train
    if not dataset.temporal:
        return InputQuantizer.fit(x, exponent=exponent, digits=digits)
    if dataset.front_end["name"] == EVENT_FRAMES:
        return replace(InputQuantizer.counts(x.shape[2], dataset.front_end["limit"]), digits=digits)
    if x.min() >= 0 and x.max() <= 127 and bool(np.all(x == np.floor(x))):
        return replace(InputQuantizer.identity(x.shape[2]), digits=digits)
    return InputQuantizer.fit(x.reshape(-1, *x.shape[2:]), exponent=exponent, digits=digits)


def make_data(dataset: Dataset, steps: int, quantizer: InputQuantizer | None = None) -> Data:
    """A data set as tensors.

    Args:
        dataset: checked by its own constructor.
        steps: T; for a temporal set, its number of frames.
        quantizer: None fits one on the training part.

    Raises:
        DataError: ``steps`` is not the number of frames, or the quantiser does not fit the samples.
    """
    if dataset.temporal and dataset.frames != steps:
        raise DataError(
            f"data set {dataset.name}: samples have {dataset.frames} frames but T is {steps}; "
            f"use steps={dataset.frames}, or load it with frames={steps}"
        )
    quantizer = fit_quantizer(dataset) if quantizer is None else quantizer
    parts: dict[str, Part] = {}
    for name in ("train", "val", "test"):
        x, y = dataset.part(name)
        frames: npt.NDArray[Any] = quantizer.quantize(x, channel_axis=2 if dataset.temporal else 1)
        parts[name] = Part(torch.from_numpy(frames), torch.from_numpy(y.copy()))
    return Data(
        parts,
        quantizer,
        dataset.classes,
        dataset.temporal,
        steps,
        tuple(dataset.sample_shape),
        dataset.test_files,
    )
