"""The extractor `classifier`: a small classifier of the dataset's own classes.

Published FID uses Inception features, which come from colour photographs of 299 pixels. On grey images of 28 pixels, a classifier
of the data distinguishes good images from bad ones more clearly, and needs no download. Compare its metrics only with those of the
same extractor. For this reason, every evaluation protocol contains the hash of its weights.
"""

from __future__ import annotations

import hashlib
from importlib.resources.abc import Traversable

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load
from torch import Tensor, nn

from bench.core.errors import UserError, one_line
from bench.core.spec import to_unit_range
from bench.metrics.extractors.base import CLASSIFIER, Features, check_images, joined

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


class ExtractorCard(BaseModel):
    """Record of the origin and accuracy of an extractor: the JSON file next to its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    data_digest: str
    shape: tuple[int, int, int]  # (channels, height, width)
    classes: int
    widths: tuple[int, ...]  # channels of the convolutions
    dims: int  # width of the features
    accuracy: float  # on the test split, as a fraction
    command: str
    epochs: int
    seed: int
    torch: str  # version that trained it
    weights_sha256: str
    where: str = ""  # the kind of machine, for a classifier that a user's machine trained

    def network(self) -> Classifier:
        """Return the classifier of this card with initial weights."""
        return Classifier(shape=self.shape, widths=self.widths, dims=self.dims, classes=self.classes)


class ClassifierExtractor:
    """Extractor that computes features with a trained classifier."""

    name = CLASSIFIER

    def __init__(self, card: ExtractorCard, network: Classifier) -> None:
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
    """Return the extractor in two files. Raises UserError with the name of a damaged file."""
    try:
        card, weights = card_file.read_bytes(), weights_file.read_bytes()
    except OSError as error:
        raise UserError(f"the extractor card {card_file} cannot be read: {str(error).splitlines()[0]}") from error
    return extractor_of(card, weights, card_name=str(card_file), weights_name=str(weights_file))


def extractor_of(card_json: bytes, weights: bytes, *, card_name: str, weights_name: str) -> ClassifierExtractor:
    """Return the extractor in the content of two files. Raises UserError with the name of a damaged file."""
    try:
        card = ExtractorCard.model_validate_json(card_json)
    except ValidationError as error:
        raise UserError(f"the extractor card {card_name} cannot be read: {str(error).splitlines()[0]}") from error
    found = hashlib.sha256(weights).hexdigest()
    if found != card.weights_sha256:
        raise UserError(f"the extractor weights {weights_name} are damaged: sha256 {found[:12]}..., expected {card.weights_sha256[:12]}...")
    try:
        network = card.network()
        network.load_state_dict(load(weights))
    except Exception as error:  # torch and safetensors raise their own error types
        raise UserError(f"the extractor card {card_name} does not fit its weights: {one_line(error, most=120)}") from error
    return ClassifierExtractor(card, network)
