"""Diversity: distances between generated images, the effective number of distinct images, and duplicates."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

# Part of the definition of the metrics: a change increases the version on their cards.
DUPLICATE_QUANTILE = 0.001  # share of real images whose nearest other image is below the threshold

CHUNK = 2**21  # float64 values in memory at once


def pair_distances(images: Tensor) -> Tensor:
    """Return the Euclidean distance of rows 2p and 2p + 1 of uint8 images [n, ...], in grey levels: [n // 2], float64.

    The rows must be in a random order, so that each pair is random. The function ignores an odd last row.
    """
    if len(images) < 2:
        raise ValueError(f"a pair needs two images, not {len(images)}")
    pairs = images.flatten(1)[: len(images) // 2 * 2].unflatten(0, (-1, 2))
    return torch.cat([(part[:, 0].double() - part[:, 1].double()).norm(dim=1) for part in pairs.split(max(1, CHUNK // pairs.shape[2]))])


def vendi_score(features: Tensor) -> float:
    """Return the Vendi score of rows [n, d]: Friedman & Dieng 2022 (arXiv 2210.02410), definition 1.

    This is exp of the entropy of the eigenvalues of K / n, where K contains the cosines of all pairs of rows. It is the effective
    number of different rows, from 1 (all in one direction) to min(n, d + 1). For rows of unit length, K / n and the d x d matrix X'X / n
    have the same nonzero eigenvalues. So the function needs no n x n matrix. All rows of zeros count as equal, and as orthogonal to
    other rows.
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


def class_vendi_scores(features: Tensor, classes: Tensor) -> dict[int, float]:
    """Return the Vendi score of the rows [n, d] of each class that occurs among classes [n]."""
    return {label: vendi_score(features[classes == label]) for label in classes.unique().tolist()}


def vendi_shares(generated: Mapping[int, float], real: Mapping[int, float]) -> Tensor:
    """Return the Vendi score of each real class as a share of the real one, at most 1: [classes] float64. A missing class has 0.

    The limit prevents noise in one class from hiding missing variety in another one. The Vendi score of each class is from dgm-eval
    (Stein et al. 2023, arXiv 2306.04675). The share of the real score is defined here.
    """
    return torch.tensor([min(generated.get(label, 0.0) / score, 1.0) for label, score in real.items()], dtype=torch.float64)


def duplicate_threshold(nearest: Tensor) -> float:
    """Return the distance below which an image counts as a duplicate, from distances [N] of real images to their nearest other image."""
    return float(torch.quantile(nearest.double(), DUPLICATE_QUANTILE))


def duplicates(nearest: Tensor, threshold: float) -> Tensor:
    """Return the mask [N] of images whose distance [N] to the nearest other image is below the threshold. Exact copies are always duplicates."""
    return (nearest < threshold) | (nearest == 0)


def duplicate_rate(nearest: Tensor, threshold: float) -> float:
    """Return the share of duplicates."""
    return float(duplicates(nearest, threshold).double().mean())


def path_lengths(features: Tensor) -> Tensor:
    """Return the length of each path [W, S, d], the sum of its S - 1 steps, in units of the features: [W], float64.

    The metric follows perceptual path length (Karras et al. 2019, arXiv 1812.04948, section 4.1), but uses complete paths.
    """
    if features.ndim != 3 or features.shape[1] < 2:
        raise ValueError(f"a path needs at least 2 points: features are [paths, points, dims], not {list(features.shape)}")
    if not features.isfinite().all():
        raise ValueError("some features are not finite")
    return features.double().diff(dim=1).norm(dim=2).sum(dim=1)
