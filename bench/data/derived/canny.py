"""Canny's edge detector (Canny 1986, doi 10.1109/TPAMI.1986.4767851), with the steps of scikit-image's `feature.canny`, in integers.

A floating-point detector may decide differently on another processor or in another version of its library, and then the data would
change. Here every sum and product is exact, so a picture has the same edges everywhere, and a hash of the definition fixes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Integers = NDArray[np.int64]

VERSION = 1  # increased when `canny` gives other edges
BLOCK_VALUES = 2**16  # pixels that are processed at once, so that they stay in the processor's cache
_PRECISION = 256  # sum of the Gaussian's weights, about: sums then fit into 31 bits, and products of magnitudes into 63
_MARGIN = 3  # pixels around the image, so that the neighbours of its border are computed like all others


@dataclass(frozen=True, kw_only=True)
class CannyPlan:
    """Parameters of the detector. Thresholds are of Sobel's response in grey levels: an ideal step of d levels has 4 d before smoothing."""

    sigma: float  # of the Gaussian that smooths the picture, in pixels; 0: no smoothing
    low: int  # pixels at least this strong are edges if they are connected to a strong one
    high: int

    @property
    def weights(self) -> tuple[int, ...]:
        """Integer weights of the Gaussian, cut at 3 sigma."""
        radius = math.ceil(3 * self.sigma)
        values = [math.exp(-0.5 * (x / self.sigma) ** 2) if self.sigma else 1.0 for x in range(-radius, radius + 1)]
        return tuple(round(_PRECISION * value / sum(values)) for value in values)

    @property
    def definition(self) -> str:
        """Text of all that determines the edges."""
        return f"canny {VERSION} weights {self.weights} low {self.low} high {self.high}"


def canny(images: NDArray[np.uint8], plan: CannyPlan) -> NDArray[np.bool_]:
    """Return the edges [N, H, W] of grey images uint8 [N, H, W]. Each border pixel is repeated outwards, so a border makes no edge."""
    rows = max(1, BLOCK_VALUES // max(1, images[0].size)) if len(images) else 1
    blocks = [_edges(images[start : start + rows], plan) for start in range(0, len(images), rows)]
    return np.concatenate(blocks) if blocks else np.zeros(images.shape, dtype=np.bool_)


def _edges(images: NDArray[np.uint8], plan: CannyPlan) -> NDArray[np.bool_]:
    """Smooth, take Sobel's gradients, thin to local maxima along the gradient, and apply both thresholds."""
    margin = len(plan.weights) // 2 + _MARGIN
    padded = np.pad(images.astype(np.int32), ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    smooth = _weighted(_weighted(padded, plan.weights, axis=1), plan.weights, axis=2)
    down = _weighted(_weighted(smooth, (-1, 0, 1), axis=1), (1, 2, 1), axis=2)
    right = _weighted(_weighted(smooth, (1, 2, 1), axis=1), (-1, 0, 1), axis=2)
    down, right = down.astype(np.int64), right.astype(np.int64)
    magnitude = np.rint(np.sqrt(down * down + right * right)).astype(np.int64)
    thin = local_maxima(down, right, magnitude)
    unit = sum(plan.weights) ** 2  # one grey level after smoothing
    found = connected(thin & (magnitude >= plan.low * unit), thin & (magnitude >= plan.high * unit))
    crop = slice(_MARGIN - 1, 1 - _MARGIN)  # Sobel's sums are shorter than the smooth image by one pixel at each side
    return np.ascontiguousarray(found[:, crop, crop])


def _weighted(values: NDArray[Any], weights: tuple[int, ...], *, axis: int) -> NDArray[Any]:
    """Return weighted sums of neighbours along an axis, which becomes shorter by len(weights) - 1."""
    length = values.shape[axis] - len(weights) + 1
    before = (slice(None),) * axis
    total = np.zeros((*values.shape[:axis], length, *values.shape[axis + 1 :]), dtype=values.dtype)
    for start, weight in enumerate(weights):
        if weight:
            total += weight * values[(*before, slice(start, start + length))]
    return total


def local_maxima(down: Integers, right: Integers, magnitude: Integers) -> NDArray[np.bool_]:
    """Return where the magnitude is a maximum along the gradient. Values between two neighbours are interpolated linearly.

    Of two equal pixels across an edge, the brighter one counts, so edges are one pixel wide. scikit-image marks both.
    """
    steep = np.abs(down) > np.abs(right)
    long = np.maximum(np.abs(down), np.abs(right))
    short = np.minimum(np.abs(down), np.abs(right))
    falling = (down > 0) == (right > 0)  # the gradient points to the lower right or the upper left
    around = np.pad(magnitude, ((0, 0), (1, 1), (1, 1)))
    height, width = magnitude.shape[1:]

    def neighbour(rows: int, columns: int) -> Integers:
        return around[:, 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

    def beside(sign: int) -> Integers:
        """Return the interpolated magnitude beside each pixel times `long`, on the right side for sign 1 and on the left side for -1."""
        vertical = np.where(falling, neighbour(sign, 0), neighbour(-sign, 0))
        diagonal = np.where(falling, neighbour(sign, sign), neighbour(-sign, sign))
        straight = np.where(steep, vertical, neighbour(0, sign))
        return np.asarray(diagonal * short + straight * (long - short), dtype=np.int64)

    one, other, rightwards = beside(1), beside(-1), right > 0
    ahead, behind = np.where(rightwards, one, other), np.where(rightwards, other, one)
    here = magnitude * long
    return np.asarray((magnitude > 0) & (ahead < here) & (behind <= here), dtype=np.bool_)


def connected(weak: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the weak pixels [N, H, W] that are connected to a strong one of the same image. Diagonal neighbours are connected."""
    within = np.zeros((3, 3, 3), dtype=np.bool_)
    within[1] = True
    labels, count = ndimage.label(weak, structure=within)
    good = np.zeros(count + 1, dtype=np.bool_)
    good[labels[strong & weak]] = True
    good[0] = False
    return np.asarray(good[labels], dtype=np.bool_)
