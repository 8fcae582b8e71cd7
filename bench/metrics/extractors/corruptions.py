"""Corruptions of images with a severity: the training data of the extractor `distilled`, beside the images of the dataset.

Each corruption takes images float32 [N, C, H, W] in 0..255, a severity [N, 1, 1, 1] in 0..1 for each image, and a random stream. A
severity of 0 leaves an image as it is. The result may lie outside of 0..255.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Corruption = Callable[[Tensor, Tensor, torch.Generator], Tensor]
BATCH = 64  # images that get the same kinds of corruption
MOST_KINDS = 3  # corruptions of one image
WIDEST_BLUR = 0.1  # standard deviation at severity 1, as a fraction of the side
LARGEST_SHIFT = 0.3  # of a warp at severity 1, as a fraction of half the side
GREY = 255.0


def blur(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Blur by a Gaussian, in the frequency domain."""
    height, width = images.shape[2:]
    sd = WIDEST_BLUR * math.sqrt(height * width) * severity
    squared = torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.rfftfreq(width)[None] ** 2
    passed = torch.exp(-2 * math.pi**2 * sd**2 * squared)
    return torch.fft.irfft2(torch.fft.rfft2(images) * passed, s=(height, width))


def gaussian_noise(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Add Gaussian noise of up to 100 grey levels."""
    return images + 100 * severity * torch.randn(images.shape, generator=noise)


def salt_and_pepper(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Make up to 60 % of the pixel values black or white."""
    chosen = torch.rand(images.shape, generator=noise)
    return torch.where(chosen < 0.3 * severity, 0.0, torch.where(chosen > 1 - 0.3 * severity, GREY, images))


def speckle(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Multiply each pixel by a random number around 1."""
    return images * (1 + 2 * severity * torch.randn(images.shape, generator=noise))


def silhouette(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Replace what is brighter than the mean by one grey level with grain, and the rest by black."""
    bright = (images > images.mean(dim=(2, 3), keepdim=True)).float()
    level, grain = GREY * _uniform(images, noise), 120 * _uniform(images, noise)
    flat = bright * (level + grain * torch.randn(images.shape, generator=noise))
    return images.lerp(flat, severity)


def mixture(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Mix each image with the mean of one to four others."""
    count = int(torch.randint(1, 5, (), generator=noise))
    others = [images[torch.randperm(len(images), generator=noise)] for _ in range(count)]
    return images.lerp(torch.stack(others).mean(dim=0), 0.8 * severity)


def block(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Cover a rectangle by one grey level."""
    height, width = images.shape[2:]
    rows, columns = torch.linspace(0, 1, height).view(-1, 1), torch.linspace(0, 1, width)
    inside = ((rows - _uniform(images, noise)).abs() < 0.4 * severity) & ((columns - _uniform(images, noise)).abs() < 0.4 * severity)
    return torch.where(inside, GREY * _uniform(images, noise), images)


def checkerboard(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Add a checkerboard or stripes of one pixel, as transposed convolutions leave them (Odena et al. 2016)."""
    height, width = images.shape[2:]
    rows, columns = 1 - 2.0 * (torch.arange(height).view(-1, 1) % 2), 1 - 2.0 * (torch.arange(width) % 2)
    kind = torch.randint(0, 3, (len(images), 1, 1, 1), generator=noise)
    pattern = torch.where(kind == 0, rows * columns, torch.where(kind == 1, rows, columns))
    return images + 60 * severity * pattern


def contrast(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Move all pixels towards one grey level."""
    return images.lerp(GREY * _uniform(images, noise).expand_as(images), 0.9 * severity)


def gamma(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Make dark pixels brighter, or bright ones darker."""
    exponent = torch.where(_uniform(images, noise) < 0.5, 1 + 3 * severity, 1 / (1 + 3 * severity))
    return GREY * (images.clamp(0, GREY) / GREY) ** exponent


def coarse(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Reduce the resolution to a half, a third or a quarter, with square or smooth pixels."""
    height, width = images.shape[2:]
    factor = int(torch.randint(2, 5, (), generator=noise))
    mode = "nearest" if torch.rand((), generator=noise) < 0.5 else "bilinear"
    small = functional.interpolate(images, size=(max(2, height // factor), max(2, width // factor)), mode="area")
    return images.lerp(functional.interpolate(small, size=(height, width), mode=mode), severity)


def warp(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Deform the shapes: move pixels along a smooth random field."""
    count, _, height, width = images.shape
    field = _smooth((count, 2, height, width), int(torch.randint(2, 7, (), generator=noise)), noise)
    identity = functional.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(images.shape), align_corners=False)
    grid = identity + (LARGEST_SHIFT * severity * field).permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, align_corners=False, padding_mode="border")


def swapped_quarters(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Mix each image with itself after its quarters have been swapped."""
    height, width = images.shape[2:]
    return images.lerp(images.roll((height // 2, width // 2), dims=(2, 3)), severity)


def clouds(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Mix each image with a smooth random pattern, as an untrained generator makes it."""
    cells = int(torch.randint(2, 12, (), generator=noise))
    pattern = GREY * _uniform(images, noise) + GREY / 2 * _uniform(images, noise) * _smooth(images.shape, cells, noise)
    return images.lerp(pattern, severity)


def holes(images: Tensor, severity: Tensor, noise: torch.Generator) -> Tensor:
    """Make parts of an image black, with smooth edges of random shapes."""
    cells = int(torch.randint(3, 9, (), generator=noise))
    covered = (_smooth(images.shape, cells, noise) > 2.2 - 2.6 * severity) & (severity > 0)
    return torch.where(covered, 0.0, images)


CORRUPTIONS: tuple[Corruption, ...] = (
    blur, gaussian_noise, salt_and_pepper, speckle, silhouette, mixture, block, checkerboard, contrast, gamma, coarse, warp, swapped_quarters,
    clouds, holes,
)  # fmt: skip


def to_bytes(images: Tensor) -> Tensor:
    """Return images float32 in 0..255, and beyond, as uint8."""
    return images.clamp(0, GREY).round().to(torch.uint8)


def corrupted(images: Tensor, noise: torch.Generator) -> Tensor:
    """Return images uint8 [N, C, H, W], each with one to three corruptions of random severity. Half of the severities are low ones."""
    done = []
    for batch in images.split(BATCH):
        values = batch.float()
        for _ in range(int(torch.randint(1, MOST_KINDS + 1, (), generator=noise))):
            kind = CORRUPTIONS[int(torch.randint(len(CORRUPTIONS), (), generator=noise))]
            severity = _uniform(values, noise)
            severity = torch.where(_uniform(values, noise) < 0.5, severity, severity**3)
            values = kind(values, severity, noise).clamp(0, GREY)
        done.append(to_bytes(values))
    return torch.cat(done)


def _uniform(images: Tensor, noise: torch.Generator) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, generator=noise)


def _smooth(shape: tuple[int, ...] | torch.Size, cells: int, noise: torch.Generator) -> Tensor:
    """Return a smooth random field of a shape [N, C, H, W], with a standard deviation of about 1, from a grid of `cells` x `cells`."""
    count, channels, height, width = shape
    grid = torch.randn(count, channels, cells, cells, generator=noise)
    return functional.interpolate(grid, size=(height, width), mode="bicubic", align_corners=True)
