"""Fréchet distance, kernel distance and classifier score, with the values of torch-fidelity in less time.

The functions sum means and covariances in chunks in float64, so the batch size changes no relevant digit. KID and the score use
subsets of the images, so they depend slightly on the order. NumPy's linear algebra uses all cores: limit it with threadpoolctl.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

# Part of the definition of the metrics: a change increases the version on their cards, unless it only affects when a metric is NaN.
RNG_SEED = 2020  # torch-fidelity's
SCORE_SPLITS = 10
SCORE_PART = 100  # minimum number of images per part, or the number of classes if that is smaller: the score of m images is at most m
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
KID_SUBSET_SIZE_SMALL = 250  # for fewer than KID_SUBSET_SIZE images
INFINITY_SIZES = 15  # sample sizes for the fit of the line: Chong & Forsyth 2020, section 4
INFINITY_SMALLEST = 0.1  # the smallest size, as a fraction of all images: 5,000 of 50,000 in the publication
INFINITY_ROWS_A_DIMENSION = 10  # images per dimension in the smallest sample, if available: with fewer, the bias is not linear in 1/N
INFINITY_LEAST = 3  # minimum number of images per dimension for a fit. Half of them form the smallest sample

WIDE = 512  # dimensions from which the faster formula is used
CHUNK = 2**20  # float64 elements in memory at once
STRIP = 250  # rows of a kernel matrix at once


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Mean and covariance of features, which determine the Fréchet distance of two sets."""

    mean: NDArray[np.float64]  # [d]
    covariance: NDArray[np.float64]  # [d, d]

    @cached_property
    def root(self) -> NDArray[np.float64]:
        """The symmetric square root of the covariance. Eigenvalues below the rounding error count as zero."""
        values, vectors = np.linalg.eigh(self.covariance)
        positive = values > len(values) * np.finfo(float).eps * values.max()
        return (vectors[:, positive] * np.sqrt(values[positive])) @ vectors[:, positive].T


def fit_gaussian(features: Tensor) -> Gaussian:
    """Return the Gaussian with the mean and unbiased covariance of features [N, d], N at least 2. Converts them to float64 in chunks."""
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
    """Return |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): Heusel et al. 2017, eq. 6. In squared units of the features.

    The trace of (C_a C_b)^(1/2) is the sum of the singular values of C_a^(1/2) C_b^(1/2), which is real and not negative. Unlike
    roots of eigenvalues, it loses no digits for singular covariances (constant features, fewer images than features).
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of {a.mean.size} and of {b.mean.size} dimensions have no distance")
    difference = a.mean - b.mean
    distance = difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * _root_trace(a, b)
    return max(0.0, float(distance))  # rounding may give a value just below 0


def _root_trace(a: Gaussian, b: Gaussian) -> float:
    """Return tr (C_a C_b)^(1/2).

    For wide features such as Inception's, the function uses the eigenvalues of one matrix. This is faster and slightly less exact.
    """
    if a.mean.size <= WIDE:
        return float(np.linalg.svd(a.root @ b.root, compute_uv=False).sum())
    values = np.linalg.eigvalsh(b.root.T @ a.covariance @ b.root)
    return float(np.sqrt(values[values > len(values) * np.finfo(float).eps * values.max()]).sum())


def frechet_infinity(features: Tensor, real: Gaussian) -> float:
    """Return the Fréchet distance extrapolated to infinitely many generated images [n, d]: Chong & Forsyth 2020 (arXiv 1911.07023), eq. 7.

    The distance of N images is nearly linear in 1/N. The function fits a line to the distances of random subsets and returns its value
    at 1/N = 0. The subset sizes are evenly spaced, and the largest subset has all images. The smallest has a tenth of all images, or ten
    images per dimension if that is more. But it has at most half of all images. The function does not correct for the finite number of
    real images. An extrapolation is noisier than the distance itself. It may be negative if the two sets are similar.
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


def kernel_distance(generated: Tensor, real: Tensor, real_pairs: Sequence[float] = ()) -> float:
    """Return the unbiased squared MMD with the kernel (x.y / d + 1)^3, a mean over random subsets: Bińkowski et al. 2018, section 4.

    Subsets and value equal those of torch-fidelity. The computation is in float64, because the terms nearly cancel. The value may be
    slightly negative if the two sets are similar. `real_pairs` saves time: the result of `kernel_pairs` for the same real images.
    """
    real_pairs = real_pairs or kernel_pairs(len(generated), real)
    values = []
    for (chosen, other), real_sum in zip(_kid_subsets(len(generated), len(real)), real_pairs, strict=True):
        x, y = generated[chosen].double(), real[other].double()
        size = len(chosen)
        values.append((_within(x) + real_sum) / (size * (size - 1)) - 2 * _across(x, y) / size**2)
    return _finite(float(np.mean(values)))


def kernel_pairs(generated: int, real: Tensor) -> list[float]:
    """Return the sum of the kernel over all pairs of each subset of the real images that `kernel_distance` draws for `generated` images."""
    return [_within(real[other].double()) for _, other in _kid_subsets(generated, len(real))]


def _kid_subsets(generated: int, real: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows of each pair of subsets."""
    size, random = kid_subset_size(generated, real), np.random.RandomState(RNG_SEED)
    for _ in range(KID_SUBSETS):
        chosen = random.choice(generated, size, replace=False)
        yield torch.from_numpy(chosen), torch.from_numpy(random.choice(real, size, replace=False))


def kernel_distances(generated: Tensor, real: Tensor, half_samples: Tensor) -> Tensor:
    """Return the kernel distance of each of H half-samples [H, n] (bool) of the generated images: [H], float64.

    Uses all pairs instead of random subsets, which gives the same mean and less noise (Gretton et al. 2012, eq. 3). Computes the kernel
    values once for all half-samples, in the precision of the features.
    """
    sizes = half_samples.sum(dim=1).double()
    kid_subset_size(int(sizes.min()), len(real))
    members = half_samples.T.to(generated.dtype)  # [n, H]
    within, across = torch.zeros(2, len(half_samples), dtype=torch.float64)
    for at in _strips(len(generated)):
        rows = generated[at]
        # Outside the diagonal block every pair occurs once and has the weight 2.
        own, later = (_kernel(rows, other) @ members[part] for other, part in ((rows, at), (generated[at.stop :], slice(at.stop, None))))
        within += ((own + 2 * later) * members[at]).sum(dim=0, dtype=torch.float64)
        within -= (_diagonal(rows)[:, None] * members[at]).sum(dim=0)
        to_real = sum((_kernel(rows, part).sum(dim=1).double() for part in real.split(1000)), start=torch.zeros(len(rows)).double())
        across += (to_real[:, None] * members[at]).sum(dim=0)
    real_pairs = _within(real) / (len(real) * (len(real) - 1))
    return within / (sizes * (sizes - 1)) + real_pairs - 2 * across / (sizes * len(real))


def kid_subset_size(generated: int, real: int) -> int:
    """Return the size of a subset: 1,000 images, 250 if a side has fewer, or all images of the smaller side if it has fewer than 250."""
    fewest = min(generated, real)
    if fewest < 2:
        raise ValueError(f"a kernel distance needs at least 2 images on either side, not {fewest}")
    return next((size for size in (KID_SUBSET_SIZE, KID_SUBSET_SIZE_SMALL) if fewest >= size), fewest)


def classifier_score(logits: Tensor) -> float:
    """Return exp E KL(p(y|x) || p(y)), a mean over ten parts: Salimans et al. 2016, section 4. From 1 to the number of classes."""
    classes = logits.shape[1]
    part = min(classes, SCORE_PART)
    if len(logits) < SCORE_SPLITS * part:
        needed = f"{SCORE_SPLITS * part} images ({part} in each of {SCORE_SPLITS} parts)"
        raise ValueError(f"the classifier score of {classes} classes needs at least {needed}, not {len(logits)}")
    if not logits.isfinite().all():
        raise ValueError("some logits are not finite")
    return float(isc_features_to_metric(logits, splits=SCORE_SPLITS, rng_seed=RNG_SEED)[KEY_METRIC_ISC_MEAN])


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return torch.addmm(x.new_ones(()), x, y.T, alpha=1 / x.shape[1]).pow_(3)


def _diagonal(x: Tensor) -> Tensor:
    """Return the kernel of each row with itself, in float64."""
    return (x.double().square().sum(dim=1) / x.shape[1] + 1) ** 3


def _within(x: Tensor) -> float:
    """Return the sum of the kernel over all ordered pairs of different rows."""
    total = 0.0
    for at in _strips(len(x)):
        kernel = _kernel(x[at], x[at.start :])
        total += (2 * kernel.sum(dim=1) - kernel[:, : at.stop - at.start].sum(dim=1)).double().sum().item()
    return total - _diagonal(x).sum().item()


def _across(x: Tensor, y: Tensor) -> float:
    """Return the sum of the kernel over all pairs of a row of x and a row of y."""
    return sum(_kernel(x[at], y).sum(dim=1).double().sum().item() for at in _strips(len(x)))


def _strips(rows: int) -> list[slice]:
    return [slice(start, min(start + STRIP, rows)) for start in range(0, rows, STRIP)]


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise ValueError("some features are not finite, or too large for the kernel")
    return value
