"""Regularisers of the discriminator: penalties on its gradient, penalties on its logits, and clipping of its weights.

A discriminator is any function of data [N, *shape] to logits [N, outputs].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from bench.training.precision import full_precision

Discriminate = Callable[[Tensor], Tensor]  # data [N, *shape] -> logits [N, outputs]


def input_gradient(discriminate: Discriminate, data: Tensor) -> Tensor:
    """Return the gradient of each sample's logit with respect to that sample, flat [N, D], in float32. It is differentiable.

    The gradient has no meaning with batch norm, because the logit of a sample then depends on the rest of its batch. With minibatch
    standard deviation, it includes the effect of a sample on the other logits, as in the publications that use both (ProGAN, StyleGAN).
    """
    data = data.detach().float().requires_grad_(True)
    with full_precision(data.device):
        logits = discriminate(data)
        (gradient,) = torch.autograd.grad(logits.sum(), data, create_graph=True)
    return gradient.flatten(1)


def gradient_penalty(discriminate: Discriminate, real: Tensor, fake: Tensor, noise: torch.Generator) -> Tensor:
    """Return (|grad D(x)| - 1)² [N] at random points between real and fake: Gulrajani et al. 2017 (arXiv 1704.00028), eq. 3."""
    mix = _uniform(real, noise, each=False)
    between = mix * real.float() + (1.0 - mix) * fake.float()
    return (input_gradient(discriminate, between).norm(dim=1) - 1.0).square()


def dragan_penalty(discriminate: Discriminate, real: Tensor, noise: torch.Generator) -> Tensor:
    """Return (|grad D(x)| - 1)² [N] around real data: Kodali et al. 2017 (arXiv 1705.07215), eq. 2.

    As in the authors' code, x is a random point between real data and real + std(real) / 2 * U[0, 1]. U[0, 1] has a value for each
    coordinate, and std is that of the batch.
    """
    far = 0.5 * real.float().std() * _uniform(real, noise, each=True)
    near = real.float() + _uniform(real, noise, each=False) * far
    return (input_gradient(discriminate, near).norm(dim=1) - 1.0).square()


def squared_gradient(discriminate: Discriminate, data: Tensor) -> Tensor:
    """Return |grad D(x)|² / 2 [N]: R1 on real, R2 on generated data (Mescheder et al. 2018, arXiv 1801.04406, eq. 9 and 10, without γ)."""
    return 0.5 * input_gradient(discriminate, data).square().sum(dim=1)


def consistency(before: Tensor, after: Tensor) -> Tensor:
    """Return |D(x) - D(T(x))|² [N] of logits before and after an augmentation T: Zhang et al. 2020 (arXiv 1910.12027), eq. 3, last layer."""
    return (before - after).square().flatten(1).sum(dim=1)


def lecam(real: Tensor, fake: Tensor, mean_real: Tensor, mean_fake: Tensor) -> Tensor:
    """Return (r - α_F)² + (f - α_R)² of logits and of their running means: Tseng et al. 2021 (arXiv 2104.03310), eq. 5."""
    return (real - mean_fake).square() + (fake - mean_real).square()


def clip_weights(module: nn.Module, bound: float) -> None:
    """Clip every weight to [-bound, bound], in place: Arjovsky et al. 2017 (arXiv 1701.07875), algorithm 1."""
    weights: Iterable[nn.Parameter] = module.parameters()
    tensors = [weight.data for weight in weights]
    torch._foreach_clamp_min_(tensors, -bound)
    torch._foreach_clamp_max_(tensors, bound)


def _uniform(data: Tensor, noise: torch.Generator, *, each: bool) -> Tensor:
    """Return random values from U[0, 1], one for each coordinate or one for each sample."""
    shape = data.shape if each else (len(data),) + (1,) * (data.dim() - 1)
    return torch.rand(shape, generator=noise, device=data.device)
