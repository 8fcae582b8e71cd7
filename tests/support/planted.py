"""Real images with planted failures of known severity, to test which failures a metric detects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from bench.core import random_streams
from bench.core.config import short_hash
from bench.core.spec import Dataset, DataShape, Examples, Split
from bench.evaluation.evaluator import Evaluator, reference_images

KINDS, KINDS_CLASS, KINDS_NOISE = 3, 6, 4.0  # different images, their class (a shirt in Fashion-MNIST), noise in grey levels


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A kind of failure. `make(dataset, n, severity)` returns n images, uint8 [n, C, H, W]."""

    name: str
    unit: str
    severities: tuple[float, ...]  # ascending, with unchanged real images first
    make: Callable[[Dataset, int, float], Tensor]


def real(dataset: Dataset, n: int) -> Tensor:
    """Return n real images, as for the reference row `real`."""
    return reference_images(dataset, n)


def unseen(dataset: Dataset, n: int) -> Tensor:
    """Return n real images from the test split."""
    test = dataset.split("test").data
    return test[torch.randperm(len(test), generator=_noise("unseen"))[:n]]


def few_classes(dataset: Dataset, n: int, lost: float) -> Tensor:
    """Return n training images without the last `lost` classes. Images repeat if there are fewer than n."""
    train = dataset.split("train")
    assert train.labels is not None
    remaining = (train.labels < dataset.spec.classes - lost).nonzero()[:, 0]
    chosen = remaining[torch.randperm(len(remaining), generator=_noise("classes"))]
    return train.data[chosen.repeat(n // len(chosen) + 1)[:n]]


def thinned(dataset: Dataset, n: int, share: float) -> Tensor:
    """Return training images in which other images of the first class replace a share of the images of every other class."""
    train, images = dataset.split("train"), real(dataset, n).clone()
    assert train.labels is not None
    labels = train.labels[torch.randperm(len(train.data), generator=random_streams.stream(0, "reference"))[:n]]
    others = (labels > 0).nonzero()[:, 0]
    lost = others[torch.randperm(len(others), generator=_noise("thinned"))[: round(share * len(others))]]
    first = (train.labels == 0).nonzero()[:, 0]
    chosen = first[torch.randperm(len(first), generator=_noise("first"))]
    images[lost] = train.data[chosen.repeat(len(lost) // len(chosen) + 1)[: len(lost)]]
    return images


def few_kinds(dataset: Dataset, n: int, share: float) -> Tensor:
    """Return training images in which noisy copies of three images of one class replace a share of the images of this class."""
    train, images = dataset.split("train"), real(dataset, n).clone()
    assert train.labels is not None
    labels = train.labels[torch.randperm(len(train.data), generator=random_streams.stream(0, "reference"))[:n]]
    rows = (labels == min(KINDS_CLASS, dataset.spec.classes - 1)).nonzero()[:, 0]
    chosen = rows[torch.randperm(len(rows), generator=_noise("kinds"))]
    sources, lost = images[chosen[:KINDS]], chosen[: round(share * len(chosen))]
    copies = sources[torch.arange(len(lost)) % KINDS].float()
    images[lost] = _bytes(copies + KINDS_NOISE * torch.randn(copies.shape, generator=_noise("copies")))
    return images


def repeated(dataset: Dataset, n: int, times: float) -> Tensor:
    """Return images that each occur several times."""
    different = real(dataset, -(-n // int(times)))
    return different.repeat(int(times), 1, 1, 1)[:n]


def copied(dataset: Dataset, n: int, share: float) -> Tensor:
    """Return test images, with a share of them replaced by training images."""
    images = unseen(dataset, n)
    count = round(share * n)
    return torch.cat([real(dataset, n)[:count], images[count:]])


def blurred(dataset: Dataset, n: int, sd_pixels: float) -> Tensor:
    """Return blurred images."""
    images = real(dataset, n)
    size = 2 * min(int(3 * sd_pixels) + 1, (min(images.shape[2:]) - 1) // 2) + 1
    return gaussian_blur(images, [size, size], [sd_pixels, sd_pixels]) if sd_pixels else images


def noisy(dataset: Dataset, n: int, sd_levels: float) -> Tensor:
    """Return images with Gaussian noise."""
    images = real(dataset, n).float()
    return _bytes(images + sd_levels * torch.randn(images.shape, generator=_noise("noise")))


def inverted(dataset: Dataset, n: int, share: float) -> Tensor:
    """Return images, with a share of them inverted."""
    images = real(dataset, n).clone()
    images[: round(share * n)] = 255 - images[: round(share * n)]
    return images


def partly_noise(dataset: Dataset, n: int, share: float) -> Tensor:
    """Return images, with a share of them replaced by uniform noise."""
    images = real(dataset, n).clone()
    count = round(share * n)
    images[:count] = torch.randint(0, 256, images[:count].shape, generator=_noise("plain")).to(torch.uint8)
    return images


def blobs(dataset: Dataset, n: int, share: float) -> Tensor:
    """Return images, with a share of them replaced by grey blobs, which are very smooth noise."""
    images = real(dataset, n).clone()
    count = round(share * n)
    rough = torch.randn((count, *images.shape[1:]), generator=_noise("blobs"))
    size = 2 * ((min(images.shape[2:]) - 1) // 2) + 1
    smooth = gaussian_blur(rough, [size, size], [size / 6, size / 6])
    images[:count] = _bytes(127 + 60 * smooth / smooth.std() if count else smooth)
    return images


def checkered(dataset: Dataset, n: int, levels: float) -> Tensor:
    """Return images with a checkerboard of this many grey levels, as from transposed convolutions."""
    images = real(dataset, n).float()
    rows, columns = (torch.arange(side) for side in images.shape[2:])
    return _bytes(images + levels * (1 - 2 * ((rows[:, None] + columns) % 2)))


FAILURES = (
    Failure(name="classes lost", unit="of 10", severities=(0, 1, 3, 5, 7, 9), make=few_classes),
    Failure(name="each image repeated", unit="times", severities=(1, 2, 5, 10, 50, 500), make=repeated),
    Failure(name="training images copied", unit="share of unseen images", severities=(0.0, 0.1, 0.25, 0.5, 1.0), make=copied),
    Failure(name="blur", unit="pixels sd", severities=(0.0, 0.4, 0.5, 1.0, 2.0, 4.0), make=blurred),
    Failure(name="noise", unit="grey levels sd", severities=(0.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), make=noisy),
    Failure(name="negatives", unit="share", severities=(0.0, 0.1, 0.25, 0.5, 1.0), make=inverted),
    Failure(name="plain noise", unit="share", severities=(0.0, 0.1, 0.25, 0.5, 0.75, 1.0), make=partly_noise),
    Failure(name="grey blobs", unit="share", severities=(0.0, 0.1, 0.25, 0.5, 1.0), make=blobs),
    Failure(name="checkerboard", unit="grey levels", severities=(0.0, 4.0, 8.0, 16.0), make=checkered),
    Failure(name="classes thinned", unit="share lost", severities=(0.0, 0.25, 0.5, 0.75, 1.0), make=thinned),
    Failure(name="few kinds in one class", unit="share of the class", severities=(0.0, 0.5, 0.75, 0.9, 1.0), make=few_kinds),
)


@dataclass(frozen=True, kw_only=True)
class Contaminated:
    """Dataset with outliers. Negatives replace a share of the test images."""

    of: Dataset
    share: float

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def title(self) -> str:
        return self.of.title

    @property
    def spec(self) -> DataShape:
        return self.of.spec

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.of.class_names

    @property
    def claims(self) -> bool:
        return False

    def digest(self) -> str:
        return short_hash([self.of.digest(), "negatives", self.share])

    def split(self, name: Split) -> Examples:
        found = self.of.split(name)
        if name == "train":
            return found
        data = found.data.clone()
        data[: round(self.share * len(data))] = 255 - data[: round(self.share * len(data))]
        return replace(found, data=data)


def contaminated(evaluator: Evaluator, share: float) -> Evaluator:
    """Return an evaluator with a share of outliers in its test images, and with the extractors of another evaluator."""
    other = Evaluator(Contaminated(of=evaluator.dataset, share=share), samples=evaluator.n, errors=False, metrics=evaluator.keys)
    other._real._extractors.update({kind: evaluator._real.extractor(kind) for kind in evaluator._real.kinds})
    return other


def _noise(name: str) -> torch.Generator:
    return random_streams.stream(0, f"planted-{name}")


def _bytes(images: Tensor) -> Tensor:
    return images.round().clamp(0, 255).to(torch.uint8)
