"""Super-resolution: small images, averaged over areas, and the images that they come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.core.spec import DataShape, Examples
from bench.data.derived.base import Derived

_VERSION = 1  # increased when `area_average` gives other values


@dataclass(frozen=True, kw_only=True)
class Downscaled(Derived):
    """Pairs of an image of the origin and a copy with a `factor` times smaller side, which is given."""

    factor: int

    @property
    def spec(self) -> DataShape:
        """Shape of the origin's images, made from smaller ones."""
        base = self.origin.spec
        channels, height, width = base.shape
        given = (channels, height // self.factor, width // self.factor)
        return DataShape(kind="image", shape=base.shape, classes=base.classes, task="paired", given=given)

    @property
    def definition(self) -> str:
        """Text of the method and the factor."""
        return f"area average {_VERSION} factor {self.factor}"

    def derive(self, source: Examples) -> Examples:
        """Return the origin's images and labels, with the small images as given examples."""
        return Examples(data=source.data, labels=source.labels, given=area_average(source.data, self.factor))


def area_average(images: Tensor, factor: int) -> Tensor:
    """Return the mean of each square of `factor` x `factor` pixels of images uint8 [N, C, H, W], rounded, halves up."""
    n, channels, height, width = images.shape
    squares = images.view(n, channels, height // factor, factor, width // factor, factor)
    area = factor * factor
    sums = squares.sum(dim=(3, 5), dtype=torch.int32)
    return sums.mul_(2).add_(area).div_(2 * area, rounding_mode="floor").to(torch.uint8)
