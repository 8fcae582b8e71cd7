"""Modes: the classes that a generator covers, their shares, and mode collapse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import chi2
from torch import Tensor

# Part of the definition of the metrics: a change increases the version on their cards.
COVERED_FRACTION = 0.1  # *classes covered* counts a class from this fraction of its real share
COLLAPSED_CLASSES = 0.5  # a generator that covers at most this fraction of the classes has collapsed
# The collapse verdict counts a class as covered from this fraction of its real share. Errors of the classifier reach 0.3.
COLLAPSED_SHARE = 0.4
COLLAPSED_DUPLICATES = 0.5  # this share of duplicates also counts as collapse
JUDGED_SHARE = 0.05  # minimum share of images in the real manifold. Below it, classes and duplicates are those of noise
JUDGED_IMAGES = 3  # minimum number of images in the real manifold for each class, on average. With fewer, classes may be missing by chance

NEAR_SD = 3.0  # standard deviations within which a point is near a centre

Shares = NDArray[np.float64]  # [classes], sums to 1


def class_shares(predictions: Tensor, classes: int) -> Shares:
    """Return the share of each class among predicted classes [N]."""
    counts = torch.bincount(predictions, minlength=classes).numpy()
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def classes_covered(generated: Shares, real: Shares) -> int:
    """Return the number of real classes that have at least a tenth of their real share in the generated images."""
    return int(((generated >= COVERED_FRACTION * real) & (real > 0)).sum())


@dataclass(frozen=True, kw_only=True)
class Found:
    """Record of the known modes of the data that contain generated examples."""

    found: int
    shares: Shares  # [modes], of all examples
    high_quality: float = math.nan  # share of points near a centre; NaN for images
    near: Shares | None = None  # [modes + 1]: share of points near each centre, and near none; None for images


def mixture_modes(points: Tensor, centres: Tensor, sd: float) -> Found:
    """Return the modes of points [n, D] for centres [modes, D] of Gaussians: PacGAN (Lin et al. 2018, arXiv 1712.04086), section 4.1.

    A point has high quality if it lies within 3 sd of its nearest centre. A mode is found if it has such a point. Shares are those of all
    points. Raises ValueError if a point is not finite.
    """
    broken = int((~points.isfinite()).any(dim=1).sum())
    if broken:
        raise ValueError(f"{broken} of {len(points)} points are not finite")
    distance, nearest = torch.cdist(points.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    near = distance <= NEAR_SD * sd
    where = torch.where(near, nearest, len(centres))
    return Found(
        found=len(nearest[near].unique()),
        shares=class_shares(nearest, len(centres)),
        high_quality=float(near.double().mean()),
        near=class_shares(where, len(centres) + 1),
    )


def near_shares(modes: int, dims: int) -> Shares:
    """Return `Found.near` of the data, [modes + 1]: equal shares of the modes, and the share of a round Gaussian beyond 3 sd."""
    near = float(chi2.cdf(NEAR_SD**2, dims))
    return np.asarray([near / modes] * modes + [1 - near], dtype=np.float64)


def stacked_modes(predictions: Tensor, modes: int) -> Found:
    """Return the modes of stacked images from predictions [n]. One image finds a mode (Metz et al. 2017, arXiv 1611.02163, section 3.3)."""
    shares = class_shares(predictions, modes)
    return Found(found=int((shares > 0).sum()), shares=shares)


def reverse_kl(generated: Shares, real: Shares) -> float:
    """Return KL(generated || real) = sum of g log(g / r) over classes or modes, in nats. Infinite if one occurs only in generated data."""
    present = generated > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(generated[present] * np.log(generated[present] / real[present])))


def collapse(*, inside: Tensor, predictions: Tensor, duplicates: Tensor, real: Shares) -> tuple[float, str]:
    """Return (1.0 for collapse or 0.0, ""), or (NaN, the reason) if the images do not suffice for a decision.

    The function uses only images in the real manifold (`inside`, bool [n]), because classes and distances of others are meaningless. A
    class is covered if its share of `predictions` [n] is at least COLLAPSED_SHARE times its share `real`. A generator has collapsed if it
    covers at most half of the classes, or if at least half of the images are `duplicates` (bool [n]).
    """
    share = float(inside.double().mean())
    if share < JUDGED_SHARE:
        return (
            math.nan,
            f"not judged: {share:.1%} of the images lie in the real manifold; the verdict needs at least {JUDGED_SHARE:.0%}",
        )
    classes, near = int((real > 0).sum()), int(inside.sum())
    if near < JUDGED_IMAGES * classes:
        return (
            math.nan,
            f"not judged: {near} images lie in the real manifold; the verdict on {classes} classes needs at least {JUDGED_IMAGES * classes}",
        )
    counts = torch.bincount(predictions[inside], minlength=len(real)).numpy()
    least = np.maximum(1, np.floor(COLLAPSED_SHARE * near * real))  # rounded down to whole images
    covered = int(((counts >= least) & (real > 0)).sum())
    repeated = float(duplicates[inside].double().mean())
    return float(covered <= COLLAPSED_CLASSES * classes or repeated >= COLLAPSED_DUPLICATES), ""
