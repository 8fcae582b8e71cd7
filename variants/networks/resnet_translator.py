"""The residual translator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, appendix 7.2, after Johnson et al. 2016, arXiv 1603.08155)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.layers import Conv2d
from variants.networks.patchgan import build_patchgan
from variants.networks.translation_layers import ResidualBlock, choose, doubling, multiples, norm
from variants.networks.translator import TranslationGenerator, TranslationPorts, Translator
from variants.translation_recipe import TranslationRecipe

PUBLISHED_WIDTH = 64
LARGE = 256  # pixels. From this side on, the publication has nine blocks instead of six
QUARTER = 4  # the blocks work at a quarter of the size
SMALLEST = 8  # pixels of a side, to which smaller images are padded: a reflection at a quarter of it needs two pixels


class ResnetTranslator(TranslationGenerator):
    """Generator with two halvings, residual blocks and two doublings, with reflection padding and instance norm without weights.

    With dropout, each block has it between its convolutions, as in the official code.
    """

    def __init__(self, ports: TranslationPorts, recipe: TranslationRecipe) -> None:
        super().__init__(ports, multiples(ports.given[1:], QUARTER, least=SMALLEST), "reflect", recipe.dropout)
        width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_g, "instance")
        way, bias = choose(recipe.upsample, "transposed"), kind != "batch"
        blocks = recipe.blocks or (9 if min(ports.given[1:]) >= LARGE else 6)
        deep = QUARTER * width

        def normalised(channels: int) -> list[nn.Module]:
            return [*norm(kind, channels), nn.ReLU(inplace=True)]

        self.encoder = nn.Sequential(
            Conv2d(ports.given[0], width, 7, 1, 3, bias=bias, padding_mode="reflect"), *normalised(width),
            Conv2d(width, 2 * width, 3, 2, 1, bias=bias), *normalised(2 * width),
            Conv2d(2 * width, deep, 3, 2, 1, bias=bias), *normalised(deep),
        )  # fmt: skip
        self.blocks = nn.ModuleList(
            ResidualBlock(deep, kind, nn.ReLU, dropout=recipe.dropout, bias=bias, padding="reflect") for _ in range(blocks)
        )
        self.decoder = nn.Sequential(
            doubling(deep, 2 * width, way, kernel=3, bias=bias, padding="reflect"), *normalised(2 * width),
            doubling(2 * width, width, way, kernel=3, bias=bias, padding="reflect"), *normalised(width),
            Conv2d(width, ports.shape[0], 7, 1, 3, padding_mode="reflect"), nn.Tanh(),
        )  # fmt: skip
        self.masks.update({f"mask_{index}": (deep, *(side // QUARTER for side in self.size)) for index in range(blocks)})

    def translate(self, images: Tensor, labels: Tensor | None, extra: Mapping[str, Tensor]) -> Tensor:
        """Return images of the padded size."""
        maps = self.encoder(images)
        for index, block in enumerate(self.blocks):
            maps = block(maps, extra.get(f"mask_{index}"))
        output: Tensor = self.decoder(maps)
        return output


NETWORKS.register(
    "resnet-translator",
    Translator(
        build=ResnetTranslator, discriminator=build_patchgan, blocks=True,
        idea="translates images: residual blocks at a quarter of the size, and a PatchGAN, 64 channels as published",
    ),
)  # fmt: skip
