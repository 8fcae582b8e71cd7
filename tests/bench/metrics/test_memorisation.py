"""Metrics of memorisation for copies, near copies and fresh samples, and the test statistic compared with scipy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from torch import Tensor

from bench.metrics.memorisation import authenticity, ct_score, mann_whitney
from bench.metrics.ndb import assign, counts_of, fit_bins
from bench.metrics.neighbours import nearest_other, nearest_to


@pytest.fixture(scope="module")
def train() -> Tensor:
    return torch.randn(3000, 6, generator=torch.Generator().manual_seed(0))


def fresh(n: int, seed: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


def score(generated: Tensor, test: Tensor, train: Tensor) -> float:
    centres = fit_bins(train)
    (distance, _), (test_distance, _) = nearest_to(generated, train), nearest_to(test, train)
    counts = counts_of(assign(train, centres), len(centres))
    return ct_score(distance, assign(generated, centres), test_distance, assign(test, centres), counts)


def test_copies_are_not_authentic_even_of_images_that_have_copies(train: Tensor) -> None:
    assert authenticity(*nearest_to(train, train), nearest_other(train)) == 0.0
    twice = train.repeat(2, 1)
    assert authenticity(*nearest_to(train, twice), nearest_other(twice)) == 0.0


def test_an_image_is_authentic_if_farther_than_the_nearest_training_image_of_its_own() -> None:
    distance, index = torch.tensor([1.0, 2.0, 2.1, 0.5]), torch.tensor([0, 0, 0, 1])
    assert authenticity(distance, index, torch.tensor([2.0, 0.4])) == 0.5


def test_authenticity_rises_from_copies_to_fresh_samples_to_noise(train: Tensor) -> None:
    near = train + 0.1 * fresh(3000, 1)
    values = [authenticity(*nearest_to(part, train), nearest_other(train)) for part in (near, fresh(3000, 2), fresh(3000, 3, 3.0))]
    assert values == sorted(values)
    assert values[0] < 0.1 < 0.4 < values[1] < 0.7 < values[2]


def test_ct_is_about_zero_for_samples_like_the_test_images(train: Tensor) -> None:
    scores = [score(fresh(2000, 10 + seed), fresh(2000, 20 + seed), train) for seed in range(4)]
    assert max(map(abs, scores)) < 0.8  # the mean of about 60 z-scores, which share training images
    assert min(scores) < 0 < max(scores) or abs(float(np.mean(scores))) < 0.4


def test_ct_is_far_below_zero_for_noisy_copies_and_above_for_noise(train: Tensor) -> None:
    test = fresh(2000, 5)
    assert score(train[:2000] + 0.1 * fresh(2000, 6), test, train) < -5
    assert score(fresh(2000, 7, 2.5), test, train) > 3


def test_cells_are_weighted_by_test_images_and_left_out_when_nearly_empty() -> None:
    # In cell 0, 30 generated images are farther than 10 test images. In cell 1, 25 are nearer than 40. Cell 2 has 20, which is too few.
    noise = torch.Generator().manual_seed(0)
    generated = torch.cat([torch.full((30,), 2.0), torch.full((25,), 1.0), torch.full((20,), 9.0)]) + 1e-3 * torch.rand(75, generator=noise)
    test = torch.cat([torch.full((10,), 1.0), torch.full((40,), 2.0), torch.full((50,), 1.0)]) + 1e-3 * torch.rand(100, generator=noise)
    cells = torch.tensor([0] * 30 + [1] * 25 + [2] * 20), torch.tensor([0] * 10 + [1] * 40 + [2] * 50)
    up, down = 150 / math.sqrt(300 * 41 / 12), -500 / math.sqrt(1000 * 66 / 12)
    expected = (10 * up + 40 * down) / 50
    assert ct_score(generated, cells[0], test, cells[1], torch.tensor([5, 5, 5])) == pytest.approx(expected)
    assert ct_score(generated, cells[0], test, cells[1], torch.tensor([5, 0, 5])) == pytest.approx(up)
    assert math.isnan(ct_score(generated, cells[0] + 3, test, cells[1], torch.tensor([5, 5, 5])))


@pytest.mark.parametrize("decimals", [8, 1])  # without ties, and with many
def test_z_score_is_scipys(decimals: int) -> None:
    noise = np.random.default_rng(0)
    a, b = noise.normal(0.3, 1, 50).round(decimals), noise.normal(0, 1, 70).round(decimals)
    expected = mannwhitneyu(a, b, alternative="greater", method="asymptotic", use_continuity=False)
    z = mann_whitney(a, b)
    assert 0.5 * math.erfc(z / math.sqrt(2)) == pytest.approx(expected.pvalue, rel=1e-9)
    assert mann_whitney(b, a) == pytest.approx(-z)


def test_equal_distances_say_nothing() -> None:
    assert mann_whitney(np.zeros(30), np.zeros(40)) == 0.0


def test_impossible_input_raises() -> None:
    one = torch.ones(1)
    with pytest.raises(ValueError, match="some distances are not finite"):
        authenticity(one * torch.nan, torch.tensor([0]), one)
    with pytest.raises(ValueError, match="at least one image"):
        authenticity(torch.zeros(0), torch.zeros(0, dtype=torch.int64), one)
    with pytest.raises(ValueError, match="some distances are not finite"):
        ct_score(one * torch.inf, torch.tensor([0]), one, torch.tensor([0]), one)
