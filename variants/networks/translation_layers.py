"""Layers of translators: padding to the sides that their stages need, normalisation, doubling of sides, residual blocks and dropout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from variants.networks.layers import Conv2d, ConvTranspose2d

Size = tuple[int, int]
Padding = Literal["zeros", "reflect"]
NOTHING = "published"  # the choice that leaves a decision to the networks


def choose(choice: str, published: str) -> str:
    """Return the choice of a recipe, or the published one if the recipe leaves it to the networks."""
    return published if choice == NOTHING else choice


def multiples(size: Sequence[int], factor: int, *, least: int = 0) -> Size:
    """Return the smallest sides that are multiples of `factor`, not below the size, and not below `least`."""
    height, width = (factor * -(-max(side, least) // factor) for side in size)
    return height, width


def pad_to(images: Tensor, size: Size, padding: Padding = "reflect") -> Tensor:
    """Return images [N, C, H, W] in the middle of this size. A reflection that is as long as a side repeats the edge instead."""
    margins = [(more // 2, more - more // 2) for more in (side - own for side, own in zip(size, images.shape[2:], strict=True))]
    widest = [max(pair) for pair in margins]
    if not any(widest):
        return images
    reflects = all(margin < own for margin, own in zip(widest, images.shape[2:], strict=True))
    mode = "constant" if padding == "zeros" else "reflect" if reflects else "replicate"
    return pad(images, (*margins[1], *margins[0]), mode=mode)


def crop_to(images: Tensor, size: Size) -> Tensor:
    """Return the middle of images [N, C, H, W] in this size, which undoes `pad_to`."""
    top, left = ((own - side) // 2 for own, side in zip(images.shape[2:], size, strict=True))
    return images[:, :, top : top + size[0], left : left + size[1]]


def norm(kind: str, channels: int, *, affine: bool = False) -> list[nn.Module]:
    """Return a list with a normalisation of feature maps, empty for "none".

    Instance norm (Ulyanov et al. 2016, arXiv 1607.08022) has no running statistics. It computes each image alone, in training and in
    evaluation alike. Batch norm computes each image alone only in evaluation.
    """
    if kind == "instance":
        return [nn.InstanceNorm2d(channels, affine=affine)]
    return [nn.BatchNorm2d(channels)] if kind == "batch" else []


def doubling(inputs: int, outputs: int, way: str, *, kernel: int = 4, bias: bool = True, padding: Padding = "zeros") -> nn.Module:
    """Return a layer from feature maps [N, inputs, H, W] to [N, outputs, 2H, 2W].

    `transposed`: a transposed convolution of stride 2 with this kernel, 3 or 4. `resize`: nearest up-sampling and a 3 x 3 convolution
    (Odena et al. 2016, Distill, "Deconvolution and checkerboard artifacts"). `shuffle`: a 3 x 3 convolution to four times the outputs
    and a pixel shuffle (Shi et al. 2016, arXiv 1609.05158, section 2.2).
    """
    if way == "transposed":
        return ConvTranspose2d(inputs, outputs, kernel, 2, 1, output_padding=kernel % 2, bias=bias)
    if way == "resize":
        return nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"), Conv2d(inputs, outputs, 3, 1, 1, bias=bias, padding_mode=padding)
        )
    return nn.Sequential(Conv2d(inputs, 4 * outputs, 3, 1, 1, bias=bias, padding_mode=padding), nn.PixelShuffle(2))


def drop(maps: Tensor, mask: Tensor | None, probability: float) -> Tensor:
    """Return feature maps with dropout (Srivastava et al. 2014): zeros where the mask is False, and the others over 1 - `probability`."""
    return maps if mask is None else maps * mask.to(maps.dtype).mul_(1.0 / (1.0 - probability))


class ResidualBlock(nn.Module):
    """Block of two 3 x 3 convolutions whose output is added to its input. There may be dropout between the convolutions."""

    def __init__(
        self, width: int, kind: str, activation: Callable[[], nn.Module], *,
        dropout: float = 0.0, bias: bool = True, padding: Padding = "zeros", affine: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dropout = dropout
        self.first = nn.Sequential(
            Conv2d(width, width, 3, 1, 1, bias=bias, padding_mode=padding), *norm(kind, width, affine=affine), activation()
        )
        self.second = nn.Sequential(Conv2d(width, width, 3, 1, 1, bias=bias, padding_mode=padding), *norm(kind, width, affine=affine))

    def forward(self, maps: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return feature maps [N, width, H, W] for maps and a mask of that shape."""
        branch: Tensor = self.second(drop(self.first(maps), mask, self.dropout))
        return maps + branch


def draw_mask(n: int, shape: Sequence[int], dropout: float, noise: torch.Generator) -> Tensor:
    """Return masks [n, *shape] of booleans, True with probability 1 - `dropout`. A boolean takes a quarter of a float's memory."""
    return torch.empty((n, *shape), dtype=torch.bool, device=noise.device).bernoulli_(1.0 - dropout, generator=noise)
