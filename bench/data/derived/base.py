"""The base class of datasets that are computed from another dataset. Its classifier is the judge of what generators make."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from bench.core.errors import UserError
from bench.core.spec import Dataset, DataShape, Examples, Judged, Split
from bench.data import fetched
from bench.data.sources import Source


@dataclass(frozen=True, kw_only=True)
class Derived:
    """Dataset whose splits are computed from those of `origin`, with the same result on every machine.

    A subclass has a `spec`, a `definition` and `derive`. If the classes differ from those of the origin, it also has `classes_of_origin`.
    """

    name: str
    title: str
    origin: Dataset

    @property
    def spec(self) -> DataShape:
        """Shape of both sides, and the task."""
        raise NotImplementedError

    @property
    def definition(self) -> str:
        """Text of all that determines the examples, except the origin: the kind, the version of its algorithm and the parameters."""
        raise NotImplementedError

    def derive(self, source: Examples) -> Examples:
        """Return the examples that belong to one split of the origin."""
        raise NotImplementedError

    @property
    def classes_of_origin(self) -> tuple[int, ...]:
        """Class of the origin for each own label."""
        return tuple(range(self.origin.spec.classes))

    @property
    def judge(self) -> Dataset:
        """Dataset whose classifier sees what generators make: the origin, or its judge."""
        return self.origin.judge if isinstance(self.origin, Judged) else self.origin

    @property
    def judge_classes(self) -> tuple[int, ...]:
        """Class of the judge for each own label."""
        if not isinstance(self.origin, Judged):
            return self.classes_of_origin
        return tuple(self.origin.judge_classes[label] for label in self.classes_of_origin)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the origin's classes, in the order of the own labels."""
        return tuple(self.origin.class_names[label] for label in self.classes_of_origin)

    @property
    def claims(self) -> bool:
        """True if results on the origin may support a claim."""
        return self.origin.claims

    @property
    def licence(self) -> str:
        """Licence of the origin's images, or empty."""
        return getattr(self.origin, "licence", "")

    @property
    def attribution(self) -> str:
        """Authors of the origin's images, or empty."""
        return getattr(self.origin, "attribution", "")

    @property
    def sources(self) -> Sequence[Source]:
        """Sources of the origin's files."""
        return getattr(self.origin, "sources", ())

    @property
    def files(self) -> Sequence[fetched.KnownFile]:
        """Files of the origin."""
        return getattr(self.origin, "files", ())

    def digest(self) -> str:
        """Return the SHA-256 of the definition and the origin's digest. It computes no example."""
        return hashlib.sha256(f"{self.definition} of {self.origin.digest()}".encode()).hexdigest()

    def split(self, name: Split) -> Examples:
        """Return one split. Each process computes it once."""
        if name not in ("train", "test"):
            raise UserError(f"{self.name} has the splits train and test, not {name!r}")
        return _derived(self, name)

    def missing(self) -> str | None:
        """Return the reason why the origin cannot be loaded now, or None. Uses no network."""
        return fetched.missing(self.origin)

    def fetch(self) -> str:
        """Fetch the origin's files unless they are cached, and return their source."""
        return fetched.fetch(self.origin)


@lru_cache(maxsize=16)
def _derived(dataset: Derived, name: Split) -> Examples:
    return dataset.derive(dataset.origin.split(name))


def rows_of(source: Examples, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the images of some classes in the order of the origin, and their labels: label k is the k-th of these classes."""
    assert source.labels is not None
    matches = source.labels[:, None] == torch.tensor(classes)
    rows = matches.any(dim=1).nonzero().squeeze(1)
    return source.data.index_select(0, rows), matches[rows].to(torch.int64).argmax(dim=1)
