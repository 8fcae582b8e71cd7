"""Shuffled batches of real data in [-1, 1]. The data is on the training device if it fits there."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.errors import UserError
from bench.core.spec import Batch, Examples, to_unit_range

RESIDENT_SHARE = 0.5  # of a GPU's free memory that data may take. The networks need the rest


class BatchLoader:
    """Loader of batches in an order that depends only on (seed, epoch), so its state is one number. It drops the last short batch."""

    def __init__(self, examples: Examples, *, batch_size: int, seed: int, device: torch.device) -> None:
        check_batch_size(batch_size, len(examples))
        self._storage = storage_device(examples, device)
        self._examples = examples.to(self._storage)
        self._batch_size = batch_size
        self._seed = seed
        self._device = device
        self.batches_per_epoch = len(examples) // batch_size
        self.position = 0  # batches returned so far
        self._order: Tensor | None = None
        self._order_epoch = -1

    @property
    def epoch(self) -> int:
        """Epoch of the next batch, from 0."""
        return self.position // self.batches_per_epoch

    def next(self) -> Batch:
        """Return the next batch, in [-1, 1]."""
        order = self._epoch_order()
        start = self.position % self.batches_per_epoch * self._batch_size
        index = order[start : start + self._batch_size]
        self.position += 1
        labels = self._examples.labels
        return Batch(
            data=to_unit_range(self._examples.data.index_select(0, index).to(self._device)),
            labels=None if labels is None else labels.index_select(0, index).to(self._device),
        )

    def _epoch_order(self) -> Tensor:
        if self._order is None or self._order_epoch != self.epoch:
            generator = torch.Generator().manual_seed(random_streams.derive(self._seed, random_streams.DATA, self.epoch))
            self._order = torch.randperm(len(self._examples), generator=generator).to(self._storage)
            self._order_epoch = self.epoch
        return self._order


def storage_device(examples: Examples, device: torch.device) -> torch.device:
    """Return the device that stores the data in training: this one, or the CPU if the data takes most of a GPU's free memory."""
    if device.type != "cuda":
        return device
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return device if examples.data.nbytes <= RESIDENT_SHARE * free_bytes else torch.device("cpu")


def check_batch_size(batch_size: int, examples: int) -> None:
    """Raise a UserError for a batch larger than the data."""
    if batch_size > examples:
        raise UserError(f"recipe.batch_size: {batch_size} is more than the {examples:,} training examples; set a smaller one")
