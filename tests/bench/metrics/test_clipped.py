"""Clipped Density and Clipped Coverage, compared with brute force, closed forms and known shares of bad images."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.metrics.clipped import clipped_mean, equivalent_share, expected_fill
from bench.metrics.neighbours import K_BALL, Overlap, clipped_radius, find_neighbours, overlap

N = 1000


def normal(n: int, d: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def overlapped(generated: Tensor, real: Tensor) -> Overlap:
    none = torch.zeros(0, len(generated))
    return overlap(find_neighbours(real), find_neighbours(generated), none.bool(), none)


def real_density(real: Tensor) -> float:
    """Return the unnormalised Clipped Density of real rows against each other, by brute force."""
    apart = torch.cdist(real, real, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    return clipped_mean((apart <= by_hand_radius(real)[:, None]).sum(dim=0))


def by_hand_radius(real: Tensor) -> Tensor:
    radius = torch.from_numpy(np.sort(np.linalg.norm(real[:, None] - real[None], axis=2), axis=1)[:, K_BALL])
    return radius.clamp(max=float(np.median(radius)))


def density(generated: Tensor, real: Tensor) -> float:
    return min(clipped_mean(overlapped(generated, real).clipped_balls) / real_density(real), 1.0)


def coverage(generated: Tensor, real: Tensor) -> float:
    return equivalent_share(clipped_mean(overlapped(generated, real).filled[0]), len(generated), len(real))


def test_counts_are_those_of_the_equations() -> None:
    generated, real = normal(400, seed=1), normal(300)
    apart = torch.cdist(real, generated, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(clipped_radius(find_neighbours(real)), by_hand_radius(real))
    found = overlapped(generated, real)
    assert torch.equal(found.clipped_balls, (apart <= by_hand_radius(real)[:, None]).sum(dim=0))
    assert torch.equal(found.filled[0].long(), (apart <= find_neighbours(real).radius(K_BALL)[:, None]).sum(dim=1))
    assert found.clipped_balls.sum() < found.balls.sum()


def test_the_mean_of_clipped_counts_by_hand() -> None:
    assert clipped_mean(torch.tensor([0, 1, 5, 50])) == pytest.approx((0 + 0.2 + 1 + 1) / 4)


@pytest.mark.parametrize("good", [0, 30, 100, 200])
def test_the_expected_fill_is_that_of_simulated_samples(good: int) -> None:
    """The expected fill equals the mean over simulated values on a line, where only the order of values matters."""
    random = np.random.default_rng(good)
    values = []
    for _ in range(1500):
        others, generated = np.abs(random.random(99) - 0.5), np.abs(random.random(good) - 0.5)  # distances to a real image at 0.5
        values.append(min(float((generated <= np.sort(others)[K_BALL - 1]).sum()) / K_BALL, 1.0))
    assert expected_fill(200, 100)[good] == pytest.approx(np.mean(values), abs=0.03)


def test_the_calibration_rises_from_0_and_is_its_own_inverse() -> None:
    expected = expected_fill(500, 300)
    assert expected[0] == pytest.approx(0, abs=1e-12)
    assert all(before < after for before, after in pairwise(expected))
    for good in (0, 1, 250, 500):
        assert equivalent_share(float(expected[good]), 500, 300) == pytest.approx(good / 500)
    assert equivalent_share(1.0, 500, 300) == 1.0  # more than the mean fill of good images


def test_one_good_image_in_the_limit_fills_a_kth_of_its_share() -> None:
    """One good image lies in a ball with probability k / N, and fills a kth of the ball."""
    assert expected_fill(1, 300)[1] == pytest.approx(1 / 300)


def means(values: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean density and coverage over draws. A single draw of real images shifts all values."""
    return float(np.mean([value[0] for value in values])), float(np.mean([value[1] for value in values]))


FAST = [(N, 0.25), (N, 0.75), (500, 0.5)]
SHARES = [pytest.param(*case, marks=() if case in FAST else pytest.mark.slow) for case in product((N, 500), (0.0, 0.25, 0.5, 0.75, 1.0))]


@pytest.mark.parametrize(("n", "bad"), SHARES)
def test_a_share_of_bad_images_is_what_is_missing(n: int, bad: float) -> None:
    found = []
    for draw in range(5):
        real, generated = normal(N, seed=2 * draw), normal(n, seed=2 * draw + 1)
        generated[: round(bad * n)] += 100
        found.append((density(generated, real), coverage(generated, real)))
    assert means(found) == pytest.approx((1 - bad, 1 - bad), abs=0.04)


def test_images_that_count_double_hide_no_bad_ones() -> None:
    """Good images in more than k balls raise plain density above 1, but do not hide the bad images from the clipped metrics."""
    real, generated = normal(N), 0.5 * normal(N, seed=1)
    generated[: N // 4] += 100
    plain = float(overlapped(generated, real).balls.double().mean()) / K_BALL
    assert plain > 1.5
    limit = 0.75 / real_density(real)  # every good image contributes 1
    assert density(generated, real) == pytest.approx(min(limit, 1.0), abs=0.01)
    assert coverage(generated, real) < 0.7  # no generated image is near the outer real images


def test_real_outliers_raise_neither() -> None:
    """Real outliers hardly raise the clipped metrics, although bad images between the outliers lie in real balls."""
    found, plain = [], []
    for draw in range(5):
        real, generated = normal(N, seed=3 * draw), normal(N, seed=3 * draw + 1)
        real[:50] *= 30
        generated[: N // 2] = 10 * normal(N // 2, seed=3 * draw + 2)
        plain.append(float(overlapped(generated, real).balls[: N // 2].gt(0).double().mean()))
        found.append((density(generated, real), coverage(generated, real)))
    assert min(plain) > 0.3  # precision and density count these bad images as good
    fidelity, covered = means(found)
    assert fidelity == pytest.approx(0.5, abs=0.04)
    assert covered == pytest.approx(0.5 + 0.05, abs=0.04)  # the outliers, a twentieth of the real images, are covered


@pytest.mark.parametrize("left", [pytest.param(0.75, marks=pytest.mark.slow), 0.5, pytest.param(0.25, marks=pytest.mark.slow)])
def test_all_modes_but_one_thinned_at_once(left: float) -> None:
    """Clipped Coverage falls with the share of images left in nine of ten modes, although plain coverage stays higher."""
    centres = 50 * torch.arange(10).repeat_interleave(N // 10)[:, None]
    rows = torch.arange(N)
    thinned = (rows >= N // 10) & (rows % 100 >= 100 * left)
    found, plain = [], []
    for draw in range(5):
        real, generated = normal(N, seed=3 * draw) + centres, normal(N, seed=3 * draw + 1) + centres
        generated[thinned] = normal(int(thinned.sum()), seed=3 * draw + 2)
        plain.append(float(overlapped(generated, real).filled[0].gt(0).double().mean()))
        found.append((density(generated, real), coverage(generated, real)))
    assert min(plain) > left + 0.1
    fill = 0.1 + 0.9 * float(expected_fill(N, N)[round(left * N)])  # the first mode has lost no image
    fidelity, covered = means(found)
    assert fidelity > 0.97  # every image is good
    assert covered == pytest.approx(equivalent_share(fill, N, N), abs=0.04)
    assert covered < left + 0.1
