"""Fréchet distance, kernel distance and classifier score: torch-fidelity's own functions, applied to our features.

Everything is computed in float64, so batch sizes do not show in the digits that matter. KID and the score take the images in
subsets, so those two depend a little on their order. NumPy's linear algebra takes every core it finds: a caller who shares the
machine limits it with threadpoolctl.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

# Part of the definition of the metrics: a change bumps the version on their cards.
RNG_SEED = 2020  # torch-fidelity's
SCORE_SPLITS = 10
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
KID_SUBSET_SIZE_SMALL = 250  # where there are fewer than KID_SUBSET_SIZE images


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Mean and covariance of features: all that the Fréchet distance sees of a set of images."""

    mean: NDArray[np.float64]  # [d]
    covariance: NDArray[np.float64]  # [d, d]


def fit_gaussian(features: Tensor) -> Gaussian:
    """The Gaussian with the mean and the (unbiased) covariance of features [N, d], N at least 2."""
    statistics = fid_features_to_statistics(features.double())
    return Gaussian(mean=statistics["mu"], covariance=statistics["sigma"])


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): Heusel et al. 2017, eq. 6. In squared units of the features."""
    pair = [{"mu": gaussian.mean, "sigma": gaussian.covariance} for gaussian in (a, b)]
    return max(0.0, float(fid_statistics_to_metric(*pair, verbose=False)[KEY_METRIC_FID]))  # rounding may leave it just below


def kernel_distance(generated: Tensor, real: Tensor) -> float:
    """Unbiased squared MMD with the kernel (x.y / d + 1)^3: Bińkowski et al. 2018, section 4. A mean over random subsets.

    It may be slightly below zero where the two sets are alike.
    """
    values = kid_features_to_metric(
        generated.double(),
        real.double(),
        kid_subsets=KID_SUBSETS,
        kid_subset_size=kid_subset_size(len(generated), len(real)),
        rng_seed=RNG_SEED,
        verbose=False,
    )
    return float(values[KEY_METRIC_KID_MEAN])


def kid_subset_size(generated: int, real: int) -> int:
    """1,000 images where both sides have them, else 250, else as many as there are."""
    fewest = min(generated, real)
    return next((size for size in (KID_SUBSET_SIZE, KID_SUBSET_SIZE_SMALL) if fewest >= size), fewest)


def classifier_score(logits: Tensor) -> float:
    """exp E KL(p(y|x) || p(y)): Salimans et al. 2016, section 4, mean over ten parts. From 1 to the number of classes."""
    return float(isc_features_to_metric(logits, splits=SCORE_SPLITS, rng_seed=RNG_SEED)[KEY_METRIC_ISC_MEAN])
