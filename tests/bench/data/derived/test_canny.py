"""Tests of the edge detector: against a computation pixel by pixel, and against scikit-image where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.core.config import DATASETS
from bench.data.derived import canny as module
from bench.data.derived.canny import CannyPlan, canny

SMOOTHED = CannyPlan(sigma=1.0, low=26, high=51)
SHARP = CannyPlan(sigma=0.0, low=200, high=400)
PLANS = pytest.mark.parametrize("plan", [SMOOTHED, SHARP], ids=["smoothed", "sharp"])


def noise(n: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return random images with structure: random levels in blocks of 2x2 pixels."""
    blocks = np.random.RandomState(0).randint(0, 256, size=(n, -(-height // 2), -(-width // 2)))
    return np.kron(blocks, np.ones((1, 2, 2)))[:, :height, :width].astype(np.uint8)


def edges_of(image: NDArray[np.uint8], plan: CannyPlan) -> NDArray[np.bool_]:
    """Return the edges of one image, pixel by pixel, with Python's integers."""
    height, width = image.shape
    weights, radius = plan.weights, len(plan.weights) // 2

    def pixel(y: int, x: int) -> int:
        return int(image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)])

    def smooth(y: int, x: int) -> int:
        return sum(a * b * pixel(y + i - radius, x + j - radius) for i, a in enumerate(weights) for j, b in enumerate(weights))

    def sobel(y: int, x: int) -> tuple[int, int]:
        cross = (1, 2, 1)
        down = sum(c * (smooth(y + 1, x + i - 1) - smooth(y - 1, x + i - 1)) for i, c in enumerate(cross))
        right = sum(c * (smooth(y + i - 1, x + 1) - smooth(y + i - 1, x - 1)) for i, c in enumerate(cross))
        return down, right

    gradients = {(y, x): sobel(y, x) for y in range(-2, height + 2) for x in range(-2, width + 2)}
    strength = {place: round(math.sqrt(down**2 + right**2)) for place, (down, right) in gradients.items()}
    unit = sum(weights) ** 2

    def is_thin(y: int, x: int) -> bool:
        (down, right), here = gradients[y, x], strength[y, x]
        long, short = max(abs(down), abs(right)), min(abs(down), abs(right))
        sign_y, sign_x = (1 if down > 0 else -1), (1 if right > 0 else -1)

        def beside(direction: int) -> int:
            y_beside, x_beside = y + direction * sign_y, x + direction * sign_x
            straight = strength[y_beside, x] if abs(down) > abs(right) else strength[y, x_beside]
            return strength[y_beside, x_beside] * short + straight * (long - short)

        return here > 0 and beside(1) < here * long and beside(-1) <= here * long

    places = [(y, x) for y in range(-1, height + 1) for x in range(-1, width + 1)]
    weak = {place for place in places if is_thin(*place) and strength[place] >= plan.low * unit}
    found = {place for place in weak if strength[place] >= plan.high * unit}
    while True:
        joined = {(y, x) for y, x in weak if any((y + i, x + j) in found for i in (-1, 0, 1) for j in (-1, 0, 1))}
        if joined <= found:
            break
        found |= joined
    result = np.zeros((height, width), dtype=np.bool_)
    for y, x in found:
        if 0 <= y < height and 0 <= x < width:
            result[y, x] = True
    return result


@PLANS
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 13)])
def test_edges_are_those_of_a_computation_pixel_by_pixel(plan: CannyPlan, height: int, width: int) -> None:
    images = np.concatenate([noise(6, height, width), np.random.RandomState(1).randint(0, 256, (4, height, width)).astype(np.uint8)])
    found = canny(images, plan)
    for image, edges in zip(images, found, strict=True):
        np.testing.assert_array_equal(edges, edges_of(image, plan))
    assert found.any()


@PLANS
def test_an_image_has_the_same_edges_in_every_block(plan: CannyPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(7, 8, 8)
    together = canny(images, plan)
    monkeypatch.setattr(module, "BLOCK_VALUES", 3 * 64)
    np.testing.assert_array_equal(canny(images, plan), together)
    np.testing.assert_array_equal(np.concatenate([canny(images[i : i + 1], plan) for i in range(7)]), together)


def test_a_disc_has_a_thin_closed_outline_and_a_border_none() -> None:
    y, x = np.mgrid[:32, :32]
    disc = np.where((y - 15.5) ** 2 + (x - 15.5) ** 2 < 100, 255, 0).astype(np.uint8)
    (edges,) = canny(disc[None], SMOOTHED)
    radius = np.hypot(y - 15.5, x - 15.5)[edges]
    assert 8.5 < radius.min() <= radius.max() < 11.5
    assert 50 < edges.sum() < 75, "the outline has 63 pixels if it is one pixel wide"
    half = np.zeros((1, 16, 16), dtype=np.uint8)
    half[:, :, 8:] = 200
    (edges,) = canny(half, SMOOTHED)
    assert edges.sum(axis=1).tolist() == [1] * 16, "a straight edge is one pixel wide and reaches both borders"
    assert not canny(np.full((2, 8, 8), 255, dtype=np.uint8), SMOOTHED).any()


def test_a_weak_edge_needs_a_strong_one_of_the_same_image() -> None:
    step = np.zeros((3, 16, 16), dtype=np.uint8)
    step[0, :, 8:] = 12  # weak
    step[1, :, 8:] = 60  # strong
    step[2, :, 8:] = np.linspace(12, 60, 16)[:, None]  # weak above, strong below, connected
    found = canny(step, SMOOTHED)
    assert found.any(axis=(1, 2)).tolist() == [False, True, True]
    assert found[2, :4].any()


def test_the_definition_never_changes() -> None:
    assert SMOOTHED.definition == "canny 1 weights (1, 14, 62, 102, 62, 14, 1) low 26 high 51"
    assert SHARP.definition == "canny 1 weights (256,) low 200 high 400"


def test_scikit_image_finds_nearly_the_same_edges() -> None:
    feature = pytest.importorskip("skimage.feature")
    images = DATASETS.get("digits").split("test").data[:100, 0].numpy()
    images = np.kron(images, np.ones((1, 4, 4))).astype(np.uint8)
    found = canny(images, SMOOTHED)
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4)), mode="edge")
    oracle = np.stack(
        [feature.canny(image, sigma=1.0, low_threshold=26 / 255, high_threshold=51 / 255, mode="nearest") for image in padded]
    )
    oracle = oracle[:, 4:-4, 4:-4]
    assert (oracle | ~found).mean() > 0.99, "an edge is not one of scikit-image, which has both pixels of a tie"
