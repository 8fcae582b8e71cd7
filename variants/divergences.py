"""The losses of f-GAN (Nowozin et al. 2016, arXiv 1606.00709): one for each f-divergence that a discriminator can bound.

With an output activation g and the conjugate f* of the divergence, D maximises E g(r) - E f*(g(f)) (eq. 7). G maximises E g(f). The
publication uses this instead of minimising -E f*(g(f)), because its gradients are stronger at the start (section 3.2). Activations
and conjugates are those of tables 2 and 6. f*(g(.)) is simplified, which avoids the exponential of an exponential.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from variants.losses import LOSSES, AdversarialLoss, Labels

CITATION = "Nowozin et al. 2016, arXiv 1606.00709"


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Record of an f-divergence for f-GAN, as functions of logits v."""

    activation: Callable[[Tensor], Tensor]  # g(v), into the domain of the conjugate
    conjugate: Callable[[Tensor], Tensor]  # f*(g(v))
    formula: str  # of the losses of both players

    def discriminator(self, real: Tensor, fake: Tensor, labels: Labels) -> Tensor:
        """Return f*(g(f)) - g(r)."""
        return self.conjugate(fake) - self.activation(real)

    def generator(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return -g(f)."""
        return -self.activation(fake)


DIVERGENCES = {
    "kl": Divergence(
        activation=lambda v: v,
        conjugate=lambda v: torch.exp(v - 1.0),
        formula="D: exp(f - 1) - r; G: -f",
    ),
    "reverse-kl": Divergence(
        activation=lambda v: -torch.exp(-v),
        conjugate=lambda v: v - 1.0,
        formula="D: f - 1 + exp(-r); G: exp(-f)",
    ),
    "pearson": Divergence(
        activation=lambda v: v,
        conjugate=lambda v: 0.25 * v.square() + v,
        formula="D: f²/4 + f - r; G: -f",
    ),
    "squared-hellinger": Divergence(
        activation=lambda v: 1.0 - torch.exp(-v),
        conjugate=lambda v: torch.exp(v) - 1.0,
        formula="D: exp(f) - 1 - (1 - exp(-r)); G: exp(-f) - 1",
    ),
    "jensen-shannon": Divergence(
        activation=lambda v: math.log(2.0) + logsigmoid(v),
        conjugate=lambda v: softplus(v) - math.log(2.0),
        formula="D: -log σ(r) - log(1 - σ(f)) - log 4; G: -log σ(f) - log 2",
    ),
}
for _name, _divergence in DIVERGENCES.items():
    LOSSES.register(
        f"f-{_name}",
        AdversarialLoss(
            discriminator=_divergence.discriminator, generator=_divergence.generator, formula=_divergence.formula, citation=CITATION,
            log_odds=_name == "jensen-shannon",
        ),
    )  # fmt: skip
