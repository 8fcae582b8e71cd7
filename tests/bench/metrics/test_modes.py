"""Metrics of modes and the collapse verdict, computed from known shares."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench.metrics.modes import class_shares, classes_covered, collapse, mixture_modes, reverse_kl, stacked_modes

UNIFORM = np.full(10, 0.1)


def first_classes(m: int) -> np.ndarray:
    """Return equal shares of the first m of ten classes."""
    return np.where(np.arange(10) < m, 1 / m, 0.0)


def test_shares_count_every_class_even_an_empty_one() -> None:
    assert class_shares(torch.tensor([0, 0, 2, 0]), 4).tolist() == [0.75, 0.0, 0.25, 0.0]


@pytest.mark.parametrize("m", [1, 2, 5, 9, 10])
def test_m_of_ten_equal_classes(m: int) -> None:
    assert classes_covered(first_classes(m), UNIFORM) == m
    assert reverse_kl(first_classes(m), UNIFORM) == pytest.approx(math.log(10 / m), abs=1e-12)


def test_a_tenth_of_the_real_share_is_covered_and_less_is_not() -> None:
    real = np.array([0.5, 0.5])
    assert classes_covered(np.array([0.95, 0.05]), real) == 2
    assert classes_covered(np.array([0.951, 0.049]), real) == 1


def test_a_class_that_real_images_lack() -> None:
    real, generated = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert classes_covered(generated, real) == 1
    assert reverse_kl(generated, real) == math.inf
    assert reverse_kl(real, generated) == pytest.approx(math.log(2))


def verdict(*, covered: int = 10, repeated: float = 0.0, inside: float = 1.0, outside_covered: int = 10) -> tuple[float, str]:
    """Return the verdict on 1,000 images, of which a share `inside` lies in the real manifold. All others are duplicates."""
    within = torch.arange(1000) < inside * 1000
    classes = torch.where(within, torch.arange(1000) % covered, torch.arange(1000) % outside_covered)
    duplicates = torch.where(within, torch.arange(1000) < repeated * inside * 1000, True)
    return collapse(inside=within, predictions=classes, duplicates=duplicates, real=np.full(10, 0.1))


@pytest.mark.parametrize(
    ("covered", "repeated", "expected"), [(10, 0.0, 0.0), (6, 0.0, 0.0), (5, 0.0, 1.0), (10, 0.49, 0.0), (10, 0.5, 1.0), (1, 1.0, 1.0)]
)
@pytest.mark.parametrize("inside", [1.0, 0.5])
def test_collapse_is_half_the_classes_or_half_of_duplicates_among_real_looking_images(
    covered: int, repeated: float, expected: float, inside: float
) -> None:
    assert verdict(covered=covered, repeated=repeated, inside=inside) == (expected, "")


def test_a_class_counts_from_four_tenths_of_its_share() -> None:
    # Five classes have full shares. The sixth is as rare as a missing class with errors of the classifier, or less rare.
    everywhere, nowhere = torch.ones(1000, dtype=torch.bool), torch.zeros(1000, dtype=torch.bool)
    for sixth, expected in ((39, 1.0), (41, 0.0)):
        classes = torch.where(torch.arange(1000) < sixth, 5, torch.arange(1000) % 5)
        found, _ = collapse(inside=everywhere, predictions=classes, duplicates=nowhere, real=UNIFORM)
        assert found == expected
        assert classes_covered(class_shares(classes, 10), UNIFORM) == 6


def test_collapse_is_not_judged_where_hardly_an_image_looks_real() -> None:
    judged, reason = verdict(covered=1, repeated=1.0, inside=0.049)
    assert math.isnan(judged)
    assert "4.9% of the images lie in the real manifold" in reason
    assert verdict(covered=1, repeated=1.0, inside=0.05) == (1.0, "")


def test_collapse_is_not_judged_by_a_handful_of_images() -> None:
    for n, judged in ((29, False), (30, True)):
        classes, alike = torch.arange(n) % 10, torch.zeros(n, dtype=torch.bool)
        found, reason = collapse(inside=~alike, predictions=classes, duplicates=alike, real=UNIFORM)
        assert (found == 0.0) == judged
        assert not reason if judged else "29 images" in reason and reason.endswith("30")


def test_a_few_real_images_are_hardly_ever_called_collapse() -> None:
    noise = torch.Generator().manual_seed(0)
    for n in (30, 40, 70):
        samples = torch.randint(10, (4000, n), generator=noise)
        alarms = sum(
            collapse(inside=torch.ones(n) > 0, predictions=classes, duplicates=torch.zeros(n) > 0, real=UNIFORM)[0] for classes in samples
        )
        assert alarms <= 4


def test_a_rare_class_that_is_never_made_is_not_covered() -> None:
    real = np.array([0.91, *[0.01] * 9])
    images = torch.zeros(200, dtype=torch.int64)
    assert collapse(inside=images == 0, predictions=images, duplicates=images > 0, real=real) == (1.0, "")


def test_a_few_images_of_one_class_are_collapse() -> None:
    classes = torch.tensor([*[0] * 28, 1, 2])  # the classifier is wrong for two images
    assert collapse(inside=classes >= 0, predictions=classes, duplicates=classes < 0, real=UNIFORM) == (1.0, "")


def test_true_mixtures_have_all_modes_and_their_high_quality() -> None:
    # In two dimensions, 1 - exp(-9 / 2) = 98.89 % of a Gaussian lie within three standard deviations.
    noise = torch.Generator().manual_seed(0)
    centres = torch.cartesian_prod(torch.arange(-4.0, 5.0, 2.0), torch.arange(-4.0, 5.0, 2.0))
    points = centres.repeat(4000, 1) + 0.05 * torch.randn(100_000, 2, generator=noise)
    found = mixture_modes(points, centres, 0.05)
    assert found.found == 25
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=1.5e-3)
    assert found.shares.tolist() == [1 / 25] * 25
    assert reverse_kl(found.shares, np.full(25, 1 / 25)) == pytest.approx(0.0, abs=1e-12)


def test_points_far_from_every_centre_find_no_mode_but_have_shares() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    found = mixture_modes(torch.tensor([[0.0, 0.2], [0.0, 0.4], [9.0, 0.0], [12.0, 0.0]]), centres, 0.1)
    assert (found.found, found.high_quality) == (1, 0.25)
    assert found.shares.tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="1 of 2 points are not finite"):
        mixture_modes(torch.tensor([[0.0, 0.0], [torch.nan, 0.0]]), centres, 0.1)


def test_as_many_samples_as_published_of_1000_equal_modes_have_the_published_floor() -> None:
    # For 26,000 draws of 1,000 equal modes, KL is about (1000 - 1) / (2 x 26,000) = 0.019.
    predictions = torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(0))
    found = stacked_modes(predictions, 1000)
    assert found.found == 1000
    assert math.isnan(found.high_quality)
    assert reverse_kl(found.shares, np.full(1000, 1e-3)) == pytest.approx(999 / 52_000, rel=0.08)
    one = stacked_modes(torch.zeros(100, dtype=torch.int64), 1000)
    assert (one.found, reverse_kl(one.shares, np.full(1000, 1e-3))) == (1, pytest.approx(math.log(1000)))
