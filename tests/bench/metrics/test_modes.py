"""Modes: shares, coverage, divergence and the collapse verdict, on shares made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench.metrics.modes import class_kl, class_shares, classes_covered, collapse

UNIFORM = np.full(10, 0.1)


def kept(m: int) -> np.ndarray:
    """Equal shares of the first m of ten classes."""
    return np.where(np.arange(10) < m, 1 / m, 0.0)


def test_shares_count_every_class_even_an_empty_one() -> None:
    assert class_shares(torch.tensor([0, 0, 2, 0]), 4).tolist() == [0.75, 0.0, 0.25, 0.0]


@pytest.mark.parametrize("m", [1, 2, 5, 9, 10])
def test_m_of_ten_equal_classes(m: int) -> None:
    assert classes_covered(kept(m), UNIFORM) == m
    assert class_kl(kept(m), UNIFORM) == pytest.approx(math.log(10 / m), abs=1e-12)


def test_a_tenth_of_the_real_share_is_covered_and_less_is_not() -> None:
    real = np.array([0.5, 0.5])
    assert classes_covered(np.array([0.95, 0.05]), real) == 2
    assert classes_covered(np.array([0.951, 0.049]), real) == 1


def test_a_class_that_real_images_lack() -> None:
    real, generated = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert classes_covered(generated, real) == 1
    assert class_kl(generated, real) == math.inf
    assert class_kl(real, generated) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("covered", "duplicates", "verdict"), [(10, 0.0, 0.0), (6, 0.0, 0.0), (5, 0.0, 1.0), (10, 0.0999, 0.0), (10, 0.1, 1.0), (1, 1.0, 1.0)]
)
def test_collapse_is_half_the_classes_or_a_tenth_of_duplicates(covered: int, duplicates: float, verdict: float) -> None:
    assert collapse(covered=covered, classes=10, duplicate_rate=duplicates, precision=0.05) == (verdict, "")


def test_collapse_is_not_judged_on_noise() -> None:
    verdict, reason = collapse(covered=1, classes=10, duplicate_rate=1.0, precision=0.049)
    assert math.isnan(verdict)
    assert "precision 0.049 is under 0.05" in reason
