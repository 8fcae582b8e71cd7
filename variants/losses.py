"""Adversarial losses on logits, per sample. The generator's are what it minimises.

r and f stand for the discriminator's logits on real and on generated examples, sigma for the logistic function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from bench.registry import Registry


@dataclass(frozen=True, kw_only=True)
class AdversarialLoss:
    """A pair of losses on logits [N]."""

    discriminator: Callable[[Tensor, Tensor, float], Tensor]  # (r, f, real label) -> [N]
    generator: Callable[[Tensor], Tensor]  # f -> [N]
    formula: str
    citation: str
    log_odds: bool = False  # whether sigma(logit) is the probability of being real


LOSSES: Registry[AdversarialLoss] = Registry("loss", AdversarialLoss)


def binary_cross_entropy(real: Tensor, fake: Tensor, real_label: float) -> Tensor:
    """-y log sigma(r) - (1 - y) log(1 - sigma(r)) - log(1 - sigma(f)): Goodfellow et al. 2014, eq. 1; real label y, one-sided."""
    real_term = real_label * softplus(-real) + (1.0 - real_label) * softplus(real) if real_label != 1.0 else softplus(-real)
    return real_term + softplus(fake)


def minimax_generator(fake: Tensor) -> Tensor:
    """log(1 - sigma(f)): Goodfellow et al. 2014, eq. 1. It saturates where the discriminator is sure."""
    return -softplus(fake)


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-log sigma(f): Goodfellow et al. 2014, section 3."""
    return softplus(-fake)


def least_squares_discriminator(real: Tensor, fake: Tensor, real_label: float) -> Tensor:
    """(r - b)^2 / 2 + (f - a)^2 / 2 with a = 0, b = the real label: Mao et al. 2017, eq. 2."""
    return 0.5 * (real - real_label).square() + 0.5 * fake.square()


def least_squares_generator(fake: Tensor) -> Tensor:
    """(f - c)^2 / 2 with c = 1: Mao et al. 2017, eq. 2 and 9."""
    return 0.5 * (fake - 1.0).square()


def wasserstein_critic(real: Tensor, fake: Tensor, real_label: float) -> Tensor:
    """f - r: Arjovsky et al. 2017, eq. 2, as minimised. The real label has no meaning here."""
    return fake - real


def wasserstein_generator(fake: Tensor) -> Tensor:
    """-f: Arjovsky et al. 2017, eq. 3."""
    return -fake


LOSSES.register(
    "minimax",
    AdversarialLoss(
        discriminator=binary_cross_entropy,
        generator=minimax_generator,
        log_odds=True,
        formula="D: -log σ(r) - log(1 - σ(f)); G: log(1 - σ(f))",
        citation="Goodfellow et al. 2014, arXiv 1406.2661",
    ),
)
LOSSES.register(
    "non-saturating",
    AdversarialLoss(
        discriminator=binary_cross_entropy,
        generator=non_saturating_generator,
        log_odds=True,
        formula="D: -log σ(r) - log(1 - σ(f)); G: -log σ(f)",
        citation="Goodfellow et al. 2014, arXiv 1406.2661",
    ),
)
LOSSES.register(
    "least-squares",
    AdversarialLoss(
        discriminator=least_squares_discriminator,
        generator=least_squares_generator,
        formula="D: (r - 1)²/2 + f²/2; G: (f - 1)²/2",
        citation="Mao et al. 2017, arXiv 1611.04076",
    ),
)
LOSSES.register(
    "wasserstein",
    AdversarialLoss(
        discriminator=wasserstein_critic,
        generator=wasserstein_generator,
        formula="D: f - r; G: -f",
        citation="Arjovsky et al. 2017, arXiv 1701.07875",
    ),
)
