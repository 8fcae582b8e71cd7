"""The evidence that metrics compute from. A metric is a card and a function that computes a value from the evidence.

    @metric(Card(key="quality/brightness", title="brightness", direction="none", meaning="Mean grey level."))
    def brightness(evidence: Evidence) -> float:
        return float(evidence.images.float().mean())

This code, in a module that an installed catalogue imports (`bench.core.registry`), adds a metric. Every evaluation computes it after
the built-in ones. Tracking, evaluation protocol and reports treat it like a built-in metric. A run records the cards of such metrics
(`bench.metrics.columns.recorded`), so a report shows them even if that catalogue is not installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from bench.core.errors import UserError
from bench.core.spec import Mixture
from bench.metrics import diversity, modes, ms_ssim, spectrum
from bench.metrics.cas import classification_accuracy_score
from bench.metrics.columns import Card, measured, register_card
from bench.metrics.companions import CompanionRows, Companions
from bench.metrics.extractors import CLASSIFIER, INCEPTION, PIXELS, Features
from bench.metrics.fidelity import kernel_distance, kernel_distances
from bench.metrics.metric_values import MetricValues
from bench.metrics.ndb import assign
from bench.metrics.neighbours import K, Neighbours, Overlap, find_neighbours, nearest_to, overlap
from bench.metrics.real_statistics import RealSide
from bench.metrics.two_sample import recognised


class HalfEvidence(Protocol):
    """Interface of the evidence of a half-sample."""

    @property
    def rows(self) -> Tensor:
        """Rows of the half-sample among all examples, [n / 2] int64."""
        ...

    @property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each image within the half-sample."""
        ...

    def value(self, key: str) -> float:
        """Return the value of a registered metric."""
        ...


class Evidence(MetricValues, CompanionRows):
    """Generated examples, with the features and statistics that metrics share. Each part is computed once, at its first use.

    Outputs of a translation also have `companions`, in the order of the outputs (`Companions.ordered`). The evaluator passes them.
    """

    half_samples: Sequence[HalfEvidence] = ()  # for standard errors. `half_sample_evidence.add_half_samples` sets them

    def __init__(
        self, data: Tensor, real: RealSide, *, walks: Tensor | None = None, asked: Tensor | None = None,
        companions: Companions | None = None,
    ) -> None:  # fmt: skip
        super().__init__(real.reported)
        self._data = data
        self._asked = asked
        self._companions = companions or Companions()
        self.real = real  # the real examples
        self.dataset = real.dataset
        self._walks = walks  # uint8 [W, S, C, H, W]: the images on paths between latents
        self._kernels: dict[str, Tensor] = {}
        self._features: dict[str, Features] = {}
        self._per_row: dict[RowFunction, Tensor] = {}

    @property
    def data(self) -> Tensor:
        """Images uint8 [n, C, H, W], or points float32 [n, D], in a random order."""
        return self._data

    @property
    def images(self) -> Tensor:
        """The generated images, uint8 [n, C, H, W]."""
        return self.data

    @property
    def points(self) -> Tensor:
        """The generated points, float32 [n, D]."""
        return self.data

    @property
    def asked(self) -> Tensor:
        """Label of each image, [n] int64. Raises ValueError for an unconditional model."""
        if self._asked is None:
            raise ValueError("these images have no labels")
        return self._asked

    def per_row(self, function: RowFunction) -> Tensor:
        """Return function(evidence) [n, ...], which has one row for each output, computed once. A half-sample gets its rows of it.

        `function` is a function of a module, not a lambda or an inner function, because it is also the key of the cached value.
        """
        if function not in self._per_row:
            self._per_row[function] = function(self)
        return self._per_row[function]

    def compute(self, key: str) -> float:
        """Call the function of a registered metric."""
        return METRICS[key](self)

    def standard_error(self, key: str) -> float:
        """Return the standard error of a metric: its standard deviation over half-samples. NaN if the metric is NaN."""
        if not math.isfinite(self.value(key)):
            return math.nan
        values = torch.tensor([half.value(key) for half in self.half_samples], dtype=torch.float64)
        return float(values.std()) if len(values) > 1 else math.nan

    def features_of(self, kind: str) -> Features:
        """Return the features of the generated images by the extractor of a kind."""
        if kind not in self._features:
            self._features[kind] = self.real.extractor(kind)(self.data)
        return self._features[kind]

    @property
    def classifier(self) -> Features:
        """The features and classes of the generated images by the classifier."""
        return self.features_of(CLASSIFIER)

    @property
    def pixels(self) -> Features:
        """The generated images in principal components of the training images' pixels."""
        return self.features_of(PIXELS)

    @property
    def inception(self) -> Features:
        """The Inception-v3 features and logits of the generated images."""
        return self.features_of(INCEPTION)

    def kernel_distance(self, kind: str) -> float:
        """Return the kernel distance to the real images in the features of a kind."""
        real_pairs = self.real.kernel_pairs(kind, len(self.data))
        return kernel_distance(self.features_of(kind).features, self.real.features_of(kind).features, real_pairs)

    def _kernel_distances(self, kind: str) -> Tensor:
        """Return the kernel distance of every half-sample [H], from one pass over all pairs."""
        if kind not in self._kernels:
            members = torch.zeros(len(self.half_samples), len(self.data), dtype=torch.bool)
            for index, half in enumerate(self.half_samples):
                members[index, half.rows] = True
            self._kernels[kind] = kernel_distances(self.features_of(kind).features, self.real.features_of(kind).features, members)
        return self._kernels[kind]

    @property
    def main(self) -> Features:
        """The features for the search of neighbours: those of the classifier, else those of pixels."""
        return self.features_of(self.real.main)

    @cached_property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each generated image among the others."""
        return find_neighbours(self.main.features)

    @cached_property
    def _overlap(self) -> Overlap:
        inside = torch.zeros(len(self.half_samples), len(self.data), dtype=torch.bool)
        radius = torch.zeros(inside.shape, dtype=self.main.features.dtype)
        for index, half in enumerate(self.half_samples):
            inside[index, half.rows] = True
            radius[index, half.rows] = half.neighbours.radius(K)
        return overlap(self.real.neighbours, self.neighbours, inside, radius, nearest=self.real.compared(len(self.data)).nearest)

    @property
    def inside(self) -> Tensor:
        """Mask [n] of generated images in the real manifold (k = 3)."""
        return self._overlap.inside

    @property
    def balls(self) -> Tensor:
        """Number of real neighbourhoods (k = 5) that contain each generated image, [n] int64."""
        return self._overlap.balls

    @property
    def reached(self) -> Tensor:
        """Mask [N] of real images in the generated manifold (k = 3)."""
        return self._overlap.reached[0]

    @property
    def clipped_balls(self) -> Tensor:
        """Number of clipped real neighbourhoods (k = 5, radius at most the median) that contain each generated image, [n] int64."""
        return self._overlap.clipped_balls

    @property
    def filled(self) -> Tensor:
        """Number of generated images that the neighbourhood (k = 5) of each real image contains, [N]."""
        return self._overlap.filled[0]

    @property
    def compared(self) -> Tensor:
        """Rows of the images in the two-sample test, at most as many as real images: [m] int64."""
        return torch.arange(len(self.real.compared(len(self.data)).rows))

    @cached_property
    def to_real(self) -> Tensor:
        """Distance of each compared generated image to the nearest compared real image, in features: [m]."""
        real = self.real.features_of(self.real.main).features[self.real.compared(len(self.data)).rows]
        return nearest_to(self.main.features[self.compared], real)[0]

    @property
    def recognised_generated(self) -> Tensor:
        """For each compared image, 1 if another generated image is nearer than all compared real ones, 1/2 for a tie, else 0: [m]."""
        own = self.neighbours if len(self.compared) == len(self.data) else self.neighbours.among(self.compared)
        return recognised(own.nearest, self.to_real)

    @property
    def recognised_real(self) -> Tensor:
        """For each compared real image, 1 if another real image is nearer than all compared generated ones, 1/2 for a tie, else 0: [m]."""
        return 1 - self._overlap.closer[0, self.real.compared(len(self.data)).rows]

    @cached_property
    def to_training(self) -> tuple[Tensor, Tensor]:
        """Distance [n] and index [n] of the nearest training image, in features."""
        return nearest_to(self.main.features, self.real.training.features)

    @cached_property
    def bins(self) -> Tensor:
        """Bin of each generated image, [n] int64."""
        return assign(self.pixels.features, self.real.bins.centres)

    @cached_property
    def pair_distances(self) -> Tensor:
        """Distance of each pair of adjacent rows, in grey levels: [n / 2]."""
        return diversity.pair_distances(self.data)

    @cached_property
    def pair_similarities(self) -> Tensor:
        """Structural similarity of each pair of adjacent rows: [n / 2]."""
        return ms_ssim.ms_ssim_2(self.data)

    @cached_property
    def path_lengths(self) -> Tensor | None:
        """Lengths [W] of paths between random latents, in feature space. None if the images have no generator."""
        if self._walks is None:
            return None
        steps = self._walks.shape[1]
        features = self.real.extractor(self.real.main)(self._walks.flatten(0, 1)).features
        return diversity.path_lengths(features.reshape(-1, steps, features.shape[1]))

    @cached_property
    def spectra(self) -> Tensor:
        """Power of each image at each radial frequency, in grey levels squared: [n, R]."""
        return spectrum.spectra(self.data)

    @property
    def spectrum_ratios(self) -> Tensor:
        """Logarithm of the mean power, divided by that of the test images: [R]."""
        return spectrum.log_ratios(self.spectra.double().mean(dim=0), self.real.spectrum)

    @cached_property
    def shares(self) -> modes.Shares:
        """The share of each class that the classifier predicts for the generated images."""
        return modes.class_shares(self.classifier.predictions, self.dataset.spec.classes)

    @cached_property
    def class_diversity(self) -> Tensor:
        """Vendi score of each predicted class, in pixel features, as a share of that of real images, at most 1: [classes]."""
        return diversity.vendi_shares(
            diversity.class_vendi_scores(self.pixels.features, self.classifier.predictions), self.real.class_vendi
        )

    @cached_property
    def cas(self) -> float:
        """Accuracy, on the test images, of a classifier trained on the generated images. Raises ValueError for an unconditional model."""
        return classification_accuracy_score(self.images, self.asked, self.dataset)

    @cached_property
    def found(self) -> modes.Found:
        """The known modes that contain a sample, and their shares."""
        if isinstance(self.dataset, Mixture):
            return modes.mixture_modes(self.points, self.dataset.centres, self.dataset.sd)
        return modes.stacked_modes(self.classifier.predictions, len(self.real.mode_shares))


MetricFunction = Callable[[Evidence], float]
RowFunction = Callable[[Evidence], Tensor]
METRICS: dict[str, MetricFunction] = {}


def metric(card: Card) -> Callable[[MetricFunction], MetricFunction]:
    """Return a decorator that registers a card and its function. Raises UserError for a second function of a card."""

    def register(function: MetricFunction) -> MetricFunction:
        """Register the function and return it."""
        if METRICS.get(card.key, function) is not function:
            raise UserError(f"there are two functions for the metric {card.key!r}: rename one of them")
        register_card(card)
        if card.key not in measured():
            raise UserError(f"{card.key!r}: no evaluation gives metrics of the group {card.group!r}: choose another group")
        METRICS[card.key] = function
        return function

    return register


def metric_keys() -> list[str]:
    """Return the metrics that have a function in this process, in the order of their cards."""
    return [key for key in measured() if key in METRICS]
