"""Metrics of translation, row by row: outputs compared with a truth, with the inputs, and with other outputs for the same inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.metrics import ms_ssim
from bench.metrics.diversity import vendi_score
from bench.metrics.extractors.pixels import block_rows, pixels, principal_components
from bench.metrics.spectrum import ROUNDING

# Part of the definition of the metrics: a change increases the version on their cards.
RANGE = 255.0  # grey levels

CHUNK = 2**20  # values in memory at once


def l1(images: Tensor, others: Tensor) -> Tensor:
    """Return the mean absolute difference of each pair of uint8 images [n, ...], in grey levels: [n] float64. The sums are exact."""
    return _by_row(lambda a, b: (a.to(torch.int16) - b.to(torch.int16)).abs_().sum(dim=1), images, others)


def mse(images: Tensor, others: Tensor) -> Tensor:
    """Return the mean squared difference of each pair of uint8 images [n, ...], in grey levels squared: [n] float64. The sums are exact."""
    return _by_row(lambda a, b: (a.to(torch.int32) - b.to(torch.int32)).square_().sum(dim=1), images, others)


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each pair of uint8 images [n, ...], in dB: [n] float64.

    This is 10 log10(255² / MSE), with the MSE over all pixels and channels of one image. It would be infinite for equal images. Bytes have a
    rounding error of 1/12 of a squared grey level, so a smaller MSE counts as 1/12. So no value exceeds 58.9 dB. Equal images have this
    value, and also images that differ by one grey level in at most one of 12 pixels.
    """
    return 10 * (RANGE**2 / mse(images, others).clamp(min=ROUNDING)).log10()


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Return the structural similarity of each pair of uint8 images [n, C, H, W]: [n] float64. Wang et al. 2004, eq. 13.

    The value is the mean over channels and over the positions where the Gaussian window (11 taps, sd 1.5) fits completely. It uses
    weighted moments without a sample correction, and K1 = 0.01, K2 = 0.03. Raises ValueError for images below 11 pixels a side.
    """
    _check_pair(images, others)
    if images.ndim != 4 or min(images.shape[2:]) < ms_ssim.WINDOW:
        raise ValueError(f"structural similarity needs images of {ms_ssim.WINDOW} pixels a side, not of the shape {list(images.shape[1:])}")
    rows = max(1, CHUNK // images[0].numel())
    parts = zip(images.split(rows), others.split(rows), strict=True)
    return torch.cat([ms_ssim.ssim(a.double(), b.double())[0].mean(dim=1) for a, b in parts])


def distances(features: Tensor, others: Tensor) -> Tensor:
    """Return the Euclidean distance of each pair of rows [n, d]: [n] float64."""
    return (features.double() - others.double()).norm(dim=1)


def effective_share(outputs: Tensor, inputs: Tensor) -> float:
    """Return the effective number of different outputs, divided by that of the inputs. Both are features [n, d], [n, e].

    The effective number is the Vendi score. If all outputs are equal, the result is 1 / (the Vendi score of the inputs).
    """
    return vendi_score(outputs) / vendi_score(inputs)


def input_features(images: Tensor, dims: int) -> Tensor:
    """Return features of the inputs, uint8 [n, c, h, w], for `effective_share`: their first principal components, at most `dims`: [n, d] float32.

    The extractor `pixels` defines the features of outputs in the same way, from the training images of the target side. So both sides are
    centred, and their images may have different shapes.
    """
    dims = max(1, min(dims, images[0].numel(), len(images) - 1))
    parts = principal_components(images, dims)
    blocks = images.split(block_rows(images))
    return torch.cat([(pixels(block) - parts["mean"]) @ parts["components"] / parts["scale"] for block in blocks])


def _by_row(sums: Callable[[Tensor, Tensor], Tensor], images: Tensor, others: Tensor) -> Tensor:
    """Return the sums of each row, divided by the number of values in a row: [n] float64."""
    _check_pair(images, others)
    size = images[0].numel()
    rows = max(1, CHUNK // size)
    parts = zip(images.flatten(1).split(rows), others.flatten(1).split(rows), strict=True)
    return torch.cat([sums(a, b) for a, b in parts]).double() / size


def _check_pair(images: Tensor, others: Tensor) -> None:
    if images.dtype != torch.uint8 or others.dtype != torch.uint8:
        raise ValueError(f"images to compare are uint8, not {images.dtype} and {others.dtype}")
    if images.shape != others.shape:
        raise ValueError(f"images to compare have equal shapes, not {list(images.shape)} and {list(others.shape)}")
    if not len(images):
        raise ValueError("a comparison needs at least one image")
