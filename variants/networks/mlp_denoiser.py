"""A fully connected network that predicts noise, for points or for images as vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS
from bench.core.spec import DataShape
from variants.networks.denoiser import Denoiser, TimeEmbedding

DEFAULT_WIDTH = 128
HIDDEN = 3


class MlpDenoiser(nn.Module):
    """Network from noisy data [N, *shape] and times [N] to the noise [N, *shape]. The time is an input of every hidden layer."""

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.time = TimeEmbedding(max(width, 2), width)
        self.hidden = nn.ModuleList(nn.Linear(numbers if layer == 0 else width, width) for layer in range(HIDDEN))
        self.out = nn.Linear(width, numbers)

    def forward(self, data: Tensor, times: Tensor) -> Tensor:
        """Return the predicted noise [N, *shape] in the data."""
        time, hidden = self.time(times), data.flatten(1)
        for layer in self.hidden:
            hidden = torch.nn.functional.silu(layer(hidden) + time)
        noise: Tensor = self.out(hidden)
        return noise.view_as(data)


def build(data: DataShape, width: int) -> nn.Module:
    """Return the network for data of any shape."""
    return MlpDenoiser(math.prod(data.shape), width or DEFAULT_WIDTH)


NETWORKS.register(
    "mlp-denoiser", Denoiser(build=build, idea="predicts noise: three layers of 128, with the time as input", kinds=("points", "image"))
)
