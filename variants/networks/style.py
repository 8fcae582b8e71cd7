"""A small StyleGAN: styles, noise and mixing of Karras et al. 2019 (arXiv 1812.04948), modulated convolutions and skips of Karras et al. 2020.

The second paper is arXiv 1912.04958. The networks double sizes by bilinear interpolation and halve them with strided convolutions.
The papers also apply a low-pass filter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from bench.core.config import NETWORKS
from bench.core.spec import Latent
from variants.networks.backbone import Backbone, Discriminator, Ports, draw_latents
from variants.networks.equalised import GAIN, EqualConv2d, Equalised, EqualLinear, PixelNorm
from variants.networks.sizes import channels, doublings
from variants.recipe import GanRecipe

MOST = 512  # largest number of channels, which the publication has at sides up to 32 pixels
PUBLISHED = 16_384  # published number of channels times pixels of a side, at larger sides
MAPPING = 2  # layers of the mapping network: eight for large images, two for 32 pixels (Karras et al. 2020, arXiv 2006.06676, appendix C)
MAPPING_RATE = 0.01  # learning rate of the mapping network, as a share of G's
MIXING = 0.9  # probability of a second style


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return the generator, which upsamples a learned constant with styles, and the residual discriminator."""
    sides = doublings("style", ports.data.shape)
    widths = channels(sides, recipe.width or max(1, min(MOST, PUBLISHED // sides[-1])), MOST)
    return StyleGenerator(ports, widths, sides, recipe), _discriminator(ports, widths, sides[0], recipe)


class ModulatedConv2d(Equalised):
    """Convolution whose weights are scaled by a style in each input channel, and then to norm 1 in each output channel: section 2.2.

    It scales the feature maps instead of the weights. This is equivalent, and takes one convolution for all images of a batch.
    """

    def __init__(self, inputs: int, outputs: int, size: int, style: int, *, demodulate: bool = True) -> None:
        super().__init__((outputs, inputs, size, size), bias=False)
        self.style = EqualLinear(style, inputs, first_bias=1.0)
        self.demodulate = demodulate
        self.padding = size // 2

    def forward(self, data: Tensor, style: Tensor) -> Tensor:
        """Return feature maps [N, outputs, H, W] for styles [N, style]."""
        weight, _ = self.scaled()
        scales: Tensor = self.style(style)  # [N, inputs]
        maps = conv2d(data * scales[:, :, None, None], weight, padding=self.padding)
        if not self.demodulate:
            return maps
        norms = scales.square() @ weight.square().sum(dim=(2, 3)).t() + 1e-8  # [N, outputs]: the squared norm of each output's weights
        return maps * norms.rsqrt()[:, :, None, None].to(maps.dtype)


class StyledLayer(nn.Module):
    """Layer with a modulated convolution, noise of a learned strength, a bias and a rectifier."""

    def __init__(self, inputs: int, outputs: int, style: int, *, double: bool) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear") if double else nn.Identity()
        self.convolution = ModulatedConv2d(inputs, outputs, 3, style)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, data: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """Return feature maps [N, outputs, H, W] for styles [N, style] and noise [N, 1, H, W]."""
        maps: Tensor = self.convolution(self.up(data), style)
        maps = maps + self.bias.to(maps.dtype)[:, None, None]
        if noise is not None:
            maps = maps + (self.strength * noise).to(maps.dtype)
        return GAIN * leaky_relu(maps, 0.2)


class ToImage(nn.Module):
    """Layer that converts feature maps of one size to that size's part of the image."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, data: Tensor, style: Tensor) -> Tensor:
        """Return images [N, outputs, H, W]."""
        maps: Tensor = self.convolution(data, style)
        return maps + self.bias.to(maps.dtype)[:, None, None]


class StyleGenerator(nn.Module):
    """Generator that maps latent vectors [N, latent] and noise maps to images [N, *shape]. In training it mixes styles of a second latent."""

    def __init__(self, ports: Ports, widths: list[int], sides: list[int], recipe: GanRecipe) -> None:
        super().__init__()
        style = widths[0]
        self.z_dim, self.z_distribution = min(recipe.z_dim, ports.latent), recipe.z_distribution
        self.sides = [sides[0], *(side for side in sides[1:] for _ in range(2))]  # of each layer
        inputs = [ports.latent, *[style] * (MAPPING - 1)]
        mapping = (layer for wide in inputs for layer in (EqualLinear(wide, style, gain=GAIN, rate=MAPPING_RATE), nn.LeakyReLU(0.2)))
        self.mapping = nn.Sequential(PixelNorm(), *mapping)
        self.constant = nn.Parameter(torch.randn(1, widths[0], sides[0], sides[0]))
        pairs = [pair for small, large in itertools.pairwise(widths) for pair in ((small, large), (large, large))]
        self.layers = nn.ModuleList(
            StyledLayer(wide, narrow, style, double=index % 2 == 1) for index, (wide, narrow) in enumerate([(widths[0], widths[0]), *pairs])
        )
        self.to_image = nn.ModuleList(ToImage(width, ports.data.shape[0], style) for width in widths)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear")

    @property
    def styles(self) -> int:
        """Number of inputs for styles: one for each layer and one for the last image. Earlier images use the style of the next layer."""
        return len(self.layers) + 1

    def draw_extra(self, n: int, noise: torch.Generator) -> Mapping[str, Tensor]:
        """Return noise for each layer. In training, also return a second latent and the index from which it gives the style."""
        extra = {
            f"noise_{index}": torch.randn((n, 1, side, side), generator=noise, device=noise.device) for index, side in enumerate(self.sides)
        }
        if self.training:
            extra["second"] = draw_latents(n, self.z_dim, self.z_distribution, noise)
            place = torch.randint(1, self.styles, (n,), generator=noise, device=noise.device)
            mixed = torch.rand(n, generator=noise, device=noise.device) < MIXING
            extra["crossover"] = torch.where(mixed, place, self.styles)
        return extra

    def traversals(self, latent: Latent, columns: int) -> Mapping[str, Latent]:
        """Return latents with mixed styles: coarse layers from each latent, fine layers from itself and from `columns` - 1 others."""
        device = latent.z.device
        others = draw_latents(columns - 1, self.z_dim, self.z_distribution, torch.Generator(device).manual_seed(0))
        rows = latent[torch.arange(len(latent), device=device).repeat_interleave(columns)]
        second = torch.cat([torch.cat([own[None], others]) for own in latent.z])
        crossover = torch.full((len(rows),), self.styles // 2, device=device)
        return {"styles": replace(rows, extra={**rows.extra, "second": second, "crossover": crossover})}

    def forward(self, vectors: Tensor, extra: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return images [N, *shape]. Without `extra` the generator uses no noise and no mixing."""
        extra = extra or {}
        styles = self._styles(vectors, extra)
        maps = self.constant.expand(len(vectors), -1, -1, -1)
        image: Tensor | None = None
        for index, layer in enumerate(self.layers):
            maps = layer(maps, styles[index], extra.get(f"noise_{index}"))
            if index % 2 == 0:
                added = self.to_image[index // 2](maps, styles[index + 1])
                image = added if image is None else self.enlarge(image) + added
        assert image is not None  # the first layer sets it
        return image

    def _styles(self, vectors: Tensor, extra: Mapping[str, Tensor]) -> list[Tensor]:
        """Return a style [N, style] for each input. It is of the first latent before the crossover, and of the second latent after it."""
        first: Tensor = self.mapping(vectors)
        if "second" not in extra:
            return [first] * self.styles
        beside = vectors[:, self.z_dim :]  # codes and conditions of the first latent
        second: Tensor = self.mapping(torch.cat([extra["second"].to(vectors.dtype), beside], dim=1))
        return [torch.where((extra["crossover"] > place)[:, None], first, second) for place in range(self.styles)]


class ResidualBlock(nn.Module):
    """Block of D with two convolutions and a shortcut. It halves the size and keeps the variance."""

    def __init__(self, inputs: int, outputs: int, *, normalised: bool) -> None:
        super().__init__()
        norms = [[nn.BatchNorm2d(width)] if normalised else [] for width in (inputs, outputs)]
        self.branch = nn.Sequential(
            EqualConv2d(inputs, inputs, 3, gain=GAIN), *norms[0], nn.LeakyReLU(0.2, inplace=True),
            EqualConv2d(inputs, outputs, 3, gain=GAIN, stride=2), *norms[1], nn.LeakyReLU(0.2, inplace=True),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), EqualConv2d(inputs, outputs, 1, bias=False))

    def forward(self, data: Tensor) -> Tensor:
        """Return feature maps [N, outputs, H / 2, W / 2]."""
        branch: Tensor = self.branch(data)
        return (branch + self.shortcut(data)) * math.sqrt(0.5)


def _discriminator(ports: Ports, widths: list[int], side: int, recipe: GanRecipe) -> nn.Module:
    normalised = recipe.norm_d == "batch"
    first = widths[0]
    blocks = [ResidualBlock(large, small, normalised=normalised) for small, large in reversed(list(itertools.pairwise(widths)))]
    features = nn.Sequential(EqualConv2d(ports.seen[0], widths[-1], 1, gain=GAIN), nn.LeakyReLU(0.2), *blocks)
    head = nn.Sequential(
        EqualConv2d(first + ports.condition, first, 3, gain=GAIN), *([nn.BatchNorm2d(first)] if normalised else []),
        nn.LeakyReLU(0.2, inplace=True), nn.Flatten(), EqualLinear(first * side**2, first, gain=GAIN), nn.LeakyReLU(0.2, inplace=True),
        EqualLinear(first, ports.outputs),
    )  # fmt: skip
    return Discriminator(features, head)


NETWORKS.register(
    "style", Backbone(build=build, idea="styles, noise and mixing in G, residual D, 512 channels as published", decodes=False)
)
