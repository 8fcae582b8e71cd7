"""The extractor `pixels`: the principal components of a dataset's own training images. It needs no labels and has no classes.

The features of pixels respond to brightness and position, those of a classifier to shape. For example, a classifier may accept a
silhouette of the correct class, and the distance of pixels is large for it. For this reason, ganbench reports both distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import scipy.linalg
import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.config import short_hash
from bench.core.spec import Dataset
from bench.metrics.cache import cached
from bench.metrics.extractors.base import PIXELS, Features, check_images

VERSION = 1  # of the definition: increase it if the definition changes
DIMS = 64
MOST_IMAGES = 20_000
MOST_VALUES = 2**28  # pixel values of all images: limits the time for large images
EXACT_PIXELS = 4_096  # largest images whose whole covariance [D, D] is computed
BLOCK_VALUES = 2**22  # float32 pixel values in memory at once
OVERSAMPLING, ROUNDS = 64, 5  # of the randomised subspace iteration
PARTS = ("mean", "components", "scale")


class PixelExtractor:
    """Extractor of the first principal components of training pixels. Over the training images, their mean variance is 1."""

    name = PIXELS

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._shape = dataset.spec.shape
        self.dims = dimensions(len(dataset.split("train")), len(dataset.split("test")), self._shape)

    @property
    def weights_hash(self) -> str:
        """Hash of all that determines the features: the data, the number of components and the version of the method."""
        return short_hash({"extractor": PIXELS, "version": VERSION, "data": self._dataset.digest(), "dims": self.dims})

    def __call__(self, images: Tensor, *, batch_size: int = 0) -> Features:
        """Return features [N, dims] of uint8 images [N, C, H, W]. A batch size of 0 chooses a size that limits the memory."""
        self.check(images)
        mean, components, scale = (self._parts[name] for name in PARTS)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            blocks = images.split(batch_size or block_rows(images))
            return Features(features=torch.cat([(pixels(block) - mean) @ components / scale for block in blocks]))

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        check_images(images, self._shape, self._dataset.name)

    @cached_property
    def _parts(self) -> dict[str, Tensor]:
        """Mean [D], components [D, dims] and scale [], from the cache or computed and cached."""
        identity = {"weights": self.weights_hash}
        return cached(
            f"pixels-{self._dataset.name}", identity, PARTS, lambda: principal_components(self._dataset.split("train").data, self.dims)
        )


def dimensions(train: int, test: int, shape: tuple[int, ...]) -> int:
    """Return the number of components: 64, or fewer for few pixels, training images or test images."""
    return max(1, min(DIMS, torch.Size(shape).numel(), train - 1, test // 2))


def pixels(images: Tensor) -> Tensor:
    """Return images uint8 [N, C, H, W] as rows of float32 in [0, 1]: [N, D]."""
    return images.flatten(1).to(torch.float32).div_(255.0)


def block_rows(images: Tensor) -> int:
    """Return the number of images in a block."""
    return max(1, BLOCK_VALUES // images[0].numel())


def principal_components(images: Tensor, dims: int) -> dict[str, Tensor]:
    """Return the first principal components of images, float32: mean [D], components [D, dims], scale [].

    Uses a fixed random subset of many images. The largest entry of each component is positive.
    """
    n, size = len(images), images[0].numel()
    most = max(dims + 1, min(MOST_IMAGES, MOST_VALUES // size))
    if n > most:
        order = torch.randperm(n, generator=random_streams.stream(0, "pixels"))
        images = images[order[:most].sort().values]
    mean = sum((block.sum(dim=0, dtype=torch.float64) for block in _blocks(images)), torch.zeros(size, dtype=torch.float64)) / len(images)
    find = exact_components if size <= EXACT_PIXELS else randomised_components
    variances, components = find(images, mean.float(), dims)
    strongest = components.gather(0, components.abs().argmax(dim=0, keepdim=True))
    components = components * torch.where(strongest < 0, -1.0, 1.0)
    scale = variances.clamp(min=0).mean().sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))  # images that are all the same
    return {"mean": mean.float(), "components": components.float().contiguous(), "scale": scale.float()}


def exact_components(images: Tensor, mean: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Return variances [dims] and components [D, dims] in float64, largest first, from the covariance of all pixels."""
    size = len(mean)
    total = torch.zeros(size, size, dtype=torch.float64)
    for block in _blocks(images):
        centred = block - mean
        total += centred.T @ centred
    total /= max(1, len(images) - 1)
    variances, vectors = scipy.linalg.eigh(total.numpy(), subset_by_index=(size - dims, size - 1), overwrite_a=True, check_finite=False)
    return torch.from_numpy(variances).flip(0), torch.from_numpy(vectors).flip(1)


def randomised_components(images: Tensor, mean: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Return variances and components by subspace iteration (Halko et al. 2011, arXiv 0909.4061, algorithms 4.4 and 5.1)."""
    width = min(dims + OVERSAMPLING, len(images), len(mean))
    basis = torch.linalg.qr(torch.randn(len(mean), width, generator=random_streams.stream(0, "pixels-start")))[0]
    for _ in range(ROUNDS):
        image = torch.zeros_like(basis)
        for block in _blocks(images):
            centred = block - mean
            image += centred.T @ (centred @ basis)
        basis = torch.linalg.qr(image)[0]
    inside = torch.cat([(block - mean) @ basis for block in _blocks(images)]).double()
    variances, vectors = torch.linalg.eigh(inside.T @ inside / max(1, len(images) - 1))
    return variances.flip(0)[:dims], basis.double() @ vectors.flip(1)[:, :dims]


def _blocks(images: Tensor) -> Iterator[Tensor]:
    """Return an iterator over the images in blocks [n, D], float32."""
    return (pixels(block) for block in images.split(block_rows(images)))
