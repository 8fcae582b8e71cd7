"""The PatchGAN: a discriminator with a logit for each patch of the image (Isola et al. 2017, arXiv 1611.07004, section 3.2.2)."""

from __future__ import annotations

from torch import nn

from variants.networks.layers import Conv2d
from variants.networks.translation_layers import Size, choose, norm
from variants.networks.translator import TranslationDiscriminator, TranslationPorts, inputs_of_d, stages_of_d
from variants.translation_recipe import TranslationRecipe

PUBLISHED_WIDTH = 64
PUBLISHED_LAYERS = 3
WIDEST = 8  # largest number of channels, as a multiple of the width
SMALLEST = 6  # pixels of a side, to which smaller images are padded: one stride-2 layer leaves one logit


def receptive_field(layers: int) -> int:
    """Return the side of a patch in pixels: 9 * 2 ** layers - 2.

    The last two convolutions, 4 x 4 with stride 1, see 7 pixels of their input. Each 4 x 4 convolution with stride 2 before them makes 2r + 2
    of r pixels: 16, 34, 70 pixels for 1, 2, 3 layers. With instance norm, the statistics depend on the whole image.
    """
    return 9 * 2**layers - 2


def build_patchgan(ports: TranslationPorts, recipe: TranslationRecipe) -> TranslationDiscriminator:
    """Return the PatchGAN with logits [N, 1, h, w]. Its first layer has no normalisation."""
    width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_d, "instance")
    size: Size = (max(SMALLEST, ports.shape[1]), max(SMALLEST, ports.shape[2]))
    layers = stages_of_d(recipe, PUBLISHED_LAYERS, most_layers(size), ports)
    widths = [width * min(2**layer, WIDEST) for layer in range(layers + 1)]
    stages: list[nn.Module] = []
    for layer, outputs in enumerate(widths):
        inputs = widths[layer - 1] if layer else inputs_of_d(ports, recipe)
        normalised = norm(kind, outputs) if layer else []
        convolution = Conv2d(inputs, outputs, 4, 2 if layer < layers else 1, 1, bias=not layer or kind != "batch")
        stages.append(nn.Sequential(convolution, *normalised, nn.LeakyReLU(0.2, inplace=True)))
    return TranslationDiscriminator(stages, nn.Conv2d(widths[-1], 1, 4, 1, 1), size)


def most_layers(size: Size) -> int:
    """Return the largest number of stride-2 layers that leaves a logit. Their output has at least 3 pixels a side."""
    return (min(size) // 3).bit_length() - 1
