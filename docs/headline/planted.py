"""Planted faults of graded severity, to compare what the candidates see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from bench.core.spec import Dataset
from bench.metrics.extractors import corruptions
from bench.metrics.extractors.corruptions import Corruption, to_bytes

SEED = 7
BLURS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # standard deviations in pixels
GRADED: dict[str, tuple[Corruption, tuple[float, ...]]] = {
    "noise": (corruptions.gaussian_noise, (0.04, 0.08, 0.16, 0.32, 0.64)),  # of 100 grey levels
    "salt and pepper": (corruptions.salt_and_pepper, (0.05, 0.1, 0.2, 0.4, 0.8)),
    "checkerboard": (corruptions.checkerboard, (0.06, 0.12, 0.25, 0.5)),
    "speckle": (corruptions.speckle, (0.05, 0.12, 0.25, 0.5)),
    "warp": (corruptions.warp, (0.1, 0.2, 0.4, 0.8)),
    "mixture": (corruptions.mixture, (0.1, 0.25, 0.5, 0.75)),
    "contrast": (corruptions.contrast, (0.1, 0.3, 0.6)),
    "holes": (corruptions.holes, (0.2, 0.4, 0.7, 1.0)),
    "silhouette": (corruptions.silhouette, (0.25, 0.5, 1.0)),
}
LOST = (1, 2, 4, 7)  # classes
INVERTED = (0.1, 0.3, 1.0)  # share of images


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Images with a fault of a severity."""

    name: str
    severity: float
    images: Tensor


def planted_sets(dataset: Dataset, real: Tensor) -> Iterator[Planted]:
    """Yield real images with each fault in each severity. Lost classes and negatives are no corruptions that a candidate was trained on."""
    yield from (Planted(name="blur", severity=sd, images=_blurred(real, sd)) for sd in BLURS)
    for name, (corruption, severities) in GRADED.items():
        for severity in severities:
            yield Planted(name=name, severity=severity, images=_graded(corruption, real, severity))
    yield from (Planted(name="classes lost", severity=lost, images=_without(dataset, len(real), lost)) for lost in LOST)
    yield from (Planted(name="negatives", severity=share, images=_inverted(real, share)) for share in INVERTED)


def _blurred(real: Tensor, sd: float) -> Tensor:
    size = 2 * min(int(3 * sd) + 1, (min(real.shape[2:]) - 1) // 2) + 1
    return gaussian_blur(real, [size, size], [sd, sd])


def _graded(corruption: Corruption, real: Tensor, severity: float) -> Tensor:
    noise = torch.Generator().manual_seed(SEED)
    batches = [corruption(batch.float(), torch.full((len(batch), 1, 1, 1), severity), noise) for batch in real.split(50)]
    return to_bytes(torch.cat(batches))


def _without(dataset: Dataset, n: int, lost: int) -> Tensor:
    """Return training images without the last `lost` classes."""
    train = dataset.split("train")
    assert train.labels is not None
    left = (train.labels < dataset.spec.classes - lost).nonzero()[:, 0]
    chosen = left[torch.randperm(len(left), generator=torch.Generator().manual_seed(SEED))]
    return train.data[chosen.repeat(n // len(chosen) + 1)[:n]]


def _inverted(real: Tensor, share: float) -> Tensor:
    images = real.clone()
    count = round(share * len(images))
    images[:count] = 255 - images[:count]
    return images
