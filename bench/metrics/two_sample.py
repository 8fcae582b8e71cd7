"""The nearest-neighbour two-sample test: Lopez-Paz and Oquab 2017 (arXiv 1610.06545), and for GANs Xu et al. 2018 (arXiv 1806.07755).

Both sides have the same number of images. The test assigns each image to the side of its nearest other image. The expected share of
correct assignments is 1/2 if both sides come from one distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.core import random_streams
from bench.metrics.neighbours import Neighbours


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Record of the real images in the test."""

    rows: Tensor  # [m] int64, ascending
    nearest: Tensor  # [N]: the distance of each row to the nearest other one, or NaN for images that are not in the test


def compared(real: Neighbours, generated: int) -> Compared:
    """Return all real images, or a fixed random choice of them if there are fewer generated ones.

    Raises ValueError for fewer than 2 generated images.
    """
    total = len(real.features)
    if generated >= total:
        return Compared(rows=torch.arange(total), nearest=real.nearest)
    if generated < 2:
        raise ValueError(f"a two-sample test needs at least 2 images, not {generated}")
    rows = torch.randperm(total, generator=random_streams.stream(0, "two-sample"))[:generated].sort().values
    nearest = torch.full_like(real.nearest, torch.nan)
    nearest[rows] = real.among(rows).nearest
    return Compared(rows=rows, nearest=nearest)


def recognised(own: Tensor, other: Tensor) -> Tensor:
    """Return 1 if the nearest image of the same side (distance [m]) is nearer than that of the other side, 1/2 for a tie, else 0: [m]."""
    return (own < other).double() + 0.5 * (own == other).double()
