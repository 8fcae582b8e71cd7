"""Diversity: against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from bench.metrics.diversity import duplicate_rate, duplicate_threshold, mean_pair_distance, random_pairs


def test_pairs_are_of_different_images_and_always_the_same() -> None:
    first, second = random_pairs(7)
    assert not (first == second).any()
    assert set(first.tolist()) == set(second.tolist()) == set(range(7))
    assert all(torch.equal(a, b) for a, b in zip((first, second), random_pairs(7), strict=True))


def test_two_images_have_their_distance() -> None:
    images = torch.zeros(2, 3, 4, 5, dtype=torch.uint8)
    images[1] = 255
    assert mean_pair_distance(images) == pytest.approx(255 * math.sqrt(60))


def test_constant_images_are_at_distance_zero() -> None:
    assert mean_pair_distance(torch.full((50, 1, 8, 8), 17, dtype=torch.uint8)) == 0.0


def test_noise_has_its_expected_distance() -> None:
    # Two independent uniform bytes differ by a mean square of (256^2 - 1) / 6; the root of the mean is nearly the mean of the root.
    images = torch.randint(0, 256, (2000, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert mean_pair_distance(images) == pytest.approx(math.sqrt(784 * (256**2 - 1) / 6), rel=0.005)


def test_duplicates_are_nearer_than_the_threshold() -> None:
    threshold = duplicate_threshold(torch.arange(1.0, 1002.0))
    assert threshold == pytest.approx(2.0)  # the 0.1 % quantile of 1..1001
    assert duplicate_rate(torch.tensor([0.0, 1.9, 2.0, 3.0]), threshold) == 0.5


def test_copies_are_duplicates_even_where_real_images_have_copies_too() -> None:
    assert duplicate_rate(torch.tensor([0.0, 0.0, 1.0, 3.0]), duplicate_threshold(torch.zeros(10))) == 0.5
