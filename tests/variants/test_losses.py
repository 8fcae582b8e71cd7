"""Losses against closed forms and against the losses of torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from variants.divergences import DIVERGENCES
from variants.losses import HARD, LOSSES, Labels

LOGITS = torch.linspace(-6, 6, 25, dtype=torch.float64)
NONE = torch.zeros(1, dtype=torch.float64)  # real logits, which most generator losses ignore


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
@pytest.mark.parametrize("label", [1.0, 0.9, 0.5])
def test_discriminator_is_binary_cross_entropy(name: str, label: float) -> None:
    real, fake = LOGITS, LOGITS.flip(0)
    expected = binary_cross_entropy_with_logits(real, torch.full_like(real, label), reduction="none")
    expected = expected + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake), reduction="none")
    torch.testing.assert_close(LOSSES.get(name).discriminator(real, fake, Labels(real=label)), expected)


def test_generators_are_log_probabilities() -> None:
    torch.testing.assert_close(LOSSES.get("minimax").generator(LOGITS, NONE), (1 - LOGITS.sigmoid()).log())
    torch.testing.assert_close(LOSSES.get("non-saturating").generator(LOGITS, NONE), -LOGITS.sigmoid().log())


def test_minimax_saturates_where_non_saturating_does_not() -> None:
    sure = torch.tensor([-20.0], dtype=torch.float64, requires_grad=True)
    gradients = {}
    for name in ("minimax", "non-saturating"):
        (gradient,) = torch.autograd.grad(LOSSES.get(name).generator(sure, NONE).sum(), sure)
        gradients[name] = abs(gradient.item())
    assert gradients["minimax"] == pytest.approx(math.exp(-20), rel=1e-6)
    assert gradients["non-saturating"] == pytest.approx(1.0, rel=1e-6)


def test_least_squares_targets() -> None:
    loss = LOSSES.get("least-squares")
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])
    assert loss.discriminator(real, fake, HARD).tolist() == [0.0, 4.0]
    assert loss.generator(torch.tensor([1.0, -1.0]), NONE).tolist() == [0.0, 2.0]


def test_wasserstein_is_the_difference() -> None:
    loss = LOSSES.get("wasserstein")
    assert loss.discriminator(torch.tensor([2.0]), torch.tensor([0.5]), HARD).tolist() == [-1.5]
    assert loss.generator(torch.tensor([0.5]), NONE).tolist() == [-0.5]


@pytest.mark.parametrize("name", [name for name in LOSSES.names() if not name.startswith("f-") or name == "f-jensen-shannon"])
def test_finite_with_extreme_logits(name: str) -> None:
    loss, extreme = LOSSES.get(name), torch.tensor([-1e4, 1e4], requires_grad=True)
    total = loss.discriminator(extreme, extreme.flip(0), HARD).sum() + loss.generator(extreme, NONE).sum()
    (gradient,) = torch.autograd.grad(total, extreme)
    assert total.isfinite()
    assert gradient.isfinite().all()


def test_least_squares_on_probabilities() -> None:
    loss = LOSSES.get("sigmoid-least-squares")
    even = torch.zeros(1)
    assert loss.discriminator(even, even, HARD).tolist() == [0.25]
    assert loss.generator(even, NONE).tolist() == [0.125]


def test_hinge_is_flat_beyond_the_margin() -> None:
    loss = LOSSES.get("hinge")
    real, fake = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-2.0, 0.0, 3.0])
    assert loss.discriminator(real, fake, HARD).tolist() == [0.0, 1.0, 5.0]
    assert loss.generator(fake, real).tolist() == [2.0, 0.0, -3.0]


def test_relativistic_losses_look_at_differences_alone() -> None:
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.5, -1.0])
    pairs, means = LOSSES.get("relativistic"), LOSSES.get("relativistic-average")
    expected = -(real - fake).sigmoid().log()
    torch.testing.assert_close(pairs.discriminator(real, fake, HARD), expected)
    torch.testing.assert_close(pairs.generator(fake, real), -(fake - real).sigmoid().log())
    expected = -(real + 0.25).sigmoid().log() - (1 - (fake - 1.5).sigmoid()).log()
    torch.testing.assert_close(means.discriminator(real, fake, HARD), expected)
    torch.testing.assert_close(means.generator(fake, real), -(fake - 1.5).sigmoid().log() - (1 - (real + 0.25).sigmoid()).log())
    for loss in (pairs, means):
        torch.testing.assert_close(loss.discriminator(real + 7, fake + 7, HARD), loss.discriminator(real, fake, HARD))
        assert loss.sees_real


def test_two_sided_smoothing_is_cross_entropy_with_both_labels() -> None:
    real, fake = LOGITS, LOGITS.flip(0)
    expected = binary_cross_entropy_with_logits(real, torch.full_like(real, 0.9), reduction="none")
    expected = expected + binary_cross_entropy_with_logits(fake, torch.full_like(fake, 0.2), reduction="none")
    torch.testing.assert_close(LOSSES.get("non-saturating").discriminator(real, fake, Labels(real=0.9, fake=0.2)), expected)


P, Q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
F_DIVERGENCES = {  # f(u) of D_f = sum q f(p / q), and the optimal logit v, for which g(v) = f'(u)
    "kl": (lambda u: u * u.log(), lambda u: 1 + u.log()),
    "reverse-kl": (lambda u: -u.log(), lambda u: u.log()),
    "pearson": (lambda u: (u - 1).square(), lambda u: 2 * (u - 1)),
    "squared-hellinger": (lambda u: (u.sqrt() - 1).square(), lambda u: 0.5 * u.log()),
    "jensen-shannon": (lambda u: -(u + 1) * ((1 + u) / 2).log() + u * u.log(), lambda u: u.log()),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_best_discriminator_measures_the_divergence(name: str) -> None:
    """The variational bound (Nowozin et al. 2016, eq. 4) equals the divergence at the optimum, and is lower elsewhere."""
    f, best = F_DIVERGENCES[name]
    loss = LOSSES.get(f"f-{name}")

    def bound(logits: torch.Tensor) -> torch.Tensor:
        zero = torch.zeros_like(logits)
        on_real = loss.discriminator(logits, zero, HARD) - loss.discriminator(zero, zero, HARD)
        return -(P * on_real).sum() - (Q * loss.discriminator(zero, logits, HARD)).sum()

    divergence = (Q * f(P / Q)).sum()
    at_best = best(P / Q).requires_grad_()
    torch.testing.assert_close(bound(at_best), divergence)
    (gradient,) = torch.autograd.grad(bound(at_best), at_best)
    torch.testing.assert_close(gradient, torch.zeros(3, dtype=torch.float64))
    assert all(bound(at_best + torch.randn(3)) < divergence for _ in range(20))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_activation_and_conjugate_are_those_of_the_paper(name: str) -> None:
    """The conjugates f*(t) at t = g(v) equal those of the paper's table."""
    conjugates = {
        "kl": lambda t: (t - 1).exp(),
        "reverse-kl": lambda t: -1 - (-t).log(),
        "pearson": lambda t: t.square() / 4 + t,
        "squared-hellinger": lambda t: t / (1 - t),
        "jensen-shannon": lambda t: -(2 - t.exp()).log(),
    }
    one = DIVERGENCES[name]
    torch.testing.assert_close(one.conjugate(LOGITS), conjugates[name](one.activation(LOGITS)))
    torch.testing.assert_close(one.generator(LOGITS, NONE), -one.activation(LOGITS))
