"""Half-samples: how much a metric would move if other samples of the same generator had been measured.

A bootstrap with replacement repeats images, which biases every metric of neighbours or covariances. Half-samples without
replacement repeat none, and the standard deviation of a mean over them is the standard error of the mean over all: each
half has the variance 2 s^2 / n, of which the half that it shares with the fixed whole cancels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.core import random_streams

HALF_SAMPLES = 20
CHUNK = 2**20  # elements hashed at once


def draw_half_samples(n: int, half_samples: int = HALF_SAMPLES) -> Tensor:
    """[halves, n // 4], int64: for each half-sample of n rows the pairs that are in it; pair p is the rows 2p and 2p + 1."""
    pairs = n // 2
    noise = random_streams.stream(0, "halves")
    chosen = [torch.randperm(pairs, generator=noise)[: pairs // 2].sort().values for _ in range(half_samples)]
    return torch.stack(chosen) if chosen else torch.zeros(0, pairs // 2, dtype=torch.int64)


def rows_of(pairs: Tensor) -> Tensor:
    """The rows of pairs, ascending."""
    return torch.stack([2 * pairs, 2 * pairs + 1], dim=1).flatten()


def canonical_order(data: Tensor) -> Tensor:
    """The order [n] into which examples [n, ...] are put before anything is measured: the same for every order they come in.

    They are sorted by a hash of their content, then shuffled, so that equal ones do not lie side by side. Several metrics take
    images in pairs or in parts; after this they too depend on the set alone.
    """
    flat = data.reshape(len(data), -1)
    flat = flat if flat.dtype == torch.uint8 else (flat + 0.0).contiguous().view(torch.int32)  # -0.0 is 0.0
    noise = random_streams.stream(0, "order")
    weights = torch.randint(-(2**62), 2**62, (flat.shape[1],), generator=noise)
    hashes = torch.cat(
        [(part.to(torch.int64) * weights).sum(dim=1) for part in flat.split(max(1, CHUNK // flat.shape[1]))]
    )  # modulo 2^64, so exact
    shuffled = torch.randperm(len(data), generator=noise)
    return torch.argsort(hashes, stable=True)[shuffled]
