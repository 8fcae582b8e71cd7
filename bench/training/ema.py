"""Exponential moving average of weights, with its half-life in images (Karras et al. 2018, arXiv 1710.10196, section 4.1)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from bench.core.spec import Networks

WARM_UP = 0.05  # the half-life is at most this share of the images so far (Karras et al. 2020, arXiv 2006.06676, appendix B)


class Ema:
    """Average of the networks over training. It averages float parameters and buffers, and copies integer buffers."""

    def __init__(self, networks: Networks, half_life_images: int) -> None:
        self.half_life_images = half_life_images
        self.networks = copy.deepcopy(networks).requires_grad_(False)

    def decay(self, images: int, images_since: int) -> float:
        """Return the weight of the old average after `images_since` more images, out of `images` in all."""
        half_life = min(self.half_life_images, WARM_UP * images)
        return 0.5 ** (images_since / max(half_life, 1e-8))

    @torch.no_grad()
    def update(self, live: Networks, images: int, images_since: int) -> None:
        """Move the average towards the trained networks."""
        averages, values = [], []
        for average, value in zip(_tensors(self.networks), _tensors(live), strict=True):
            if average.dtype.is_floating_point:
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1.0 - self.decay(images, images_since))


def _tensors(networks: Networks) -> list[Tensor]:
    # Collected at each update, because a module may rebind a buffer.
    return [*(parameter.data for parameter in networks.parameters()), *networks.buffers()]
