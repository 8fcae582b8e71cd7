"""Fréchet distance, kernel distance and classifier score: the numbers of torch-fidelity, at a fraction of its time.

Means and covariances are summed in chunks in float64, so the batch size changes no relevant digit. KID and the score use
subsets of the images, so they depend a little on the order. NumPy's linear algebra uses all cores: limit it with threadpoolctl.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

# Part of the definition of the metrics: a change bumps the version on their cards, unless it only decides when there is no number.
RNG_SEED = 2020  # torch-fidelity's
SCORE_SPLITS = 10
SCORE_PART = 100  # images of a part, at least, unless there are fewer classes: a part of m images scores m at most
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
KID_SUBSET_SIZE_SMALL = 250  # where there are fewer than KID_SUBSET_SIZE images
INFINITY_SIZES = 15  # sample sizes that the line is fitted to: Chong & Forsyth 2020, section 4
INFINITY_SMALLEST = 0.1  # the least of them, of all images: their 5,000 of 50,000
INFINITY_ROWS_A_DIMENSION = 10  # in the least sample, if available: with fewer, the bias is not linear in 1/N
INFINITY_LEAST = 3  # images a dimension that a line needs: half of them is its smallest sample

WIDE = 512  # dimensions
CHUNK = 2**20  # elements held in float64 at once
STRIP = 250  # rows of a kernel matrix at once


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Mean and covariance of features: the Fréchet distance of two sets depends on them alone."""

    mean: NDArray[np.float64]  # [d]
    covariance: NDArray[np.float64]  # [d, d]

    @cached_property
    def root(self) -> NDArray[np.float64]:
        """The symmetric square root of the covariance; an eigenvalue below the rounding error counts as zero."""
        values, vectors = np.linalg.eigh(self.covariance)
        positive = values > len(values) * np.finfo(float).eps * values.max()
        return (vectors[:, positive] * np.sqrt(values[positive])) @ vectors[:, positive].T


def fit_gaussian(features: Tensor) -> Gaussian:
    """The Gaussian with the mean and the (unbiased) covariance of features [N, d], N at least 2. No float64 copy of them all."""
    if len(features) < 2:
        raise ValueError(f"a covariance needs at least 2 rows of features, not {len(features)}")
    chunks = features.split(max(1, CHUNK // features.shape[1]))
    mean = torch.stack([chunk.double().sum(dim=0) for chunk in chunks]).sum(dim=0) / len(features)
    scatter = torch.zeros(2 * [features.shape[1]], dtype=torch.float64)
    for chunk in chunks:
        centred = chunk.double() - mean
        scatter.addmm_(centred.T, centred)
    covariance = (scatter + scatter.T) / (2 * (len(features) - 1))
    if not (mean.isfinite().all() and covariance.isfinite().all()):
        raise ValueError("some features are not finite")
    return Gaussian(mean=mean.numpy(), covariance=covariance.numpy())


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): Heusel et al. 2017, eq. 6. In squared units of the features.

    The trace of (C_a C_b)^(1/2) is the sum of the singular values of C_a^(1/2) C_b^(1/2): real and not negative whatever the
    covariances. Singular ones (constant features, fewer images than features) lose no digits, as they do in roots of eigenvalues.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of {a.mean.size} and of {b.mean.size} dimensions have no distance")
    difference = a.mean - b.mean
    distance = difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * _root_trace(a, b)
    return max(0.0, float(distance))  # rounding may leave it just below


def _root_trace(a: Gaussian, b: Gaussian) -> float:
    """tr (C_a C_b)^(1/2). Wide features, as Inception's, take eigenvalues of one matrix instead: a quarter of the time, for 2e-7 of it."""
    if a.mean.size <= WIDE:
        return float(np.linalg.svd(a.root @ b.root, compute_uv=False).sum())
    values = np.linalg.eigvalsh(b.root.T @ a.covariance @ b.root)
    return float(np.sqrt(values[values > len(values) * np.finfo(float).eps * values.max()]).sum())


def frechet_infinity(features: Tensor, real: Gaussian) -> float:
    """The Fréchet distance extrapolated to infinitely many generated images [n, d]: Chong & Forsyth 2020 (arXiv 1911.07023), eq. 7.

    The distance of N images is nearly linear in 1/N, so a line through the distances of random subsets of evenly spaced sizes is
    followed to 1/N = 0: from a tenth of the images (ten a dimension if that is more, but at most half of all) to all of them. The real
    side stays as it is: its own finite number is not corrected. An extrapolation is noisier than the distance itself, and may fall
    below zero where the two sets are alike.
    """
    n, dims = features.shape
    if n < INFINITY_LEAST * dims:
        raise ValueError(f"an extrapolation of {dims} features needs at least {INFINITY_LEAST * dims} images, not {n}")
    smallest = max(INFINITY_SMALLEST * n, min(INFINITY_ROWS_A_DIMENSION * dims, n / 2))
    sizes = np.linspace(smallest, n, INFINITY_SIZES).astype(int)
    noise = torch.Generator().manual_seed(RNG_SEED)
    subsets = (features[torch.randperm(n, generator=noise)[:size]] for size in sizes.tolist())
    distances = [frechet_distance(fit_gaussian(subset), real) for subset in subsets]
    return float(np.polynomial.polynomial.polyfit(1 / sizes, distances, 1)[0])


def kernel_distance(generated: Tensor, real: Tensor) -> float:
    """Unbiased squared MMD with the kernel (x.y / d + 1)^3: Bińkowski et al. 2018, section 4. A mean over random subsets.

    The subsets are those of torch-fidelity, and so is the number. In float64: the parts of the difference nearly cancel. It may be
    slightly below zero where the two sets are alike.
    """
    size = kid_subset_size(len(generated), len(real))
    random = np.random.RandomState(RNG_SEED)
    values = []
    for _ in range(KID_SUBSETS):
        x, y = (
            side.index_select(0, torch.from_numpy(random.choice(len(side), size, replace=False))).double() for side in (generated, real)
        )
        values.append((_within(x) + _within(y)) / (size * (size - 1)) - 2 * _across(x, y) / size**2)
    return _finite(float(np.mean(values)))


def kernel_distances(generated: Tensor, real: Tensor, half_samples: Tensor) -> Tensor:
    """The same distance of each of H half-samples [H, n] (bool) of the generated images, from all their pairs: [H], float64.

    With all pairs instead of random subsets the estimate has the same mean and less noise. The kernel values are computed once,
    in the features' own precision, for all half-samples. Gretton et al. 2012, eq. 3.
    """
    sizes = half_samples.sum(dim=1).double()
    kid_subset_size(int(sizes.min()), len(real))
    members = half_samples.T.to(generated.dtype)  # [n, H]
    within, across = torch.zeros(2, len(half_samples), dtype=torch.float64)
    for at in _strips(len(generated)):
        rows = generated[at]
        # Outside the diagonal block every pair occurs once and counts twice.
        own, later = (_kernel(rows, other) @ members[part] for other, part in ((rows, at), (generated[at.stop :], slice(at.stop, None))))
        within += ((own + 2 * later) * members[at]).sum(dim=0, dtype=torch.float64)
        within -= (_diagonal(rows)[:, None] * members[at]).sum(dim=0)
        to_real = sum((_kernel(rows, part).sum(dim=1).double() for part in real.split(1000)), start=torch.zeros(len(rows)).double())
        across += (to_real[:, None] * members[at]).sum(dim=0)
    real_pairs = _within(real) / (len(real) * (len(real) - 1))
    return within / (sizes * (sizes - 1)) + real_pairs - 2 * across / (sizes * len(real))


def kid_subset_size(generated: int, real: int) -> int:
    """The size of a subset: 1,000 images, else 250, else the smaller number of images."""
    fewest = min(generated, real)
    if fewest < 2:
        raise ValueError(f"a kernel distance needs at least 2 images on either side, not {fewest}")
    return next((size for size in (KID_SUBSET_SIZE, KID_SUBSET_SIZE_SMALL) if fewest >= size), fewest)


def classifier_score(logits: Tensor) -> float:
    """exp E KL(p(y|x) || p(y)): Salimans et al. 2016, section 4, mean over ten parts. From 1 to the number of classes."""
    least = SCORE_SPLITS * min(logits.shape[1], SCORE_PART)
    if len(logits) < least:
        raise ValueError(f"the score is a mean over {SCORE_SPLITS} parts, which take {least} images together, not {len(logits)}")
    if not logits.isfinite().all():
        raise ValueError("some logits are not finite")
    return float(isc_features_to_metric(logits, splits=SCORE_SPLITS, rng_seed=RNG_SEED)[KEY_METRIC_ISC_MEAN])


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return torch.addmm(x.new_ones(()), x, y.T, alpha=1 / x.shape[1]).pow_(3)


def _diagonal(x: Tensor) -> Tensor:
    """The kernel of each row with itself, in float64."""
    return (x.double().square().sum(dim=1) / x.shape[1] + 1) ** 3


def _within(x: Tensor) -> float:
    """The sum of the kernel over all ordered pairs of different rows."""
    total = 0.0
    for at in _strips(len(x)):
        kernel = _kernel(x[at], x[at.start :])
        total += (2 * kernel.sum(dim=1) - kernel[:, : at.stop - at.start].sum(dim=1)).double().sum().item()
    return total - _diagonal(x).sum().item()


def _across(x: Tensor, y: Tensor) -> float:
    """The sum of the kernel over all pairs of a row of x and one of y."""
    return sum(_kernel(x[at], y).sum(dim=1).double().sum().item() for at in _strips(len(x)))


def _strips(rows: int) -> list[slice]:
    return [slice(start, min(start + STRIP, rows)) for start in range(0, rows, STRIP)]


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise ValueError("some features are not finite, or too large for the kernel")
    return value
