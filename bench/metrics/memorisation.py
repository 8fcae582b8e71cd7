"""Memorisation: whether generated images are copies of training images, by the distance to the nearest training image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

# Part of the definition of the metric: a change bumps the version on its card.
CELL_LEAST = 20  # a cell counts with more generated images than this: the paper's tau = 20 / m


def authenticity(distance: Tensor, index: Tensor, train_nearest: Tensor) -> float:
    """The share of authentic images: Alaa et al. 2022 (arXiv 2102.08921), section 4.3.

    An image is authentic unless it is as near to its nearest training image (distance [n], index [n]) as that one is to its own
    nearest other (train_nearest [T]). Copies are not authentic, even of training images that have copies themselves.
    """
    if not len(distance) or not distance.isfinite().all():
        raise ValueError("some distances are not finite" if len(distance) else "authenticity needs at least one image")
    return float((distance > train_nearest[index]).double().mean())


def ct_score(generated_distance: Tensor, generated_bins: Tensor, test_distance: Tensor, test_bins: Tensor, train_counts: Tensor) -> float:
    """C_T of Meehan, Chaudhuri & Dasgupta 2020 (arXiv 2004.05675), eq. 2: far below 0 for copying, far above for underfitting.

    In each cell, the z-score of the Mann-Whitney test whether generated images [n] are as far from their nearest training image as
    test images [N] are; then the mean over cells, weighted by their shares of the test images, as in the paper. Ignores cells of
    20 generated images or fewer, or without test or training images [K]; not-a-number without any cell. Equal distances share
    their ranks, with a corrected variance. A z-score grows with the root of the sample size.
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
    """The z-score of the Mann-Whitney U of two samples: positive where a is the larger. Ties share ranks; 0 where all are equal."""
    n, m = len(a), len(b)
    ranks = rankdata(np.concatenate([a, b]))
    u = ranks[:n].sum() - n * (n + 1) / 2
    _, tied = np.unique(ranks, return_counts=True)
    ties = float((tied.astype(np.float64) ** 3 - tied).sum())
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    return float((u - n * m / 2) / math.sqrt(variance)) if variance > 0 else 0.0
