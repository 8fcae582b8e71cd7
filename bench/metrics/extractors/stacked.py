"""The extractor `classifier` of stacked images: the base dataset's classifier for each channel (PacGAN, arXiv 1712.04086, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.core.config import short_hash
from bench.core.spec import Dataset
from bench.metrics.extractors.base import CLASSIFIER, Features, check_images
from bench.metrics.extractors.classifier import ClassifierExtractor


class StackedExtractor:
    """Extractor of the features of all channels, [N, C * d]. For channels of classes a, b and c of n, the class is (a * n + b) * n + c."""

    name = CLASSIFIER

    def __init__(self, base: ClassifierExtractor, dataset: Dataset) -> None:
        self.base = base
        self._dataset = dataset

    @property
    def weights_hash(self) -> str:
        """Hash of the base classifier's hash."""
        return short_hash({"extractor": "stacked", "base": self.base.weights_hash})

    def __call__(self, images: Tensor, *, batch_size: int = 0) -> Features:
        """Return features and classes of uint8 images [N, C, H, W]. A batch size of 0 chooses the fastest."""
        self.check(images)
        n, channels, height, width = images.shape
        base_features = self.base(images.reshape(n * channels, 1, height, width), batch_size=batch_size * channels)
        digits = base_features.predictions.view(n, channels)
        weights = self.base.card.classes ** torch.arange(channels - 1, -1, -1)
        return Features(features=base_features.features.view(n, -1), predicted=(digits * weights).sum(dim=1))

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        check_images(images, self._dataset.spec.shape, self._dataset.name)
