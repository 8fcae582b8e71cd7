"""The real side of every comparison: what the test split looks like to the metrics. Measured once, then kept on disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from bench import checkpoint
from bench.config import short_hash
from bench.data.cache import cache_root
from bench.errors import UserError
from bench.metrics.diversity import duplicate_threshold, mean_pair_distance
from bench.metrics.extractors import Extractor
from bench.metrics.fidelity import Gaussian, fit_gaussian
from bench.metrics.modes import Shares, class_shares
from bench.metrics.neighbours import Neighbours, find_neighbours
from bench.spec import Dataset

log = logging.getLogger(__name__)

VERSION = 2  # of what is stored; bumped when a definition used here changes
PARTS = ("features", "radius", "nearest", "predictions", "pair_distance")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Real test images as the metrics see them."""

    neighbours: Neighbours  # with the features themselves
    predictions: Tensor  # [N], int64
    pair_distance: float  # grey levels
    classes: int

    @property
    def features(self) -> Tensor:
        """[N, d], float32."""
        return self.neighbours.features

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of the features."""
        return fit_gaussian(self.features)

    @cached_property
    def shares(self) -> Shares:
        """The share of each class, as the classifier predicts it: the same eyes as for generated images."""
        return class_shares(self.predictions, self.classes)

    @cached_property
    def duplicate_threshold(self) -> float:
        """The distance under which a generated image counts as a duplicate."""
        return duplicate_threshold(self.neighbours.nearest)


def load_reference(dataset: Dataset, extractor: Extractor) -> Reference:
    """The real side of a dataset: from the cache folder, else measured now and stored there."""
    path = _path(dataset, extractor)
    parts = _read(path)
    if parts is None:
        parts = _measure(dataset.split("test").data, extractor)
        _write(path, parts)
    neighbours = Neighbours(features=parts["features"], radius=parts["radius"], nearest=parts["nearest"])
    return Reference(
        neighbours=neighbours,
        predictions=parts["predictions"],
        pair_distance=float(parts["pair_distance"]),
        classes=dataset.spec.classes,
    )


def _measure(images: Tensor, extractor: Extractor) -> dict[str, Tensor]:
    seen = extractor(images)
    neighbours = find_neighbours(seen.features)
    pair_distance = torch.tensor(mean_pair_distance(images), dtype=torch.float64)
    values = (seen.features, neighbours.radius, neighbours.nearest, seen.predictions, pair_distance)
    return dict(zip(PARTS, values, strict=True))


def _path(dataset: Dataset, extractor: Extractor) -> Path:
    """Where it is stored. What may change single bits is in the name too, so a stored value equals a fresh one."""
    identity = {
        "version": VERSION, "data": dataset.digest(), "weights": extractor.weights_hash,
        "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip
    return cache_root() / "references" / f"{dataset.name}-{short_hash(identity)}.safetensors"


def _read(path: Path) -> dict[str, Tensor] | None:
    """What is stored, None if nothing is. A damaged file, by its hash, is said to be and then replaced."""
    if not path.exists():
        return None
    try:
        parts = checkpoint.load(path)
    except UserError as error:
        log.warning("%s: measuring the real images anew", error)
        return None
    if set(parts) != set(PARTS):
        log.warning("%s holds %s: measuring the real images anew", path, ", ".join(sorted(parts)))
        return None
    return parts


def _write(path: Path, parts: dict[str, Tensor]) -> None:
    """Store for other processes. A folder that cannot be written costs them time and changes no number, so it only warns."""
    try:
        checkpoint.save(parts, path)
    except OSError as error:
        log.warning("%s cannot be written (%s): every process will measure the real images itself", path, error.strerror or error)
