"""Edges to image: the edges that Canny's detector finds are given, and the image is to be made (as in pix2pix, arXiv 1611.07004)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.core.spec import DataShape, Examples
from bench.data.derived.base import Derived
from bench.data.derived.canny import CannyPlan, canny


@dataclass(frozen=True, kw_only=True)
class EdgePairs(Derived):
    """Pairs of an image of the origin and its edges, which are given: one grey channel, with lines on a background."""

    plan: CannyPlan
    line: int = 255  # grey level of the lines
    background: int = 0

    @property
    def spec(self) -> DataShape:
        """Shape of the origin's images, made from one channel of edges."""
        base = self.origin.spec
        return DataShape(kind="image", shape=base.shape, classes=base.classes, task="paired", given=(1, *base.shape[1:]))

    @property
    def definition(self) -> str:
        """Text of the detector and the grey levels."""
        return f"edges {self.plan.definition} line {self.line} background {self.background}"

    def derive(self, source: Examples) -> Examples:
        """Return the origin's images and labels, with their edges as given examples."""
        edges = torch.from_numpy(canny(grey(source.data).numpy(), self.plan))
        given = torch.full(edges.shape, self.background, dtype=torch.uint8).masked_fill_(edges, self.line)
        return Examples(data=source.data, labels=source.labels, given=given[:, None])


def grey(images: Tensor) -> Tensor:
    """Return the luma [N, H, W] of images uint8 [N, C, H, W] (ITU-R BT.601), rounded, halves up. One channel is returned as it is."""
    if images.shape[1] == 1:
        return images[:, 0]
    red, green, blue = (images[:, channel].to(torch.int32) for channel in range(3))
    return (299 * red + 587 * green + 114 * blue + 500).div_(1000, rounding_mode="floor").to(torch.uint8)
