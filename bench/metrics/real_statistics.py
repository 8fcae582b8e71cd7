"""Statistics of the real images for comparison with generated ones. Each machine computes and caches each part once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bench.core.config import Resize
from bench.core.spec import Dataset, Mixture, Stacked
from bench.metrics.cache import Parts, cached
from bench.metrics.clipped import clipped_mean
from bench.metrics.diversity import class_vendi_scores, duplicate_threshold, pair_distances
from bench.metrics.extractors import INCEPTION, Extractor, Features, extractor_for
from bench.metrics.fidelity import Gaussian, fit_gaussian, kernel_pairs
from bench.metrics.half_samples import canonical_order
from bench.metrics.modes import Shares, class_shares
from bench.metrics.ndb import assign, fit_bins
from bench.metrics.neighbours import Neighbours, clipped_radius, find_neighbours, nearest_other, nearest_to
from bench.metrics.spectrum import nyquist_powers, spectra
from bench.metrics.two_sample import Compared, compared

VERSION = 4  # version of the cached statistics. A test fails if a definition changes without a new version


@dataclass(frozen=True, kw_only=True)
class Training:
    """Record of the training images' features by the main extractor, and of distances to them."""

    features: Tensor  # [T, d]
    nearest: Tensor  # [T]: distance of each training image to the nearest other one
    test_distance: Tensor  # [N]: distance of each test image to the nearest training image


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Record of k-means cells of the training images' principal components."""

    centres: Tensor  # [K, d]
    train_counts: Tensor  # [K]
    test: Tensor  # [N]: the bin of each test image


@dataclass(frozen=True, kw_only=True)
class ReferenceStatistics:
    """Record of Inception statistics from a file (`bench.evaluation.reference_statistics`), in place of the test split."""

    gaussian: Gaussian
    n: int  # images
    digest: str  # of the content: part of the evaluation protocol


class RealSide:
    """Statistics of a dataset's real images by several extractors, for the test split unless stated otherwise."""

    def __init__(
        self, dataset: Dataset, kinds: Sequence[str], *, resize: Resize = "tensorflow", statistics: ReferenceStatistics | None = None
    ) -> None:
        self.dataset = dataset
        self.resize = resize  # of images for Inception
        self.statistics = statistics  # in place of the test split's Inception features
        self.kinds = tuple(kinds)
        self.main = "classifier" if "classifier" in kinds else "pixels"  # the extractor for the search of neighbours
        self.reported: set[str] = set()  # metrics with a logged failure
        self._extractors: dict[str, Extractor] = {}
        self._features: dict[str, Features] = {}
        self._gaussians: dict[str, Gaussian] = {}
        self._compared: dict[int, Compared] = {}
        self._kernel_pairs: dict[tuple[str, int], list[float]] = {}

    def extractor(self, kind: str) -> Extractor:
        """Return the extractor of a kind. Loads or trains it at its first use."""
        if kind not in self._extractors:
            self._extractors[kind] = extractor_for(kind, self.dataset, resize=self.resize)
        return self._extractors[kind]

    def features_of(self, kind: str) -> Features:
        """Return the features of the test images by the extractor of a kind."""
        if kind not in self._features:
            parts = self._cached("test", (kind,), ("features", "predicted"), lambda: _see(self.extractor(kind), self._test))
            predicted = parts["predicted"] if len(parts["predicted"]) else None
            self._features[kind] = Features(features=parts["features"], logits=None, predicted=predicted)
        return self._features[kind]

    def gaussian(self, kind: str) -> Gaussian:
        """Return mean and covariance of the test images' features, or those of the reference statistics."""
        if kind == INCEPTION and self.statistics is not None:
            return self.statistics.gaussian
        if kind not in self._gaussians:
            self._gaussians[kind] = fit_gaussian(self.features_of(kind).features)
        return self._gaussians[kind]

    def count(self, kind: str) -> int:
        """Return the number of images to which the Gaussian was fitted."""
        return self.statistics.n if kind == INCEPTION and self.statistics is not None else len(self.features_of(kind))

    def kernel_pairs(self, kind: str, generated: int) -> list[float]:
        """Return the sum of the kernel over the pairs of each random subset of test images for KID with this number of generated images."""
        if (kind, generated) not in self._kernel_pairs:
            self._kernel_pairs[kind, generated] = kernel_pairs(generated, self.features_of(kind).features)
        return self._kernel_pairs[kind, generated]

    @cached_property
    def class_gaussians(self) -> dict[int, Gaussian]:
        """Mean and covariance of each class of test images, in classifier features. Raises ValueError if a class has too few images."""
        labels, features = self.dataset.split("test").labels, self.features_of("classifier").features
        if labels is None:
            raise ValueError(f"{self.dataset.name} has no labels")
        small = [label for label in labels.unique().tolist() if int((labels == label).sum()) <= features.shape[1]]
        if small:
            raise ValueError(f"the test split has too few images of class {small[0]} for the covariance of {features.shape[1]} features")
        return {label: fit_gaussian(features[labels == label]) for label in labels.unique().tolist()}

    @cached_property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each test image among the others."""
        features = self.features_of(self.main).features

        def measure() -> Parts:
            found = find_neighbours(features)
            return {"index": found.index, "distance": found.distance}

        parts = self._cached("neighbours", (self.main,), ("index", "distance"), measure)
        return Neighbours(features=features, index=parts["index"], distance=parts["distance"])

    @cached_property
    def clipped_density(self) -> float:
        """The unnormalised Clipped Density of the test images, each compared with the others."""
        within = self.neighbours.distance <= clipped_radius(self.neighbours)[:, None]
        balls = torch.bincount(self.neighbours.index[within], minlength=len(self.neighbours.index))
        return clipped_mean(balls)

    def compared(self, generated: int) -> Compared:
        """Return the test images of the two-sample test with this number of generated images."""
        if generated not in self._compared:
            self._compared = {generated: compared(self.neighbours, generated)}
        return self._compared[generated]

    @cached_property
    def training(self) -> Training:
        """Features and distances of the training images, for metrics of memorisation."""
        test = self.features_of(self.main).features

        def measure() -> Parts:
            features = self.extractor(self.main)(self.dataset.split("train").data).features
            return {"features": features, "nearest": nearest_other(features), "test_distance": nearest_to(test, features)[0]}

        return Training(**self._cached("training", (self.main,), ("features", "nearest", "test_distance"), measure))

    @cached_property
    def bins(self) -> Bins:
        """The bins of NDB."""
        test = self.features_of("pixels").features

        def measure() -> Parts:
            train = self.extractor("pixels")(self.dataset.split("train").data).features
            centres = fit_bins(train)
            counts = torch.bincount(assign(train, centres), minlength=len(centres))
            return {"centres": centres, "train_counts": counts, "test": assign(test, centres)}

        return Bins(**self._cached("bins", ("pixels",), ("centres", "train_counts", "test"), measure))

    @cached_property
    def shares(self) -> Shares:
        """The share of each class as predicted by the classifier, like the shares of generated images."""
        return class_shares(self.features_of("classifier").predictions, self.dataset.spec.classes)

    @cached_property
    def class_vendi(self) -> dict[int, float]:
        """The Vendi score of the test images of each class that the classifier predicts, in pixel features."""
        return class_vendi_scores(self.features_of("pixels").features, self.features_of("classifier").predictions)

    @cached_property
    def mode_shares(self) -> Shares:
        """The share of each known mode: equal for a mixture, the product of the channels' class shares for stacked images."""
        if isinstance(self.dataset, Mixture):
            modes = len(self.dataset.centres)
            return class_shares(torch.arange(modes), modes)
        assert isinstance(self.dataset, Stacked)
        classes = self.dataset.base.spec.classes
        predicted = self.features_of("classifier").predictions
        single = class_shares(torch.cat([predicted // classes**2, predicted // classes % classes, predicted % classes]), classes)
        shares: Shares = (single[:, None, None] * single[None, :, None] * single[None, None, :]).reshape(-1)
        return shares

    @cached_property
    def pair_distance(self) -> float:
        """The mean distance of two test images, in grey levels."""
        return float(pair_distances(self._test[self._order]).double().mean())

    @cached_property
    def spectrum(self) -> Tensor:
        """The mean power of the test images at each radial frequency: [R] float64."""
        return spectra(self._test).double().mean(dim=0)

    @cached_property
    def nyquist_power(self) -> Tensor:
        """The mean power of the test images at the Nyquist rows and columns: [] float64."""
        return nyquist_powers(self._test).double().mean()

    @cached_property
    def feature_distance(self) -> float:
        """The mean distance of two test images, in the main features."""
        pairs = len(self._order) // 2
        first, second = self.features_of(self.main).features[self._order[: 2 * pairs]].reshape(pairs, 2, -1).unbind(dim=1)
        return float((first - second).double().norm(dim=1).mean())

    @cached_property
    def duplicate_threshold(self) -> float:
        """The distance below which a generated image counts as a duplicate."""
        return duplicate_threshold(self.neighbours.nearest)

    def prepare(self, kinds: Sequence[str], *, neighbours: bool, training: bool) -> None:
        """Compute or load the parts that metrics need: features of these extractors, neighbours and training images."""
        for kind in kinds:
            self.gaussian(kind)
        if neighbours:
            _ = self.neighbours
        if training:
            _ = self.training, self.bins

    @property
    def _test(self) -> Tensor:
        return self.dataset.split("test").data

    @cached_property
    def _order(self) -> Tensor:
        """The canonical order, so that test images form the same pairs here as in an evaluation."""
        return canonical_order(self._test)

    def _cached(self, part: str, kinds: Sequence[str], names: Sequence[str], measure: Callable[[], Parts]) -> Parts:
        identity = {
            "version": VERSION, "part": part, "data": self.dataset.digest(),
            "weights": [self.extractor(kind).weights_hash for kind in kinds],
        }  # fmt: skip
        return cached(f"{self.dataset.name}-{part}-{'-'.join(kinds)}", identity, names, measure)


def _see(extractor: Extractor, images: Tensor) -> Parts:
    """Return features and predicted classes of images. The classes are empty if the extractor has none."""
    view = extractor(images)
    has_classes = view.predicted is not None or view.logits is not None
    return {"features": view.features, "predicted": view.predictions if has_classes else torch.zeros(0, dtype=torch.int64)}
