"""Denoisers, the networks of diffusion: they predict the noise in data from noisy data and a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from bench.core.spec import DataShape

LONGEST = 10_000.0  # the longest wavelength of a time embedding is 2 pi times this number of steps


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """Record of a registered network that predicts noise.

    `build` takes the shape of the data and recipe.width. It returns a module of (data [N, *shape], times [N]).
    """

    build: Callable[[DataShape, int], nn.Module]
    idea: str
    kinds: tuple[str, ...] = ("image",)


def build_denoiser(name: str, data: DataShape, width: int) -> nn.Module:
    """Return a registered denoiser for this data. Raises a UserError for other networks, and for data that it does not support."""
    denoiser = NETWORKS.get(name)
    fitting = [other for other, found in NETWORKS if isinstance(found, Denoiser) and data.kind in found.kinds]
    advice = f"; set networks={' or '.join(fitting)}" if fitting else ""
    if not isinstance(denoiser, Denoiser):
        raise UserError(f"the networks {name!r} predict no noise, which diffusion needs{advice}")
    if data.kind not in denoiser.kinds:
        raise UserError(f"the networks {name!r} generate {' or '.join(denoiser.kinds)} data, not {data.kind}{advice}")
    return denoiser.build(data, width)


class TimeEmbedding(nn.Module):
    """Embedding of times [N] as vectors [N, outputs]: sines and cosines of geometric wavelengths, and two layers.

    The wavelengths are those of Vaswani et al. 2017 (arXiv 1706.03762), section 3.5.
    """

    frequencies: Tensor

    def __init__(self, waves: int, outputs: int) -> None:
        super().__init__()
        half = waves // 2
        self.register_buffer("frequencies", torch.exp(-math.log(LONGEST) * torch.arange(half) / half), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * half, outputs), nn.SiLU(), nn.Linear(outputs, outputs))

    def forward(self, times: Tensor) -> Tensor:
        """Return the embedded times [N, outputs]."""
        angles = times.to(self.frequencies.dtype)[:, None] * self.frequencies
        embedded: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=1))
        return embedded
