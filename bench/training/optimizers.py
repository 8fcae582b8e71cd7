"""The optimiser of a recipe, in torch's fused implementation if torch has one."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from bench.core.spec import Recipe


def make_optimiser(parameters: Iterable[nn.Parameter], lr: float, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser for one player.

    RMSprop has no fused implementation. Its smoothing constant is torch's default, .99, as in WGAN's code.
    """
    match recipe.optimiser:
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True)
        case "sgd":
            return torch.optim.SGD(parameters, lr=lr, weight_decay=recipe.weight_decay, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=lr, weight_decay=recipe.weight_decay, foreach=True)
