"""Modes: which classes a generator makes, in what shares, and whether it has collapsed."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Part of the definition of the metrics: a change bumps the version on their cards.
COVERED_FRACTION = 0.1  # a class counts as covered from this fraction of its real share
COLLAPSED_CLASSES = 0.5  # at most this fraction of the classes covered is collapse
COLLAPSED_DUPLICATES = 0.1  # so is this share of duplicates
JUDGED_PRECISION = 0.05  # below it the classifier looks at noise, and its classes mean nothing

Shares = NDArray[np.float64]  # [classes], sums to 1


def class_shares(predictions: Tensor, classes: int) -> Shares:
    """The share of each class among predicted classes [N]."""
    counts = torch.bincount(predictions, minlength=classes).numpy()
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def classes_covered(generated: Shares, real: Shares) -> int:
    """How many of the classes that real images have are made at least a tenth as often as they occur."""
    return int(((generated >= COVERED_FRACTION * real) & (real > 0)).sum())


def class_kl(generated: Shares, real: Shares) -> float:
    """KL(generated || real) = sum of g log(g / r), in nats. Infinite where a class is made that real images do not have."""
    made = generated > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(generated[made] * np.log(generated[made] / real[made])))


def collapse(*, covered: int, classes: int, duplicate_rate: float, precision: float) -> tuple[float, str]:
    """1 for collapse, 0 for none; not-a-number with the reason where it cannot be judged."""
    if precision < JUDGED_PRECISION:
        return math.nan, f"not judged: precision {precision:.3f} is under {JUDGED_PRECISION}, so classes and duplicates are those of noise"
    return float(covered <= COLLAPSED_CLASSES * classes or duplicate_rate >= COLLAPSED_DUPLICATES), ""
