"""The extractor `classifier` of data that has some of the classes of another dataset: it chooses among these classes alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.core.config import short_hash
from bench.metrics.extractors.base import CLASSIFIER, Features
from bench.metrics.extractors.classifier import ClassifierExtractor


class OwnClassesExtractor:
    """Extractor with the features of a classifier, and the logits of some of its classes: class k is `classes[k]` of the classifier."""

    name = CLASSIFIER

    def __init__(self, judge: ClassifierExtractor, classes: Sequence[int]) -> None:
        self.judge = judge
        self._classes = tuple(classes)

    @property
    def weights_hash(self) -> str:
        """Hash of the classifier's hash and of the classes."""
        return short_hash({"extractor": "own classes", "judge": self.judge.weights_hash, "classes": self._classes})

    def __call__(self, images: Tensor, *, batch_size: int = 0) -> Features:
        """Return features, and logits [N, classes], of uint8 images [N, C, H, W]. A batch size of 0 chooses the fastest."""
        found = self.judge(images, batch_size=batch_size)
        assert found.logits is not None
        return Features(features=found.features, logits=found.logits[:, torch.tensor(self._classes)])

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        self.judge.check(images)
