"""Functions that put a transparent picture over white and scale it, in exact sums, so every machine gets the same bytes."""

from __future__ import annotations

import io
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture(png: bytes, side: int) -> NDArray[np.uint8]:
    """Return a PNG as uint8 [3, side, side]: in the middle of a white square, averaged over the area of each new pixel, halves rounded up."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        rgba = np.asarray(opened.convert("RGBA")).transpose(2, 0, 1).astype(np.float64)
    light = rgba[:3] * rgba[3] + 255 * (255 - rgba[3])  # 255 times the colour over white
    height, width = light.shape[1:]
    size = max(height, width)
    top, left = (size - height) // 2, (size - width) // 2
    square = np.full((3, size, size), 255.0 * 255.0)
    square[:, top : top + height, left : left + width] = light
    weights, total = area_weights(size, side)
    sums = (weights @ square @ weights.T).astype(np.int64)  # exact: whole numbers below 2 ** 53, in any order of summation
    whole = 255 * total * total
    return ((2 * sums + whole) // (2 * whole)).astype(np.uint8)


@cache
def area_weights(size: int, side: int) -> tuple[NDArray[np.float64], int]:
    """Return the weights [side, size] of area averaging along one axis, all whole numbers, and the sum of each row."""
    scale = math.gcd(size, side)
    new, old = size // scale, side // scale  # in a common unit, a new pixel has length `new` and an old one has length `old`
    starts, ends = np.arange(side)[:, None] * new, (np.arange(side)[:, None] + 1) * new
    first, last = np.arange(size)[None] * old, (np.arange(size)[None] + 1) * old
    return np.clip(np.minimum(ends, last) - np.maximum(starts, first), 0, None).astype(np.float64), new
