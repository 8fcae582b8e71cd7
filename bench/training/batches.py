"""Shuffled batches of real data in [-1, 1]. The data is on the training device if it fits there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.errors import UserError
from bench.core.spec import Batch, Examples, to_unit_range

RESIDENT_SHARE = 0.5  # of a GPU's free memory that data may take. The networks need the rest


class _Side:
    """One side of the data, in an order that depends only on (seed, name, epoch of this side). It drops the last short batch."""

    def __init__(self, tensors: Sequence[Tensor | None], *, batch_size: int, seed: int, names: tuple[str, ...]) -> None:
        self._tensors = tensors
        self._batch_size = batch_size
        self._seed = seed
        self._names = names
        first = next(tensor for tensor in tensors if tensor is not None)
        self._length, self._storage = len(first), first.device
        self.batches_per_epoch = self._length // batch_size
        self._order: Tensor | None = None
        self._order_epoch = -1

    def batch(self, position: int) -> list[Tensor | None]:
        """Return the rows of each tensor in the batch at a position, counted from 0 over all epochs."""
        epoch, index = divmod(position, self.batches_per_epoch)
        if self._order is None or self._order_epoch != epoch:
            generator = torch.Generator().manual_seed(random_streams.derive(self._seed, *self._names, epoch))
            self._order = torch.randperm(self._length, generator=generator).to(self._storage)
            self._order_epoch = epoch
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return [None if tensor is None else tensor.index_select(0, rows) for tensor in self._tensors]


class BatchLoader:
    """Loader of batches in an order that depends only on (seed, epoch), so its state is one number. It drops the last short batch.

    In an unpaired task, the given examples have their own order. An epoch is then one of the larger side.
    """

    def __init__(self, examples: Examples, *, batch_size: int, seed: int, device: torch.device) -> None:
        sizes = [len(examples)] if examples.given is None else [len(examples), len(examples.given)]
        check_batch_size(batch_size, min(sizes))
        found = self.examples = examples.to(storage_device(examples, device))
        self._device = device
        given = (found.given, found.given_labels)
        data = (found.data, found.labels, *(given if found.aligned else ()))
        self._sides = [_Side(data, batch_size=batch_size, seed=seed, names=(random_streams.DATA,))]
        if found.given is not None and not found.aligned:
            self._sides.append(_Side(given, batch_size=batch_size, seed=seed, names=(random_streams.DATA, "given")))
        self.batches_per_epoch = max(side.batches_per_epoch for side in self._sides)
        self.position = 0  # batches returned so far

    @property
    def epoch(self) -> int:
        """Epoch of the next batch, from 0."""
        return self.position // self.batches_per_epoch

    def next(self) -> Batch:
        """Return the next batch, in [-1, 1]."""
        parts = [part for side in self._sides for part in side.batch(self.position)]
        self.position += 1
        data, labels, given, given_labels = (None if part is None else part.to(self._device) for part in (*parts, None, None)[:4])
        assert data is not None
        return Batch(
            data=to_unit_range(data), labels=labels, given=None if given is None else to_unit_range(given), given_labels=given_labels
        )


def storage_device(examples: Examples, device: torch.device) -> torch.device:
    """Return the device that stores the data in training: this one, or the CPU if the data takes most of a GPU's free memory."""
    if device.type != "cuda":
        return device
    free_bytes, _ = torch.cuda.mem_get_info(device)
    size = sum(part.nbytes for part in (examples.data, examples.given) if part is not None)
    return device if size <= RESIDENT_SHARE * free_bytes else torch.device("cpu")


def check_batch_size(batch_size: int, examples: int) -> None:
    """Raise a UserError for a batch larger than the data."""
    if batch_size > examples:
        raise UserError(f"recipe.batch_size: {batch_size} is more than the {examples:,} training examples; set a smaller one")
