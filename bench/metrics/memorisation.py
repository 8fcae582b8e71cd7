"""Memorisation: detection of copies of training images, by the distance to the nearest training image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# Part of the definition of the metric: a change increases the version on its card.
CELL_LEAST = 20  # the metric uses only cells with more generated images: tau = 20 / m in the publication


def authenticity(distance: Tensor, index: Tensor, train_nearest: Tensor) -> float:
    """Return the share of authentic images: Alaa et al. 2022 (arXiv 2102.08921), section 4.3.

    `distance` [n], `index` [n]: the nearest training image. An image is authentic if this distance is larger than that of the training
    image to its nearest other training image (`train_nearest` [T]). A copy is never authentic, even of a training image with duplicates.
    """
    if not len(distance) or not distance.isfinite().all():
        raise ValueError("some distances are not finite" if len(distance) else "authenticity needs at least one image")
    return float((distance > train_nearest[index]).double().mean())


def ct_score(generated_distance: Tensor, generated_bins: Tensor, test_distance: Tensor, test_bins: Tensor, train_counts: Tensor) -> float:
    """Return C_T of Meehan, Chaudhuri & Dasgupta 2020 (arXiv 2004.05675), eq. 2: far below 0 for copies, far above for underfitting.

    A Mann-Whitney test in each cell compares the distances of generated [n] and test images [N] to their nearest training image. C_T is
    the mean of the z-scores, weighted by the cells' shares of the test images. The function ignores cells with 20 generated images or
    fewer, and cells without test or training images [K]. Returns NaN if no cell remains. Equal distances share their ranks, with a
    corrected variance. A z-score grows with the square root of the sample size.
    """
    generated, real = (np.asarray(part, dtype=np.float64) for part in (generated_distance, test_distance))
    if not (np.isfinite(generated).all() and np.isfinite(real).all()):
        raise ValueError("some distances are not finite")
    cells, test_cells = np.asarray(generated_bins), np.asarray(test_bins)
    total = weight = 0.0
    for cell in range(len(train_counts)):
        near, reference = generated[cells == cell], real[test_cells == cell]
        if len(near) > CELL_LEAST and len(reference) and int(train_counts[cell]):
            total += len(reference) * mann_whitney(near, reference)
            weight += len(reference)
    return total / weight if weight else math.nan


def mann_whitney(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the z-score of the Mann-Whitney U of two samples, positive if a is larger. Ties share ranks. Returns 0 if all are equal."""
    n, m = len(a), len(b)
    _, place, tied = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = np.cumsum(tied) - (tied - 1) / 2  # of each distinct value. Ranks are multiples of 1/2, so their sums are exact
    u = ranks[place[:n]].sum() - n * (n + 1) / 2
    ties = float((tied.astype(np.float64) ** 3 - tied).sum())
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    return float((u - n * m / 2) / math.sqrt(variance)) if variance > 0 else 0.0
