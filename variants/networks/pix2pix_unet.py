"""The U-Net of pix2pix, with skips between the layers of equal size (Isola et al. 2017, arXiv 1611.07004, section 3.2.1 and appendix 6.1).

Its only noise is dropout in decoder layers, in evaluation, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.layers import Conv2d
from variants.networks.patchgan import build_patchgan
from variants.networks.translation_layers import choose, doubling, drop, multiples, norm
from variants.networks.translator import TranslationGenerator, TranslationPorts, Translator, halvings
from variants.translation_recipe import TranslationRecipe

PUBLISHED_WIDTH = 64
WIDEST = 8  # largest number of channels, as a multiple of the width
FEWEST, MOST = 2, 8  # halvings of the size. The publication has 8, for 256 pixels
WITH_DROPOUT = 3  # innermost layers of the decoder that have dropout. The last layer, which makes the image, never has it


class Pix2pixUnet(TranslationGenerator):
    """U-Net that halves the size until the smaller side is 1 pixel, and doubles it back.

    The first and the innermost layer have no normalisation: instance norm would make the innermost pixel 0.
    """

    def __init__(self, ports: TranslationPorts, recipe: TranslationRecipe) -> None:
        downs = min(MOST, max(FEWEST, halvings(ports.given)))
        super().__init__(ports, multiples(ports.given[1:], 2**downs), "reflect", recipe.dropout)
        width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_g, "instance")
        way, bias = choose(recipe.upsample, "transposed"), kind != "batch"
        widths = [width * min(2**depth, WIDEST) for depth in range(downs)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for depth, outputs in enumerate(widths):
            rectifier = [nn.LeakyReLU(0.2)] if depth else []
            normalised = norm(kind, outputs) if 0 < depth < downs - 1 else []
            inputs = widths[depth - 1] if depth else ports.given[0]
            self.down.append(nn.Sequential(*rectifier, Conv2d(inputs, outputs, 4, 2, 1, bias=bias), *normalised))
        for depth in reversed(range(downs)):
            inputs = widths[depth] if depth == downs - 1 else 2 * widths[depth]
            outputs = widths[depth - 1] if depth else ports.shape[0]
            self.up.append(
                nn.Sequential(nn.ReLU(), doubling(inputs, outputs, way, bias=bias or not depth), *(norm(kind, outputs) if depth else []))
            )
        for index in range(min(WITH_DROPOUT, downs - 1)):
            depth = downs - 1 - index
            self.masks[f"mask_{index}"] = (widths[depth - 1], *(side >> depth for side in self.size))

    def translate(self, images: Tensor, labels: Tensor | None, extra: Mapping[str, Tensor]) -> Tensor:
        """Return images of the padded size."""
        skips: list[Tensor] = []
        maps = images
        for stage in self.down:
            maps = stage(maps)
            skips.append(maps)
        skips.pop()
        for index, stage in enumerate(self.up):
            maps = drop(stage(maps), extra.get(f"mask_{index}"), self.dropout)
            maps = torch.cat([skips.pop(), maps], dim=1) if skips else maps
        return maps.tanh()


NETWORKS.register(
    "pix2pix-unet",
    Translator(
        build=Pix2pixUnet, discriminator=build_patchgan,
        idea="translates images: a U-Net down to one pixel with dropout, and a PatchGAN, 64 channels as published",
    ),
)  # fmt: skip
