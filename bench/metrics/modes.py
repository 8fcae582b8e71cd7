"""Modes: the classes that a generator covers, their shares, and mode collapse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import chi2
from torch import Tensor

# Part of the definition of the metrics: a change bumps the version on their cards.
COVERED_FRACTION = 0.1  # a class counts as covered from this fraction of its real share
COLLAPSED_CLASSES = 0.5  # generating at most this fraction of the classes is collapse
COLLAPSED_SHARE = 0.4  # a class counts from this fraction of its real share: the classifier's errors alone reach 0.3 of it
COLLAPSED_DUPLICATES = 0.5  # this share of duplicates is collapse, too: real images have none, images repeated twice are all duplicates
JUDGED_SHARE = 0.05  # of images in the real manifold; below it classes and duplicates are those of noise
JUDGED_IMAGES = 3  # in the real manifold for each class, on average; with fewer, classes are missing by chance

NEAR_SD = 3.0  # a point is near a centre within so many standard deviations

Shares = NDArray[np.float64]  # [classes], sums to 1


def class_shares(predictions: Tensor, classes: int) -> Shares:
    """The share of each class among predicted classes [N]."""
    counts = torch.bincount(predictions, minlength=classes).numpy()
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def classes_covered(generated: Shares, real: Shares) -> int:
    """The number of real classes that are generated at least a tenth as often as they occur."""
    return int(((generated >= COVERED_FRACTION * real) & (real > 0)).sum())


@dataclass(frozen=True, kw_only=True)
class Found:
    """The known modes of the data that generated examples fall in."""

    found: int
    shares: Shares  # [modes], of all examples
    high_quality: float = math.nan  # share of points near a centre; images have none
    near: Shares | None = None  # [modes + 1]: share of points near each centre, and near none; images have none


def mixture_modes(points: Tensor, centres: Tensor, sd: float) -> Found:
    """Points [n, D] against the centres [modes, D] of round Gaussians: PacGAN (Lin et al. 2018, arXiv 1712.04086), section 4.1.

    A point is of high quality within 3 sd of its nearest centre; a mode is found if such a point lies there; shares are of all points.
    A ValueError where a point is not finite.
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
    """`Found.near` of the data itself: equal shares of the modes, and the share of a round Gaussian beyond 3 sd. [modes + 1]."""
    near = float(chi2.cdf(NEAR_SD**2, dims))
    return np.asarray([near / modes] * modes + [1 - near], dtype=np.float64)


def stacked_modes(predictions: Tensor, modes: int) -> Found:
    """Predicted modes [n] of stacked images: a mode is found if one image is of it (Metz et al. 2017, arXiv 1611.02163, section 3.3)."""
    shares = class_shares(predictions, modes)
    return Found(found=int((shares > 0).sum()), shares=shares)


def reverse_kl(generated: Shares, real: Shares) -> float:
    """KL(generated || real) = sum of g log(g / r) over classes or modes, in nats. Infinite for a generated one without real data."""
    present = generated > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(generated[present] * np.log(generated[present] / real[present])))


def collapse(*, inside: Tensor, predictions: Tensor, duplicates: Tensor, real: Shares) -> tuple[float, str]:
    """1 for collapse, 0 for none; not-a-number with the reason where it cannot be judged.

    Uses only images in the real manifold (`inside`, bool [n]): classes and distances of others are meaningless. Collapse means
    that at most half of the classes are generated at least COLLAPSED_SHARE as often as they occur (`predictions` [n] against the
    shares of real images), or that at least half of the images are duplicates (bool [n]).
    """
    share = float(inside.double().mean())
    if share < JUDGED_SHARE:
        return (
            math.nan,
            f"not judged: {share:.1%} of the images lie in the real manifold, and under {JUDGED_SHARE:.0%} there is too little to judge",
        )
    classes, near = int((real > 0).sum()), int(inside.sum())
    if near < JUDGED_IMAGES * classes:
        return math.nan, f"not judged: {near} images lie in the real manifold, and {classes} classes take {JUDGED_IMAGES * classes}"
    counts = torch.bincount(predictions[inside], minlength=len(real)).numpy()
    least = np.maximum(1, np.floor(COLLAPSED_SHARE * near * real))  # rounded down to whole images
    covered = int(((counts >= least) & (real > 0)).sum())
    repeated = float(duplicates[inside].double().mean())
    return float(covered <= COLLAPSED_CLASSES * classes or repeated >= COLLAPSED_DUPLICATES), ""
