"""A small U-Net that predicts noise, with residual blocks conditioned on the time (Ho et al. 2020, arXiv 2006.11239, appendix B).

Its blocks have group norm and SiLU, at two resolutions. It reads squares of 2 x 2 pixels as channels, which divides its cost
by about four.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle, scaled_dot_product_attention, silu

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from bench.core.spec import DataShape
from variants.networks.denoiser import Denoiser, TimeEmbedding

PUBLISHED_WIDTH = 128
PATCH = 2
GROUP = 8  # channels that are normalised together
DEEPER = 2  # factor of the channels at the lower resolution
OF_TIME = 4  # width of the time embedding, as a multiple of the network's width


class TimedResidual(nn.Module):
    """Residual block of two 3 x 3 convolutions. It adds the time between them, and the input at the end."""

    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = norm(inputs), norm(outputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.time = nn.Linear(time, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, maps: Tensor, time: Tensor) -> Tensor:
        """Map feature maps [N, inputs, H, W] and times [N, time] to [N, outputs, H, W]."""
        inner = self.conv_in(silu(self.norm_in(maps))) + self.time(time)[:, :, None, None]
        outputs: Tensor = self.skip(maps) + self.conv_out(silu(self.norm_out(inner)))
        return outputs


class Attention(nn.Module):
    """Layer of self-attention over all pixels, with one attention head and a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.to_three = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return feature maps [N, C, H, W] of the same shape."""
        places = self.norm(maps).flatten(2).transpose(1, 2)  # [N, H * W, C]
        query, key, value = self.to_three(places).chunk(3, dim=2)
        attended = self.out(scaled_dot_product_attention(query, key, value))
        return maps + attended.transpose(1, 2).view_as(maps)


class UNet(nn.Module):
    """U-Net from noisy images [N, C, H, W] and times [N] to the noise [N, C, H, W]."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        deep, time, pixels = DEEPER * width, OF_TIME * width, channels * PATCH**2
        self.time = TimeEmbedding(max(width, 2), time)
        self.read = nn.Conv2d(pixels, width, 3, 1, 1)
        self.down = TimedResidual(width, width, time)
        self.sink = nn.Conv2d(width, deep, 3, 2, 1)
        self.low_in, self.attention, self.low_out = TimedResidual(deep, deep, time), Attention(deep), TimedResidual(deep, deep, time)
        self.rise = nn.Conv2d(deep, width, 1)
        self.up = TimedResidual(2 * width, width, time)
        self.norm = norm(width)
        self.write = nn.Conv2d(width, pixels, 3, 1, 1)
        for weight in self.write.parameters():
            nn.init.zeros_(weight)  # the noise is predicted to be 0 at first

    def forward(self, data: Tensor, times: Tensor) -> Tensor:
        """Return the predicted noise [N, C, H, W] in the data."""
        time = silu(self.time(times))
        high = self.down(self.read(pixel_unshuffle(data, PATCH)), time)
        low = self.low_out(self.attention(self.low_in(self.sink(high), time)), time)
        maps = self.up(torch.cat([high, interpolate(self.rise(low), scale_factor=2.0, mode="nearest")], dim=1), time)
        return pixel_shuffle(self.write(silu(self.norm(maps))), PATCH)


def norm(channels: int) -> nn.Module:
    """Return group norm (Wu and He 2018, arXiv 1803.08494) with groups of up to 8 channels."""
    return nn.GroupNorm(next(groups for groups in range(max(1, channels // GROUP), 0, -1) if channels % groups == 0), channels)


def build(data: DataShape, width: int) -> nn.Module:
    """Return the U-Net for images whose sides are multiples of 4."""
    channels, *sides = data.shape
    if any(side % (2 * PATCH) for side in sides):
        raise UserError(
            f"the networks 'unet' take images whose sides are multiples of {2 * PATCH}, not {sides[0]}x{sides[1]}; set other networks or another size"
        )
    return UNet(channels, width or PUBLISHED_WIDTH)


NETWORKS.register("unet", Denoiser(build=build, idea="predicts noise: a U-Net of two resolutions with group norm, SiLU and attention"))
