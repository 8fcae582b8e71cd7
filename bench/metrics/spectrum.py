"""The radial power spectrum. It measures texture and the traces of up-sampling, to which network features hardly respond.

The spectrum follows Durall et al. 2020 (arXiv 2003.01826), section 3: the power of an image at each radial frequency. Here the power is
the mean over a ring.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Part of the definition of the metrics: a change increases the version on their cards.
ROUNDING = 1 / 12  # grey levels squared: the power of rounding to 8 bits, at every frequency

CHUNK = 2**19  # pixels transformed at once


def rings(height: int, width: int) -> Tensor:
    """Return the mean over each ring of frequencies, as a matrix for the half-plane of `rfft2`: [height * (width // 2 + 1), R].

    Ring r - 1 contains the frequencies of about r cycles along the shorter side. The smallest r is 1. The largest r is √2 / 2 times
    that side, at the corners of the plane. The mean brightness (r = 0) is not included. Raises ValueError for images without other
    frequencies.
    """
    vertical, horizontal = torch.fft.fftfreq(height, dtype=torch.float64), torch.fft.rfftfreq(width, dtype=torch.float64)
    radius = torch.hypot(vertical[:, None], horizontal[None]) * min(height, width)
    ring = (radius + 0.5).floor().to(torch.int64).flatten()  # halves go up
    weights = torch.nn.functional.one_hot(ring).double() * _mirrored(width).repeat(height)[:, None]
    used = weights[:, 1:]
    if not used.any():
        raise ValueError(f"images of {height} x {width} pixels have no spectrum")
    used = used[:, used.any(dim=0)]
    return used / used.sum(dim=0)


def nyquist(height: int, width: int) -> Tensor:
    """Return the mean over the Nyquist rows and columns, as a matrix like that of `rings`: [height * (width // 2 + 1), 1].

    These are the frequencies with half a cycle for each pixel along the height or the width, where patterns of period 2 have their energy.
    If a side has an odd number of pixels, its highest frequency takes their place. Raises ValueError for a side of one pixel.
    """
    if min(height, width) < 2:
        raise ValueError(f"images of {height} x {width} pixels have no Nyquist frequency")
    vertical, horizontal = torch.fft.fftfreq(height, dtype=torch.float64).abs(), torch.fft.rfftfreq(width, dtype=torch.float64)
    highest = vertical.eq(vertical.max())[:, None] | horizontal.eq(horizontal.max())[None]
    weights = (highest.double() * _mirrored(width)).flatten()[:, None]
    return weights / weights.sum()


def spectra(images: Tensor) -> Tensor:
    """Return the power of each uint8 image [n, C, H, W] in each ring, averaged over its channels: [n, R] float32, in grey levels squared.

    The power at a frequency is |F|² / (H W), so that the power of white noise is its variance.
    """
    return _powers(images, rings(*images.shape[2:]))


def nyquist_powers(images: Tensor) -> Tensor:
    """Return the power of each uint8 image [n, C, H, W] at the Nyquist rows and columns: [n] float32, in the unit of `spectra`."""
    return _powers(images, nyquist(*images.shape[2:]))[:, 0]


def _powers(images: Tensor, weights: Tensor) -> Tensor:
    """Return the mean power of each image over frequencies, with weights [height * (width // 2 + 1), R]: [n, R] float32."""
    height, width = images.shape[2:]
    mean = weights.float()
    rows = max(1, CHUNK // images[:1].numel())
    parts = [torch.fft.rfft2(part.float()).abs().square_().mean(dim=1).flatten(1) @ mean for part in images.split(rows)]
    return torch.cat(parts) / (height * width)


def log_ratios(generated: Tensor, real: Tensor) -> Tensor:
    """Return log(generated / real) of two mean spectra [R], in float64.

    The function adds the power of rounding to both, so the result is finite.
    """
    return ((generated.double() + ROUNDING) / (real.double() + ROUNDING)).log()


def highest(values: Tensor) -> Tensor:
    """Return the values of the highest third of the frequencies, rounded up."""
    return values[-math.ceil(len(values) / 3) :]


def _mirrored(width: int) -> Tensor:
    """Return how many columns of the whole plane each column of the half-plane represents: [width // 2 + 1]."""
    mirrored = torch.full((width // 2 + 1,), 2.0, dtype=torch.float64)  # most columns also represent their mirror image
    mirrored[0] = 1.0
    if width % 2 == 0:
        mirrored[-1] = 1.0
    return mirrored
