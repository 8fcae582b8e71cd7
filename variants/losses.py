"""Adversarial losses on logits, per sample. Discriminator and generator each minimise their loss.

r and f are the discriminator's logits of real and of generated examples. σ is the logistic function. The losses of f-GAN are in
`variants.divergences`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

from bench.core.registry import Registry


class Labels(NamedTuple):
    """The discriminator's targets for real and for generated examples."""

    real: float = 1.0
    fake: float = 0.0


HARD = Labels()


@dataclass(frozen=True, kw_only=True)
class AdversarialLoss:
    """Record of a pair of losses on logits [N]."""

    discriminator: Callable[[Tensor, Tensor, Labels], Tensor]  # (r, f, labels) -> [N]
    generator: Callable[[Tensor, Tensor], Tensor]  # (f, r) -> [N]. Most losses use only f
    formula: str
    citation: str
    log_odds: bool = False  # whether σ(logit) is the probability of being real
    soft_labels: bool = False  # whether the discriminator's labels may be other than 1 and 0
    sees_real: bool = False  # whether the generator's loss uses r


LOSSES: Registry[AdversarialLoss] = Registry("loss", AdversarialLoss)


def cross_entropy(logits: Tensor, label: float) -> Tensor:
    """Return -y log σ(l) - (1 - y) log(1 - σ(l)) for the label y."""
    if label == 1.0:
        return softplus(-logits)
    return softplus(logits) if label == 0.0 else label * softplus(-logits) + (1.0 - label) * softplus(logits)


def binary_cross_entropy(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return -log σ(r) - log(1 - σ(f)) with hard labels: Goodfellow et al. 2014, eq. 1. With other labels, return the cross-entropy with these labels."""
    return cross_entropy(real, labels.real) + cross_entropy(fake, labels.fake)


def minimax_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return log(1 - σ(f)): Goodfellow et al. 2014, eq. 1. It saturates if the discriminator is confident."""
    return -softplus(fake)


def non_saturating_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return -log σ(f): Goodfellow et al. 2014, section 3."""
    return softplus(-fake)


def least_squares_discriminator(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return (r - b)² / 2 + (f - a)² / 2 with the labels a and b, 0 and 1 as published: Mao et al. 2017, eq. 2."""
    return 0.5 * (real - labels.real).square() + 0.5 * (fake - labels.fake).square()


def least_squares_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return (f - c)² / 2 with c = 1: Mao et al. 2017, eq. 2 and 9."""
    return 0.5 * (fake - 1.0).square()


def sigmoid_least_squares_discriminator(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return (σ(r) - b)² / 2 + (σ(f) - a)² / 2, least squares on probabilities, as in Lucic et al. 2018."""
    return least_squares_discriminator(real.sigmoid(), fake.sigmoid(), labels)


def sigmoid_least_squares_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return (σ(f) - 1)² / 2."""
    return least_squares_generator(fake.sigmoid(), real)


def wasserstein_critic(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return f - r: Arjovsky et al. 2017, eq. 2, with the sign for minimisation."""
    return fake - real


def wasserstein_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return -f: Arjovsky et al. 2017, eq. 3."""
    return -fake


def hinge_discriminator(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return max(0, 1 - r) + max(0, 1 + f): Lim & Ye 2017, in the form of Miyato et al. 2018, eq. 16."""
    return relu(1.0 - real) + relu(1.0 + fake)


def relativistic_discriminator(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return -log σ(r - f): Jolicoeur-Martineau 2019, eq. 5. The loss pairs r and f by their index in the batch."""
    return softplus(fake - real)


def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return -log σ(f - r): Jolicoeur-Martineau 2019, eq. 6."""
    return softplus(real - fake)


def relativistic_average_discriminator(real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
    """Return -log σ(r - mean f) - log(1 - σ(f - mean r)): Jolicoeur-Martineau 2019, eq. 9, with the batch's means."""
    return cross_entropy(real - fake.mean(), labels.real) + cross_entropy(fake - real.mean(), labels.fake)


def relativistic_average_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return -log σ(f - mean r) - log(1 - σ(r - mean f)): Jolicoeur-Martineau 2019, eq. 10."""
    return relativistic_average_discriminator(fake, real, HARD)


LOSSES.register(
    "minimax",
    AdversarialLoss(
        discriminator=binary_cross_entropy, generator=minimax_generator, log_odds=True, soft_labels=True,
        formula="D: -log σ(r) - log(1 - σ(f)); G: log(1 - σ(f))", citation="Goodfellow et al. 2014, arXiv 1406.2661",
    ),
)  # fmt: skip
LOSSES.register(
    "non-saturating",
    AdversarialLoss(
        discriminator=binary_cross_entropy, generator=non_saturating_generator, log_odds=True, soft_labels=True,
        formula="D: -log σ(r) - log(1 - σ(f)); G: -log σ(f)", citation="Goodfellow et al. 2014, arXiv 1406.2661",
    ),
)  # fmt: skip
LOSSES.register(
    "least-squares",
    AdversarialLoss(
        discriminator=least_squares_discriminator, generator=least_squares_generator,
        formula="D: (r - 1)²/2 + f²/2; G: (f - 1)²/2", citation="Mao et al. 2017, arXiv 1611.04076",
    ),
)  # fmt: skip
LOSSES.register(
    "sigmoid-least-squares",
    AdversarialLoss(
        discriminator=sigmoid_least_squares_discriminator, generator=sigmoid_least_squares_generator,
        formula="D: (σ(r) - 1)²/2 + σ(f)²/2; G: (σ(f) - 1)²/2", citation="Lucic et al. 2018, arXiv 1711.10337",
    ),
)  # fmt: skip
LOSSES.register(
    "wasserstein",
    AdversarialLoss(
        discriminator=wasserstein_critic, generator=wasserstein_generator,
        formula="D: f - r; G: -f", citation="Arjovsky et al. 2017, arXiv 1701.07875",
    ),
)  # fmt: skip
LOSSES.register(
    "hinge",
    AdversarialLoss(
        discriminator=hinge_discriminator, generator=wasserstein_generator,
        formula="D: max(0, 1 - r) + max(0, 1 + f); G: -f", citation="Lim & Ye 2017, arXiv 1705.02894",
    ),
)  # fmt: skip
LOSSES.register(
    "relativistic",
    AdversarialLoss(
        discriminator=relativistic_discriminator, generator=relativistic_generator, sees_real=True,
        formula="D: -log σ(r - f); G: -log σ(f - r)", citation="Jolicoeur-Martineau 2019, arXiv 1807.00734",
    ),
)  # fmt: skip
LOSSES.register(
    "relativistic-average",
    AdversarialLoss(
        discriminator=relativistic_average_discriminator, generator=relativistic_average_generator, sees_real=True, soft_labels=True,
        formula="D: -log σ(r - E f) - log(1 - σ(f - E r)); G: -log σ(f - E r) - log(1 - σ(r - E f))",
        citation="Jolicoeur-Martineau 2019, arXiv 1807.00734",
    ),
)  # fmt: skip
