"""Diversity: how far apart generated images are, and how many of them are the same image again."""

from __future__ import annotations

import torch
from torch import Tensor

# Part of the definition of the metrics: a change bumps the version on their cards.
PAIRS = 10_000
PAIRS_SEED = 0
DUPLICATE_QUANTILE = 0.001  # among real images, one in a thousand has another as near as this


def mean_pair_distance(images: Tensor) -> float:
    """Mean Euclidean distance of two different images, both uint8 [C, H, W], over a fixed sample of pairs. In grey levels."""
    first, second = random_pairs(len(images))
    difference = images[first].float() - images[second].float()
    return float(difference.flatten(1).norm(dim=1).double().mean())


def random_pairs(n: int, *, pairs: int = PAIRS) -> tuple[Tensor, Tensor]:
    """Row numbers of pairs of different images among n: always the same ones. n must be at least 2."""
    noise = torch.Generator().manual_seed(PAIRS_SEED)
    first = torch.randint(n, (pairs,), generator=noise)
    apart = torch.randint(1, n, (pairs,), generator=noise)
    return first, (first + apart) % n


def duplicate_threshold(nearest: Tensor) -> float:
    """The distance under which an image counts as a duplicate, from the distances of real images to their nearest other [N]."""
    return float(torch.quantile(nearest.double(), DUPLICATE_QUANTILE))


def duplicate_rate(nearest: Tensor, threshold: float) -> float:
    """The share of images whose nearest other image [N] is nearer than the threshold; exact copies count whatever it is."""
    return float(((nearest < threshold) | (nearest == 0)).double().mean())
