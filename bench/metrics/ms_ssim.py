"""Multi-scale structural similarity (two scales) of pairs of generated images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Part of the definition of the metric: a change increases the version on its card.
WINDOW, WINDOW_SD = 11, 1.5
K1, K2, RANGE = 0.01, 0.03, 255.0
# The exponents of the first two of Wang's five scales (0.0448, 0.2856), scaled to a sum of 1. The metric uses the structure of both
# scales, and the luminance of the second.
WEIGHTS = (0.0448 / 0.3304, 0.2856 / 0.3304)
SMALLEST_SIDE = 2 * WINDOW  # pixels. The window then fits into the second scale

CHUNK = 2**19  # float64 values of images in memory at once


def ms_ssim_2(images: Tensor) -> Tensor:
    """Return MS-SSIM with two scales of rows 2p and 2p + 1 of uint8 images [n, C, H, W]: [n // 2], float64. Equal images have 1.

    This is eq. 7 of Wang, Simoncelli & Bovik 2003: (mean cs_1)^w1 (mean l_2 cs_2)^w2, a mean over the channels. The Gaussian window has
    11 taps and sd 1.5, at positions where it fits completely. As in public implementations, negative values become 0. The five scales
    of the publication need 176 pixels a side, and two scales need 22. Compare values only at the same number of scales. Averages of
    2 x 2 pixels form the second scale, without an odd last row or column.
    """
    if images.ndim != 4 or min(images.shape[2:]) < SMALLEST_SIDE:
        raise ValueError(
            f"two scales of similarity need images of {SMALLEST_SIDE} pixels a side, not of the shape {list(images.shape[1:])}"
        )
    if len(images) < 2:
        raise ValueError(f"a pair needs two images, not {len(images)}")
    pairs = images[: len(images) // 2 * 2].view(len(images) // 2, 2, *images.shape[1:])
    parts = pairs.split(max(1, CHUNK // images[0].numel()))
    return torch.cat([_similarity(part[:, 0].double(), part[:, 1].double()) for part in parts])


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """Return MS-SSIM of images [B, C, H, W] in float64: [B]."""
    _, contrast = ssim(x, y)
    whole, _ = ssim(functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2))
    return (contrast.clamp(min=0) ** WEIGHTS[0] * whole.clamp(min=0) ** WEIGHTS[1]).mean(dim=1)


def ssim(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return SSIM of images [B, C, H, W] in float64, and its contrast and structure alone: [B, C]. Wang et al. 2004, eq. 13.

    Each is a mean over the image. Each side needs at least 11 pixels.
    """
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    product = mean_x * mean_y
    squares = mean_x.square() + mean_y.square()
    contrast = (2 * (_blurred(x * y) - product) + c2) / (_blurred(x.square() + y.square()) - squares + c2)
    luminance = (2 * product + c1) / (squares + c1)
    return (luminance * contrast).mean(dim=(2, 3)), contrast.mean(dim=(2, 3))


def _blurred(images: Tensor) -> Tensor:
    """Return the Gaussian blur at every position where the window fits, by a product with a banded matrix along each axis."""
    rows, columns = (_band(side) for side in images.shape[2:])
    return rows @ images @ columns.T


def _band(side: int) -> Tensor:
    """Return a banded matrix [side - 10, side], with the window at columns i .. i + 10 of row i."""
    taps = torch.exp(-(torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2).square() / (2 * WINDOW_SD**2))
    taps = taps / taps.sum()
    places = side - WINDOW + 1
    band = torch.zeros(places, side, dtype=torch.float64)
    for row in range(places):
        band[row, row : row + WINDOW] = taps
    return band
