"""Digits: 1,797 handwritten 8x8 digits from scikit-learn's package. They are for tests and a first look, and support no claim."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split

TEST_EXAMPLES = 500
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Dataset of 1,297 training and 500 test images. Both splits have the same share of each class, to within one image."""

    name: str = "digits"
    title: str = "Digits 8x8"
    spec: DataShape = DataShape(kind="image", shape=(1, 8, 8), classes=10)
    class_names: tuple[str, ...] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    claims: bool = False

    def digest(self) -> str:
        """Return the SHA-256 of images and labels of both splits."""
        content = hashlib.sha256()
        for examples in _splits().values():
            assert examples.labels is not None
            content.update(examples.data.numpy().tobytes())
            content.update(examples.labels.numpy().tobytes())
        return content.hexdigest()

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, 1, 8, 8] and labels [N]."""
        splits = _splits()
        if name not in splits:
            raise UserError(f"{self.name} has the splits train and test, not {name!r}")
        return splits[name]


@lru_cache(maxsize=1)
def _splits() -> dict[str, Examples]:
    """Return both splits, with values scaled from 0..16 to 0..255."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    test = _test_mask(labels)
    return {
        name: Examples(data=torch.from_numpy(pixels[chosen].copy()), labels=torch.from_numpy(labels[chosen].astype(np.int64)))
        for name, chosen in (("train", ~test), ("test", test))
    }


def _test_mask(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the mask of test examples: a systematic sample of the examples, shuffled and then sorted by class.

    RandomState's stream is frozen (NEP 19), so the split is the same in every version of NumPy.
    """
    shuffled = np.random.RandomState(_SEED).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    marks = np.arange(len(labels) + 1) * TEST_EXAMPLES // len(labels)
    mask = np.zeros(len(labels), dtype=np.bool_)
    mask[by_class[np.diff(marks) == 1]] = True
    return mask
