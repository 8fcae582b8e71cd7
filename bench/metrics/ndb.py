"""NDB: the share of bins whose shares of generated and of training images differ. The bins are k-means cells of training images.

Source: Richardson & Weiss 2018, "On GANs and GMMs" (arXiv 1805.12462), section 4. The bins also detect missing modes within classes.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.cluster import KMeans
from torch import Tensor

# Part of the definition of the metrics: a change increases the version on their cards.
MOST_BINS = 100
ROWS_A_BIN = 50  # minimum number of training images in a bin, on average
SEED = 0
LEVEL = 0.05  # significance level of the test of a bin

BLOCK = 1000  # rows at once

Counts = Tensor | NDArray[np.int64] | NDArray[np.float64]


def fit_bins(train: Tensor) -> Tensor:
    """Return the centres [K, d] of k-means over training features [T, d], K = min(100, max(2, T // 50)).

    The function is deterministic. With fewer distinct rows than K, each distinct row is a bin.
    """
    if len(train) < 2 or not train.isfinite().all():
        raise ValueError("some features are not finite" if len(train) >= 2 else f"bins need at least 2 rows, not {len(train)}")
    bins = min(MOST_BINS, max(2, len(train) // ROWS_A_BIN))
    if len(train) < 100 * bins or bool((train == train[0]).all()):
        bins = min(bins, len(torch.unique(train, dim=0)))
    fitted = KMeans(n_clusters=bins, n_init=1, random_state=SEED).fit(train.numpy())
    return torch.from_numpy(fitted.cluster_centers_).to(train.dtype)


def assign(features: Tensor, centres: Tensor) -> Tensor:
    """Return the bin of each row [n, d], that of the nearest centre [K, d]: [n], int64."""
    if not features.isfinite().all():
        raise ValueError("some features are not finite")
    squares = centres.square().sum(dim=1)
    return torch.cat([torch.addmm(squares, rows, centres.T, alpha=-2).argmin(dim=1) for rows in features.split(BLOCK)])


def counts_of(bins: Tensor, count: int) -> Tensor:
    """Return the number of rows in each of `count` bins: [count], int64."""
    return torch.bincount(bins, minlength=count)


def ndb(generated: Counts, train: Counts) -> float:
    """Return the share of bins whose proportions differ at the 5 % level, from counts [K]: Richardson & Weiss 2018, section 4.

    Each bin has a two-sided two-proportion z-test with pooled variance. Two samples of one distribution differ in about 5 % of the
    bins. The test detects smaller differences in larger samples, so compare values only at equal sizes. A bin that is empty in both
    samples does not differ.
    """
    a, b = _checked(generated), _checked(train)
    n, m = a.sum(), b.sum()
    pooled = (a + b) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    difference = np.abs(a / n - b / m)
    z = np.divide(difference, error, out=np.zeros_like(error), where=error > 0)  # no error: the bin contains all rows, or none, of both
    return float((z > norm.isf(LEVEL / 2)).mean())


def jensen_shannon(p: Counts, q: Counts) -> float:
    """Return the Jensen-Shannon divergence of two histograms [K]: KL(p | m) / 2 + KL(q | m) / 2 with m their mean.

    It is between 0 and log 2 nats.
    """
    a, b = (counts / counts.sum() for counts in (_checked(p), _checked(q)))
    mean = (a + b) / 2
    return max(0.0, float(_entropy(mean) - (_entropy(a) + _entropy(b)) / 2))


def _entropy(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return -math.fsum(positive * np.log(positive))


def _checked(counts: Counts) -> NDArray[np.float64]:
    values = np.asarray(counts, dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise ValueError("the counts of bins are negative, not finite, or all zero")
    return values
