"""Losses against closed forms and against torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from variants.losses import LOSSES

LOGITS = torch.linspace(-6, 6, 25, dtype=torch.float64)


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
@pytest.mark.parametrize("label", [1.0, 0.9, 0.5])
def test_discriminator_is_binary_cross_entropy(name: str, label: float) -> None:
    real, fake = LOGITS, LOGITS.flip(0)
    expected = binary_cross_entropy_with_logits(real, torch.full_like(real, label), reduction="none")
    expected = expected + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake), reduction="none")
    torch.testing.assert_close(LOSSES.get(name).discriminator(real, fake, label), expected)


def test_generators_are_log_probabilities() -> None:
    torch.testing.assert_close(LOSSES.get("minimax").generator(LOGITS), (1 - LOGITS.sigmoid()).log())
    torch.testing.assert_close(LOSSES.get("non-saturating").generator(LOGITS), -LOGITS.sigmoid().log())


def test_minimax_saturates_where_non_saturating_does_not() -> None:
    sure = torch.tensor([-20.0], dtype=torch.float64, requires_grad=True)
    gradients = {}
    for name in ("minimax", "non-saturating"):
        (gradient,) = torch.autograd.grad(LOSSES.get(name).generator(sure).sum(), sure)
        gradients[name] = abs(gradient.item())
    assert gradients["minimax"] == pytest.approx(math.exp(-20), rel=1e-6)
    assert gradients["non-saturating"] == pytest.approx(1.0, rel=1e-6)


def test_least_squares_targets() -> None:
    loss = LOSSES.get("least-squares")
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])
    assert loss.discriminator(real, fake, 1.0).tolist() == [0.0, 4.0]
    assert loss.generator(torch.tensor([1.0, -1.0])).tolist() == [0.0, 2.0]


def test_wasserstein_is_the_difference() -> None:
    loss = LOSSES.get("wasserstein")
    assert loss.discriminator(torch.tensor([2.0]), torch.tensor([0.5]), 1.0).tolist() == [-1.5]
    assert loss.generator(torch.tensor([0.5])).tolist() == [-0.5]


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "least-squares", "wasserstein"])
def test_finite_with_extreme_logits(name: str) -> None:
    loss, extreme = LOSSES.get(name), torch.tensor([-1e4, 1e4], requires_grad=True)
    total = loss.discriminator(extreme, extreme.flip(0), 1.0).sum() + loss.generator(extreme).sum()
    (gradient,) = torch.autograd.grad(total, extreme)
    assert total.isfinite()
    assert gradient.isfinite().all()
