"""Tasks between classes of a labelled dataset: two sides without pairs, and domains."""

from __future__ import annotations

from dataclasses import dataclass

from bench.core.spec import DataShape, Examples
from bench.data.derived.base import Derived, rows_of

_VERSION = 1  # increased when the rows or the labels change


@dataclass(frozen=True, kw_only=True)
class TwoSides(Derived):
    """Unpaired translation: images of the classes `given_classes` are given, and images of `made_classes` are to be made.

    Labels number the classes of each side from 0.
    """

    given_classes: tuple[int, ...]
    made_classes: tuple[int, ...]

    @property
    def spec(self) -> DataShape:
        """Shape of the origin's images on both sides."""
        shape = self.origin.spec.shape
        return DataShape(kind="image", shape=shape, classes=len(self.made_classes), task="unpaired", given=shape)

    @property
    def definition(self) -> str:
        """Text of the classes of both sides."""
        return f"two sides {_VERSION} given {self.given_classes} made {self.made_classes}"

    @property
    def classes_of_origin(self) -> tuple[int, ...]:
        """Classes of the images to make."""
        return self.made_classes

    def derive(self, source: Examples) -> Examples:
        """Return both sides, each in the order of the origin."""
        (data, labels), (given, given_labels) = rows_of(source, self.made_classes), rows_of(source, self.given_classes)
        return Examples(data=data, labels=labels, given=given, given_labels=given_labels, aligned=False)


@dataclass(frozen=True, kw_only=True)
class Domains(Derived):
    """Translation between domains: each of `classes` is a domain. An image of one domain is to become one of another (StarGAN, arXiv 1711.09020)."""

    classes: tuple[int, ...]

    @property
    def spec(self) -> DataShape:
        """Shape of the origin's images, which are given and made."""
        shape = self.origin.spec.shape
        return DataShape(kind="image", shape=shape, classes=len(self.classes), task="domains", given=shape)

    @property
    def definition(self) -> str:
        """Text of the domains."""
        return f"domains {_VERSION} classes {self.classes}"

    @property
    def classes_of_origin(self) -> tuple[int, ...]:
        """Class of each domain."""
        return self.classes

    def derive(self, source: Examples) -> Examples:
        """Return the images of all domains in the order of the origin. The labels are the domains."""
        data, labels = rows_of(source, self.classes)
        return Examples(data=data, labels=labels)
