"""Tests of the scaling of transparent pictures, against areas computed with fractions."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from bench.data.emoji.pictures import area_weights, picture


def png_of(rgba: np.ndarray) -> bytes:
    """Return an array [H, W, 4] as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(rgba.astype(np.uint8), "RGBA").save(file, "PNG")
    return file.getvalue()


def overlap(new: int, new_count: int, old: int, old_count: int) -> Fraction:
    """Return the share of a new pixel that an old pixel covers, along one axis."""
    start, end = Fraction(new, new_count), Fraction(new + 1, new_count)
    first, last = Fraction(old, old_count), Fraction(old + 1, old_count)
    return max(Fraction(0), min(end, last) - max(start, first)) * new_count


@pytest.mark.parametrize(("height", "width", "side"), [(6, 8, 4), (7, 7, 5), (5, 9, 3), (4, 4, 4)])
def test_each_pixel_is_the_rounded_mean_of_its_area_over_white(height: int, width: int, side: int) -> None:
    rgba = np.random.RandomState(0).randint(0, 256, (height, width, 4))
    found = picture(png_of(rgba), side)
    assert (found.shape, found.dtype) == ((3, side, side), np.uint8)
    size = max(height, width)
    top, left = (size - height) // 2, (size - width) // 2
    for channel in range(3):
        for row in range(side):
            for column in range(side):
                mean = Fraction(0)
                for y in range(size):
                    for x in range(size):
                        inside = 0 <= y - top < height and 0 <= x - left < width
                        alpha = int(rgba[y - top, x - left, 3]) if inside else 0
                        level = int(rgba[y - top, x - left, channel]) if inside else 0
                        over_white = Fraction(level * alpha + 255 * (255 - alpha), 255)
                        mean += over_white * overlap(row, side, y, size) * overlap(column, side, x, size)
                assert found[channel, row, column] == math.floor(mean + Fraction(1, 2))


def test_weights_cover_each_new_pixel_exactly() -> None:
    weights, total = area_weights(136, 64)
    assert weights.shape == (64, 136)
    assert (weights.sum(axis=1) == total).all()
    assert len(set(weights.sum(axis=0).tolist())) == 1, "some old pixels count more than others"


def test_a_transparent_picture_is_white() -> None:
    rgba = np.zeros((8, 8, 4))
    assert (picture(png_of(rgba), 3) == 255).all()
