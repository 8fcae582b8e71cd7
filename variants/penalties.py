"""Regularisers of the discriminator: penalties on its gradient, and clipping of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from bench.precision import full_precision

Discriminate = Callable[[Tensor], Tensor]  # data [N, *shape] -> logits [N, outputs]


def input_gradient(discriminate: Discriminate, data: Tensor) -> Tensor:
    """The gradient of each sample's logit by its own data, flat [N, D], in float32 and itself differentiable.

    Meaningless where the logit of a sample depends on the others of its batch (batch norm).
    """
    data = data.detach().float().requires_grad_(True)
    with full_precision(data.device):
        logits = discriminate(data)
        (gradient,) = torch.autograd.grad(logits.sum(), data, create_graph=True)
    return gradient.flatten(1)


def gradient_penalty(discriminate: Discriminate, real: Tensor, fake: Tensor, noise: torch.Generator) -> Tensor:
    """(|grad D(x)| - 1)^2 [N] at random points between real and fake: Gulrajani et al. 2017 (arXiv 1704.00028), eq. 3."""
    shape = (len(real),) + (1,) * (real.dim() - 1)
    mix = torch.rand(shape, generator=noise, device=real.device)
    between = mix * real.float() + (1.0 - mix) * fake.float()
    return (input_gradient(discriminate, between).norm(dim=1) - 1.0).square()


def clip_weights(module: nn.Module, bound: float) -> None:
    """Every weight into [-bound, bound], in place: Arjovsky et al. 2017 (arXiv 1701.07875), algorithm 1."""
    weights: Iterable[nn.Parameter] = module.parameters()
    tensors = [weight.data for weight in weights]
    torch._foreach_clamp_min_(tensors, -bound)
    torch._foreach_clamp_max_(tensors, bound)
