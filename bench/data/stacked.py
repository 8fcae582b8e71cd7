"""Stacked images: three random grey images as the channels R, G and B, so that 10 classes make 1,000 modes (VEEGAN 1705.07761, 1712.04086).

The triples are fixed: they come from a frozen stream (NEP 19). Training triples are of training images, test triples of test images.
PacGAN draws its 128,000 from both splits together; unrolled GAN (1611.02163) draws new ones at each step.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from bench.core.errors import UserError
from bench.core.spec import Dataset, DataShape, Examples, Split
from bench.data import fetched
from bench.data.sources import Source

TRAIN_EXAMPLES = 128_000  # PacGAN's number
TEST_EXAMPLES = 26_000  # of VEEGAN and PacGAN: 26 for each of 1,000 modes
_EXAMPLES = {"train": TRAIN_EXAMPLES, "test": TEST_EXAMPLES}
_STREAM = {"train": 0, "test": 1}
_SEED = 1000
_DEFINITION = 1  # raised when `draw_triples` or the labels change


@dataclass(frozen=True, kw_only=True)
class StackedImages:
    """128,000 training and 26,000 test images [3, H, W], each channel an image of `base` from the same split.

    The label of classes (a, b, c) is (a * n + b) * n + c. In memory 154,000 times three images of the base: 362 MB of 28x28.
    """

    name: str
    title: str
    base: Dataset

    @property
    def spec(self) -> DataShape:
        """Three channels; as many classes as triples of the base's."""
        _, height, width = self.base.spec.shape
        return DataShape(kind="image", shape=(3, height, width), classes=self.base.spec.classes**3)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The three names of each triple, in the order of the labels."""
        return tuple(" | ".join(triple) for triple in itertools.product(self.base.class_names, repeat=3))

    @property
    def claims(self) -> bool:
        """As the base's."""
        return self.base.claims

    @property
    def sources(self) -> Sequence[Source]:
        """Where the base's files come from."""
        return getattr(self.base, "sources", ())

    @property
    def files(self) -> Sequence[fetched.KnownFile]:
        """The base's files."""
        return getattr(self.base, "files", ())

    def digest(self) -> str:
        """SHA-256 over the base's digest and the definition of the triples: the stream is frozen, so no image need be stacked."""
        definition = f"stacked {_DEFINITION} seed {_SEED} train {TRAIN_EXAMPLES} test {TEST_EXAMPLES} of {self.base.digest()}"
        return hashlib.sha256(definition.encode()).hexdigest()

    def split(self, name: Split) -> Examples:
        """Images uint8 [N, 3, H, W] and labels [N], stacked once a process."""
        if name not in _EXAMPLES:
            raise UserError(f"{self.name} has the splits train and test, not {name!r}")
        return _stack(self, name)

    def missing(self) -> str | None:
        """Why files of the base are missing, or None. Uses no network."""
        return fetched.missing(self.base)

    def fetch(self) -> str:
        """Fetch the base's files unless they are here; return where they came from."""
        return fetched.fetch(self.base)


def draw_triples(name: Split, images: int) -> NDArray[np.int64]:
    """The index of the image of each channel of a split, out of `images`: [N, 3]."""
    return np.random.RandomState([_SEED, _STREAM[name]]).randint(0, images, size=(_EXAMPLES[name], 3), dtype=np.int64)


@lru_cache(maxsize=2)
def _stack(dataset: StackedImages, name: Split) -> Examples:
    """One split. The process caches only the last stacked dataset: they are large, and quickly stacked again."""
    base, classes = dataset.base.split(name), dataset.base.spec.classes
    if base.labels is None or base.data.shape[1] != 1:
        raise UserError(f"only labelled grey images can be stacked, not {list(base.data.shape)} of {dataset.base.name}")
    triples = torch.from_numpy(draw_triples(name, len(base)))
    images = base.data.index_select(0, triples.flatten()).view(len(triples), 3, *base.data.shape[2:])  # one copy, of the final size
    red, green, blue = base.labels[triples].unbind(dim=1)
    return Examples(data=images, labels=(red * classes + green) * classes + blue)
