"""Half-samples: the standard error of a metric over other samples of the same generator.

A bootstrap with replacement repeats images, which biases metrics of neighbours or covariances. Half-samples without replacement
repeat no image. The standard deviation of a mean over half-samples is the standard error of the mean over all images. The mean of a
half-sample has the variance 2 s^2 / n, and half of it cancels because the full sample is fixed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.core import random_streams

HALF_SAMPLES = 20
CHUNK = 2**20  # elements in one block for the hashes


def draw_half_samples(n: int, half_samples: int = HALF_SAMPLES) -> Tensor:
    """Return the pairs in each half-sample of n rows, [half_samples, n // 4] int64. Pair p consists of the rows 2p and 2p + 1."""
    pairs = n // 2
    noise = random_streams.stream(0, "halves")
    chosen = [torch.randperm(pairs, generator=noise)[: pairs // 2].sort().values for _ in range(half_samples)]
    return torch.stack(chosen) if chosen else torch.zeros(0, pairs // 2, dtype=torch.int64)


def rows_of(pairs: Tensor) -> Tensor:
    """Return the rows of pairs in ascending order."""
    return torch.stack([2 * pairs, 2 * pairs + 1], dim=1).flatten()


def canonical_order(data: Tensor, *parts: Tensor) -> Tensor:
    """Return an order [n] of examples [n, ...] for an evaluation, independent of their present order.

    Sorts the examples by a hash of their content, then shuffles them, so that equal examples are not adjacent. Several metrics use
    pairs or parts of the images. In this order, they depend only on the set of images.

    `parts` [n, ...] belong to the examples row by row, such as the inputs of a translation. Then the hash is that of the complete row, so
    the order depends only on the set of rows. The parts are integers or float32.
    """
    noise = random_streams.stream(0, "order")
    hashes = _hashes(data, noise)
    for part in parts:
        hashes = hashes + _hashes(part, noise)
    shuffled = torch.randperm(len(data), generator=noise)
    return torch.argsort(hashes, stable=True)[shuffled]


def _hashes(data: Tensor, noise: torch.Generator) -> Tensor:
    """Return a hash of each row, [n] int64: the sum of its values with random weights, modulo 2^64, so exact."""
    flat = data.reshape(len(data), -1)
    flat = (flat + 0.0).contiguous().view(torch.int32) if flat.is_floating_point() else flat  # -0.0 is 0.0
    weights = torch.randint(-(2**62), 2**62, (flat.shape[1],), generator=noise)
    return torch.cat([(part.to(torch.int64) * weights).sum(dim=1) for part in flat.split(max(1, CHUNK // flat.shape[1]))])
