"""The interface of extractors: fixed functions from images to features, each with a hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bench.core.errors import UserError

CLASSIFIER, DISTILLED, PIXELS, INCEPTION, PHOTO = "classifier", "distilled", "pixels", "inception", "photo"


@dataclass(frozen=True, kw_only=True)
class Features:
    """The output of an extractor: features [N, d] float32. If it has classes, also logits [N, classes] float32, or predictions."""

    features: Tensor
    logits: Tensor | None = None
    predicted: Tensor | None = None  # [N], int64: if the class does not come from logits

    def __len__(self) -> int:
        return len(self.features)

    def part(self, rows: Tensor) -> Features:
        """Return the features of these rows."""

        def of(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        return Features(features=self.features[rows], logits=of(self.logits), predicted=of(self.predicted))

    @property
    def predictions(self) -> Tensor:
        """The class of each image, predicted by the extractor: [N], int64."""
        if self.predicted is not None:
            return self.predicted
        if self.logits is None:
            raise ValueError("this extractor has no classes: use the extractor 'classifier'")
        return self.logits.argmax(dim=1)


class Extractor(Protocol):
    """Interface of functions from images to features. They run on the CPU and in float32, independent of the run's precision."""

    @property
    def name(self) -> str:
        """Kind of the extractor: classifier, distilled, pixels, inception or photo."""
        ...

    @property
    def weights_hash(self) -> str:
        """Hash of this extractor, a part of the evaluation protocol of every metric that uses its features."""
        ...

    def __call__(self, images: Tensor, *, batch_size: int = ...) -> Features:
        """Return the features of uint8 images [N, C, H, W]. The batch size changes only float rounding."""
        ...

    def check(self, images: Tensor) -> None:
        """Raise a UserError unless the extractor supports these images."""
        ...


def check_images(images: Tensor, shape: tuple[int, ...], dataset: str) -> None:
    """Raise a UserError unless `images` are one or more uint8 images of that shape."""
    if images.dtype != torch.uint8:
        raise UserError(f"images must be uint8 in 0..255, not {str(images.dtype).removeprefix('torch.')}: convert them first")
    if images.ndim != 4 or tuple(images.shape[1:]) != shape or not len(images):
        wanted = ", ".join(map(str, shape))
        raise UserError(f"images for {dataset!r} must have the shape [N, {wanted}], not {list(images.shape)}")


def joined(parts: Sequence[Features]) -> Features:
    """Concatenate the features of batches."""

    def whole(tensors: Sequence[Tensor | None]) -> Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present) if present else None

    return Features(
        features=torch.cat([part.features for part in parts]),
        logits=whole([part.logits for part in parts]),
        predicted=whole([part.predicted for part in parts]),
    )
