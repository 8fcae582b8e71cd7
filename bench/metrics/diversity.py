"""Diversity: distances between generated images, the effective number of distinct images, and duplicates."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Part of the definition of the metrics: a change bumps the version on their cards.
DUPLICATE_QUANTILE = 0.001  # one real image in a thousand has another one as near

CHUNK = 2**21  # values held in float64 at once


def pair_distances(images: Tensor) -> Tensor:
    """The Euclidean distance of rows 2p and 2p + 1 of uint8 images [n, ...], in grey levels: [n // 2], float64.

    The rows must be in a random order, so that neighbours are a random pair. An odd last row is ignored.
    """
    if len(images) < 2:
        raise ValueError(f"a pair needs two images, not {len(images)}")
    pairs = images.flatten(1)[: len(images) // 2 * 2].unflatten(0, (-1, 2))
    return torch.cat([(part[:, 0].double() - part[:, 1].double()).norm(dim=1) for part in pairs.split(max(1, CHUNK // pairs.shape[2]))])


def vendi_score(features: Tensor) -> float:
    """exp of the entropy of the eigenvalues of K / n, K the cosines of all pairs of rows [n, d]: Friedman & Dieng 2022, def. 1.

    The effective number of different rows, from 1 (all in one direction) to min(n, d + 1) (arXiv 2210.02410). K / n has the
    eigenvalues of the d x d matrix X'X / n of the rows at unit length, so no n x n matrix is needed. Rows of zeros have no
    direction: they count as alike, and as at right angles to all others.
    """
    if not len(features) or not features.isfinite().all():
        raise ValueError("some features are not finite" if len(features) else "diversity needs at least one image")
    n, dims = features.shape
    scatter, zeros = torch.zeros(dims, dims, dtype=torch.float64), 0
    for part in features.split(max(1, CHUNK // dims)):
        rows = part.double()
        lengths = rows.norm(dim=1, keepdim=True)
        zeros += int(lengths.eq(0).sum())
        rows = rows / lengths.where(lengths > 0, 1.0)
        scatter.addmm_(rows.T, rows)
    shares = torch.cat([torch.linalg.eigvalsh(scatter / n), torch.tensor([zeros / n], dtype=torch.float64)])
    shares = shares[shares > 0]
    return math.exp(-float((shares * shares.log()).sum()))


def duplicate_threshold(nearest: Tensor) -> float:
    """The distance under which an image counts as a duplicate, from the distances of real images to their nearest other [N]."""
    return float(torch.quantile(nearest.double(), DUPLICATE_QUANTILE))


def duplicates(nearest: Tensor, threshold: float) -> Tensor:
    """The mask [N] of images whose nearest other image (distance [N]) is nearer than the threshold. Exact copies always count."""
    return (nearest < threshold) | (nearest == 0)


def duplicate_rate(nearest: Tensor, threshold: float) -> float:
    """The share of duplicates."""
    return float(duplicates(nearest, threshold).double().mean())


def path_lengths(features: Tensor) -> Tensor:
    """The length of each of W paths of S points [W, S, d], the sum of its S - 1 steps, in units of the features: [W], float64.

    After perceptual path length (Karras et al. 2019, arXiv 1812.04948, section 4.1), whole paths in place of short ends.
    """
    if features.ndim != 3 or features.shape[1] < 2:
        raise ValueError(f"a path needs at least 2 points: features are [paths, points, dims], not {list(features.shape)}")
    if not features.isfinite().all():
        raise ValueError("some features are not finite")
    return features.double().diff(dim=1).norm(dim=2).sum(dim=1)
