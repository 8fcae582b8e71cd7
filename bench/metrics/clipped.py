"""Clipped Density and Clipped Coverage, from the equations of Salvy, Talbot and Thirion 2025 (arXiv 2507.01761), section 4."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom
from torch import Tensor

from bench.metrics.neighbours import K_BALL


def clipped_mean(counts: Tensor) -> float:
    """Return the mean of min(count / K_BALL, 1) over counts [N]. Each image, or neighbourhood, contributes at most 1."""
    return float((counts.double() / K_BALL).clamp(max=1.0).mean())


def equivalent_share(filled: float, generated: int, real: int) -> float:
    """Return the share of good images among `generated` ones, at most 1, for which `filled` is the expected unnormalised Clipped Coverage."""
    return float(np.interp(filled, expected_fill(generated, real), np.linspace(0, 1, generated + 1)))


@lru_cache(maxsize=8)
def expected_fill(generated: int, real: int) -> NDArray[np.float64]:
    """Return E[min(J / k, 1)] for 0, 1, ..., `generated` good images and `real` real ones: [generated + 1].

    J is the number of good images in the neighbourhood up to the k-th nearest of real - 1 other real images. For images of one continuous
    distribution, the neighbourhood contains a Beta(k, real - k) share of this distribution. So J is beta-binomial.
    """
    good = np.arange(generated + 1)
    missing = sum((K_BALL - j) * betabinom.pmf(j, good, K_BALL, real - K_BALL) for j in range(K_BALL))
    return np.asarray(1 - missing / K_BALL, dtype=np.float64)
