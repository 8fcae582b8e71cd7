"""Small datasets of labelled images that a classifier learns in a second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from bench.core.config import short_hash
from bench.core.spec import DataShape, Examples, Split


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Dataset whose classes are fixed patterns with noise. Labels are random with `learnable=False`."""

    name: str = "patterns"
    shape: tuple[int, int, int] = (1, 8, 8)
    classes: int = 3
    train: int = 120
    test: int = 60
    learnable: bool = True
    claims: bool = True

    @property
    def title(self) -> str:
        return self.name

    @property
    def spec(self) -> DataShape:
        return DataShape(kind="image", shape=self.shape, classes=self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(f"class {index}" for index in range(self.classes))

    def digest(self) -> str:
        return short_hash([self.shape, self.classes, self.train, self.test, self.learnable])

    def split(self, name: Split) -> Examples:
        return self._splits[name]

    @cached_property
    def _splits(self) -> dict[str, Examples]:
        generator = torch.Generator().manual_seed(0)
        patterns = torch.randint(0, 256, (max(1, self.classes), *self.shape), generator=generator)
        return {"train": self._examples(self.train, patterns, generator), "test": self._examples(self.test, patterns, generator)}

    def _examples(self, n: int, patterns: torch.Tensor, generator: torch.Generator) -> Examples:
        classes = torch.arange(n) % max(1, self.classes)
        noise = torch.randint(0, 256, (n, *self.shape), generator=generator)
        data = (0.6 * patterns[classes] + 0.4 * noise).to(torch.uint8)
        labels = classes if self.learnable else torch.randint(self.classes, (n,), generator=generator)
        return Examples(data=data, labels=labels if self.classes else None)


PATTERNS = Labelled(name="labelled:PATTERNS")
FEW = Labelled(name="labelled:FEW", test=9)  # too few test images for an evaluation
PLAIN = Labelled(name="labelled:PLAIN", classes=0)  # no labels
