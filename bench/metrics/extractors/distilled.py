"""The extractor `distilled`: a small network that imitates the extractor `photo` on images of one dataset, hundreds of times as fast.

Its features approximate the principal components of EfficientNet-Lite0's features. They know no classes, and they see blur, noise and
wrong shapes about as an ImageNet network does. The weights ship with the package. Compare its metrics only with those of the
same weights: for this reason, every evaluation protocol contains their hash.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bench.core.spec import to_unit_range
from bench.metrics.extractors.base import DISTILLED, Features, check_images, joined
from bench.metrics.extractors.card import WeightsCard

BATCH = 100  # the fastest


class ConvNormRelu(nn.Module):
    """Convolution, batch norm and ReLU. A kernel of odd size, padded, so that only the stride reduces the side."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))

    def fuse(self) -> None:
        """Make the batch norm a part of the convolution, for inference."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class DistilledNetwork(nn.Module):
    """Convolutions and two linear layers: images uint8 [N, C, H, W] to features [N, dims], minus `center` and divided by the number `scale`.

    Over the training images, the features have mean 0 and, on average, variance 1. `layers`: channels, stride and kernel of each convolution.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, *, shape: tuple[int, int, int], layers: tuple[tuple[int, int, int], ...], hidden: int, dims: int) -> None:
        super().__init__()
        channels, height, width = shape
        convolutions = []
        for outputs, stride, kernel in layers:
            convolutions.append(ConvNormRelu(channels, outputs, stride=stride, kernel=kernel))
            channels, height, width = outputs, -(-height // stride), -(-width // stride)
        self.convolutions = nn.Sequential(*convolutions)
        self.hidden = nn.Linear(channels * height * width, hidden)
        self.out = nn.Linear(hidden, dims)
        self.register_buffer("center", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(()))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        x = to_unit_range(images).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.out(torch.relu(self.hidden(self.convolutions(x).flatten(1))))
        return (features - self.center) / self.scale

    def fuse(self) -> None:
        """Fuse each convolution with its batch norm, for inference."""
        for layer in self.convolutions:
            assert isinstance(layer, ConvNormRelu)
            layer.fuse()


class DistilledCard(WeightsCard):
    """Record of the origin of a distilled extractor: the JSON file next to its weights."""

    layers: tuple[tuple[int, int, int], ...]  # channels, stride and kernel of each convolution
    hidden: int
    teacher_sha256: str  # of the teacher's published weights
    images: int  # of the training split, as they are, among the training images
    corrupted_images: int
    generated_images: int  # of half-trained generators (docs/headline)
    generated_sha256: str  # of their values
    unexplained: float  # squared error on held-out images, as a fraction of the variance of the teacher's components

    def network(self) -> DistilledNetwork:
        """Return the network of this card with random weights, for inference."""
        network = DistilledNetwork(shape=self.shape, layers=self.layers, hidden=self.hidden, dims=self.dims)
        network.eval().fuse()
        return network


class DistilledExtractor:
    """Extractor that computes features with a distilled network."""

    name = DISTILLED

    def __init__(self, card: DistilledCard, network: nn.Module) -> None:
        self.card = card
        self._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights file."""
        return self.card.weights_sha256

    def __call__(self, images: Tensor, *, batch_size: int = BATCH) -> Features:
        """Return features [N, dims] of uint8 images [N, C, H, W]."""
        self.check(images)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return joined([Features(features=self._network(batch)) for batch in images.split(batch_size)])

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        check_images(images, self.card.shape, self.card.dataset)
