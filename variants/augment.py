"""Differentiable augmentations of images, and noise on any data, for the discriminator's input. They use a given random stream."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

SHIFT = 0.125  # largest shift, as a share of a side
HOLE = 0.5  # side of the hole, as a share of the image's side
CROP = 4  # largest shift in pixels, for consistency regularisation


def colour(images: Tensor, noise: torch.Generator) -> Tensor:
    """Change brightness by U[-.5, .5], saturation by a factor U[0, 2] and contrast by a factor U[.5, 1.5]: the code of Zhao et al. 2020.

    Each image gets its own random numbers.
    """
    bright, saturate, contrast = (_uniform(images, noise) for _ in range(3))
    images = images + (bright - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2.0 * saturate) + grey
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - middle) * (contrast + 0.5) + middle


def translation(images: Tensor, noise: torch.Generator) -> Tensor:
    """Shift each image by up to an eighth of each side, and pad it with zeros (mid grey): Zhao et al. 2020."""
    return _shifted(images, noise, tuple(int(side * SHIFT + 0.5) for side in images.shape[2:]))


def cutout(images: Tensor, noise: torch.Generator) -> Tensor:
    """Set a square of half a side to zero (mid grey), with a random centre in the image: Zhao et al. 2020."""
    inside = None
    for dim, side in enumerate(images.shape[2:], start=2):
        size = int(side * HOLE + 0.5)
        start = torch.randint(0, side + (1 - size % 2), (len(images),), generator=noise, device=images.device) - size // 2
        at = torch.arange(side, device=images.device)
        hit = (at >= start[:, None]) & (at < start[:, None] + size)
        hit = hit[:, None, :, None] if dim == 2 else hit[:, None, None, :]
        inside = hit if inside is None else inside & hit
    assert inside is not None
    return images.masked_fill(inside, 0.0)


POLICIES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {"color": colour, "translation": translation, "cutout": cutout}


def augment(images: Tensor, policy: str, noise: torch.Generator) -> Tensor:
    """Apply the parts of a DiffAugment policy such as `color,translation,cutout`, in this order: Zhao et al. 2020 (arXiv 2006.10738)."""
    for part in policy.split(","):
        images = POLICIES[part](images, noise)
    return images


def crop_and_flip(images: Tensor, noise: torch.Generator) -> Tensor:
    """Mirror half of the images, and shift all by up to an eighth of the side: Zhang et al. 2020 (arXiv 1910.12027, section 3.1).

    The shift is at most 4 pixels.
    """
    mirrored = _uniform(images, noise) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    return _shifted(images, noise, tuple(min(CROP, side // 8) for side in images.shape[2:]))


def instance_noise(data: Tensor, sd: float, noise: torch.Generator) -> Tensor:
    """Return data + N(0, sd²) in every coordinate: Sønderby et al. 2016 (arXiv 1610.04490, section 3.2)."""
    return data + sd * torch.randn(data.shape, generator=noise, device=data.device, dtype=data.dtype)


def _shifted(images: Tensor, noise: torch.Generator, most: tuple[int, ...]) -> Tensor:
    """Shift each image by whole pixels, at most `most` (rows, columns) in either direction."""
    count, _, height, width = images.shape
    down, right = (torch.randint(-limit, limit + 1, (count, 1), generator=noise, device=images.device) for limit in most)
    rows = (torch.arange(height, device=images.device) + down + 1).clamp(0, height + 1)
    columns = (torch.arange(width, device=images.device) + right + 1).clamp(0, width + 1)
    framed = pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    each = torch.arange(count, device=images.device)[:, None, None]
    return framed[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _uniform(images: Tensor, noise: torch.Generator) -> Tensor:
    return torch.rand((len(images), 1, 1, 1), generator=noise, device=images.device, dtype=images.dtype)
