"""The extractor `classifier`: a small classifier of the dataset's own classes.

Published FID uses Inception features, which come from colour photographs of 299 pixels. On grey images of 28 pixels, a classifier
of the data distinguishes good images from bad ones more clearly, and needs no download. Compare its metrics only with those of the
same extractor. For this reason, every evaluation protocol contains the hash of its weights.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable

import torch
from torch import Tensor, nn

from bench.core.spec import to_unit_range
from bench.metrics.extractors.base import CLASSIFIER, Features, check_images, joined
from bench.metrics.extractors.card import WeightsCard, read_weights

BATCH, BATCH_VALUES = 100, 2**19  # limits of a batch. Its activations then fit into the processor's cache. Larger batches are slower


class ConvBlock(nn.Module):
    """Convolution 3x3, 2x2 max pooling, batch norm, ReLU. Early pooling reduces the work of the later layers to a quarter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.pool(self.conv(x))))


class Classifier(nn.Module):
    """Small convolutional classifier. Its features are the last hidden layer, minus `center` and divided by the constant `scale`.

    Over the training images, the features have mean 0 and, on average, variance 1. One constant for all features prevents a rarely
    active feature from dominating the others.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, *, shape: tuple[int, int, int], widths: tuple[int, ...], dims: int, classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        halvings = 2 ** len(widths)
        self.blocks = nn.Sequential(*(ConvBlock(a, b) for a, b in zip((channels, *widths), widths, strict=False)))
        self.hidden = nn.Linear(widths[-1] * (height // halvings) * (width // halvings), dims)
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(dims, classes)
        self.register_buffer("center", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, images: Tensor) -> Features:
        """Return features and logits of images uint8 [N, C, H, W]."""
        x = to_unit_range(images).contiguous(memory_format=torch.channels_last)
        hidden = torch.relu(self.hidden(self.blocks(x).flatten(1)))
        return Features(features=(hidden - self.center) / self.scale, logits=self.head(self.dropout(hidden)))


class ExtractorCard(WeightsCard):
    """Record of the origin and accuracy of a classifier: the JSON file next to its weights."""

    classes: int
    widths: tuple[int, ...]  # channels of the convolutions
    accuracy: float  # on the test split, as a fraction
    where: str = ""  # the kind of machine, for a classifier that a user's machine trained

    def network(self) -> Classifier:
        """Return the classifier of this card with initial weights."""
        return Classifier(shape=self.shape, widths=self.widths, dims=self.dims, classes=self.classes)


class ClassifierExtractor:
    """Extractor that computes features with a trained classifier."""

    name = CLASSIFIER

    def __init__(self, card: ExtractorCard, network: nn.Module) -> None:
        self.card = card
        self._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights file."""
        return self.card.weights_sha256

    def __call__(self, images: Tensor, *, batch_size: int = 0) -> Features:
        """Return features and logits of uint8 images [N, C, H, W]. A batch size of 0 chooses the fastest."""
        self.check(images)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return joined([self._network(batch) for batch in images.split(batch_size or quick_batch(images))])

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        check_images(images, self.card.shape, self.card.dataset)


def quick_batch(images: Tensor) -> int:
    """Return the fastest batch size for these images."""
    return max(1, min(BATCH, BATCH_VALUES // images[0].numel()))


def read_extractor(card_file: Traversable, weights_file: Traversable) -> ClassifierExtractor:
    """Return the classifier in two files. Raises UserError with the name of a damaged file."""
    card, network = read_weights(ExtractorCard, card_file, weights_file)
    return ClassifierExtractor(card, network)
