"""Stacked images: three random grey images as channels, so that 10 classes make 1,000 modes (VEEGAN 1705.07761, PacGAN 1712.04086).

NumPy does not change the stream that draws the triples (NEP 19), so they are fixed. Training triples are of training images, test
triples of test images. PacGAN draws its 128,000 triples from both splits together. Unrolled GAN (1611.02163) draws new ones at each step.
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
_DEFINITION = 1  # increased when `draw_triples` or the labels change


@dataclass(frozen=True, kw_only=True)
class StackedImages:
    """Dataset of 128,000 training and 26,000 test images [3, H, W]. Each channel is an image of `base` from the same split.

    The label of classes (a, b, c) is (a * n + b) * n + c. Both splits of 28x28 pixels take 362 MB of memory.
    """

    name: str
    title: str
    base: Dataset

    @property
    def spec(self) -> DataShape:
        """Shape with three channels and a class for each triple of the base's classes."""
        _, height, width = self.base.spec.shape
        return DataShape(kind="image", shape=(3, height, width), classes=self.base.spec.classes**3)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Three names of the base's classes for each label, in the order of the labels."""
        return tuple(" | ".join(triple) for triple in itertools.product(self.base.class_names, repeat=3))

    @property
    def claims(self) -> bool:
        """True if results on the base may support a claim."""
        return self.base.claims

    @property
    def sources(self) -> Sequence[Source]:
        """Sources of the base's files."""
        return getattr(self.base, "sources", ())

    @property
    def files(self) -> Sequence[fetched.KnownFile]:
        """Files of the base."""
        return getattr(self.base, "files", ())

    def digest(self) -> str:
        """Return the SHA-256 of the base's digest and the definition of the triples. The triples are fixed, so it stacks no image."""
        definition = f"stacked {_DEFINITION} seed {_SEED} train {TRAIN_EXAMPLES} test {TEST_EXAMPLES} of {self.base.digest()}"
        return hashlib.sha256(definition.encode()).hexdigest()

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, 3, H, W] and labels [N], stacked once in each process."""
        if name not in _EXAMPLES:
            raise UserError(f"{self.name} has the splits train and test, not {name!r}")
        return _stack(self, name)

    def missing(self) -> str | None:
        """Return the reason why the base cannot be loaded now, or None. Uses no network."""
        return fetched.missing(self.base)

    def fetch(self) -> str:
        """Fetch the base's files unless they are cached, and return their source."""
        return fetched.fetch(self.base)


def draw_triples(name: Split, images: int) -> NDArray[np.int64]:
    """Return the indices [N, 3] of the images that are the channels of a split, out of `images`."""
    return np.random.RandomState([_SEED, _STREAM[name]]).randint(0, images, size=(_EXAMPLES[name], 3), dtype=np.int64)


@lru_cache(maxsize=2)
def _stack(dataset: StackedImages, name: Split) -> Examples:
    """Return one split. The process caches only the last dataset, because stacked images are large and quick to stack again."""
    base, classes = dataset.base.split(name), dataset.base.spec.classes
    if base.labels is None or base.data.shape[1] != 1:
        raise UserError(f"only labelled grey images can be stacked, not {list(base.data.shape)} of {dataset.base.name}; use another base")
    triples = torch.from_numpy(draw_triples(name, len(base)))
    images = base.data.index_select(0, triples.flatten()).view(len(triples), 3, *base.data.shape[2:])  # one copy, of the final size
    red, green, blue = base.labels[triples].unbind(dim=1)
    return Examples(data=images, labels=(red * classes + green) * classes + blue)
