"""The evidence that metrics compute from. A metric is a card and a function that computes a value from the evidence.

    @metric(Card(key="quality/brightness", title="brightness", direction="none", meaning="Mean grey level."))
    def brightness(evidence: Evidence) -> float:
        return float(evidence.images.float().mean())

This code, in a module that an installed catalogue imports (`bench.core.registry`), adds a metric. Every evaluation computes it after
the built-in ones. Tracking, evaluation protocol and reports treat it like these. A run records the cards of such metrics
(`bench.metrics.cards.recorded`), so a report shows them even if that catalogue is not installed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from bench.core.errors import UserError, one_line
from bench.core.spec import Mixture
from bench.metrics import diversity, modes, ms_ssim, spectrum
from bench.metrics.cards import BUILT_IN, Card, measured, register_card
from bench.metrics.extractors import CLASSIFIER, INCEPTION, PHOTO, PIXELS, Features
from bench.metrics.fidelity import kernel_distance, kernel_distances
from bench.metrics.half_samples import draw_half_samples, rows_of
from bench.metrics.ndb import assign
from bench.metrics.neighbours import K, Neighbours, Overlap, find_neighbours, nearest_to, overlap
from bench.metrics.real_statistics import RealSide
from bench.metrics.two_sample import recognised

log = logging.getLogger(__name__)

NO_REASON = "the value is {value}, and the metric does not say why"


class Evidence:
    """Generated examples, with the features and statistics that metrics share. Each part is computed once, at its first use."""

    _logs = True  # False: do not log failures

    def __init__(
        self, data: Tensor, real: RealSide, *, walks: Tensor | None = None, asked: Tensor | None = None, half_samples: int = 0
    ) -> None:  # fmt: skip
        self._data = data
        self._asked = asked
        self.real = real  # the real examples
        self.dataset = real.dataset
        self.reasons: dict[str, str] = {}  # the reason for each metric that is NaN
        self.raised: list[str] = []  # metrics whose code raised an error
        self._walks = walks  # uint8 [W, S, C, H, W]: the images on paths between latents
        self._pairs = draw_half_samples(len(data), half_samples)  # [halves, pairs]
        self._kernels: dict[str, Tensor] = {}
        self._values: dict[str, float] = {}
        self._computing: list[str] = []

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

    @cached_property
    def half_samples(self) -> list[HalfSample]:
        """The half-samples whose spread gives standard errors."""
        return [HalfSample(self, index, pairs) for index, pairs in enumerate(self._pairs)]

    def release_half_samples(self) -> None:
        """Delete the half-samples, whose reference cycles would keep this evidence in memory."""
        self.__dict__.pop("half_samples", None)

    @cached_property
    def classifier(self) -> Features:
        """The features and classes of the generated images by the classifier."""
        return self.real.extractor(CLASSIFIER)(self.data)

    @cached_property
    def pixels(self) -> Features:
        """The generated images in principal components of the training images' pixels."""
        return self.real.extractor(PIXELS)(self.data)

    @cached_property
    def inception(self) -> Features:
        """The Inception-v3 features and logits of the generated images."""
        return self.real.extractor(INCEPTION)(self.data)

    @cached_property
    def photo(self) -> Features:
        """Their EfficientNet-Lite0 features."""
        return self.real.extractor(PHOTO)(self.data)

    def features_of(self, kind: str) -> Features:
        """Return the features of the generated images by the extractor of a kind."""
        found: Features = getattr(self, kind)  # each kind is a property of that name
        return found

    def kernel_distance(self, kind: str) -> float:
        """Return the kernel distance to the real images in the features of a kind."""
        return kernel_distance(self.features_of(kind).features, self.real.features_of(kind).features)

    def _kernel_distances(self, kind: str) -> Tensor:
        """Return the kernel distance of every half-sample [H], from one pass over all pairs."""
        if kind not in self._kernels:
            members = torch.zeros(len(self._pairs), len(self.data), dtype=torch.bool)
            for index, half in enumerate(self.half_samples):
                members[index, half.rows] = True
            self._kernels[kind] = kernel_distances(self.features_of(kind).features, self.real.features_of(kind).features, members)
        return self._kernels[kind]

    @property
    def main(self) -> Features:
        """The features for the search of neighbours: those of the classifier, else those of pixels."""
        return self.classifier if self.real.main == CLASSIFIER else self.pixels

    @cached_property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each generated image among the others."""
        return find_neighbours(self.main.features)

    @cached_property
    def _overlap(self) -> Overlap:
        inside = torch.zeros(len(self._pairs), len(self.data), dtype=torch.bool)
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
        """[m], int64: the images of the two-sample test, at most as many as there are real ones."""
        return torch.arange(len(self.real.compared(len(self.data)).rows))

    @cached_property
    def to_real(self) -> Tensor:
        """[m]: the distance of each of them to the nearest compared real image, in features."""
        real = self.real.features_of(self.real.main).features[self.real.compared(len(self.data)).rows]
        return nearest_to(self.main.features[self.compared], real)[0]

    @property
    def recognised_generated(self) -> Tensor:
        """[m]: 1 where a compared generated image is nearer to another one than to any compared real one, 1/2 for a tie, else 0."""
        own = self.neighbours if len(self.compared) == len(self.data) else self.neighbours.among(self.compared)
        return recognised(own.nearest, self.to_real)

    @property
    def recognised_real(self) -> Tensor:
        """[m]: the same of real images, with the sides exchanged."""
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
        """Distance of each pair of neighbouring rows, in grey levels: [n / 2]."""
        return diversity.pair_distances(self.data)

    @cached_property
    def pair_similarities(self) -> Tensor:
        """Structural similarity of each pair of neighbouring rows: [n / 2]."""
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
        """[n, R]: the power of each image at each radial frequency, in grey levels squared."""
        return spectrum.spectra(self.data)

    @property
    def spectrum_ratios(self) -> Tensor:
        """[R]: the logarithm of their mean power by that of the test images."""
        return spectrum.log_ratios(self.spectra.double().mean(dim=0), self.real.spectrum)

    @cached_property
    def shares(self) -> modes.Shares:
        """The share of each class that the classifier predicts for the generated images."""
        return modes.class_shares(self.classifier.predictions, self.dataset.spec.classes)

    @cached_property
    def found(self) -> modes.Found:
        """The known modes that contain a sample, and their shares."""
        if isinstance(self.dataset, Mixture):
            return modes.mixture_modes(self.points, self.dataset.centres, self.dataset.sd)
        return modes.stacked_modes(self.classifier.predictions, len(self.real.mode_shares))

    def value(self, key: str) -> float:
        """Return the value of a registered metric, computed once. If the metric fails, log and record the reason and return NaN.

        Raises MemoryError, which is not a failure of the metric.
        """
        if key not in self._values:
            if key in self._computing:
                raise RecursionError(f"{' -> '.join([*self._computing, key])}: these metrics depend on each other")
            self._computing.append(key)
            try:
                self._values[key] = self._computed(key)
            finally:
                self._computing.pop()
        return self._values[key]

    def is_known(self, key: str) -> bool:
        """Whether a metric was computed before, and is finite."""
        return math.isfinite(self._values.get(key, math.nan))

    def standard_error(self, key: str) -> float:
        """Return the standard error of a metric: its standard deviation over half-samples. NaN if the metric is NaN."""
        if not math.isfinite(self.value(key)):
            return math.nan
        values = torch.tensor([half.value(key) for half in self.half_samples], dtype=torch.float64)
        return float(values.std()) if len(values) > 1 else math.nan

    def unknown(self, reason: str) -> float:
        """Record why the current metric has no value, and return NaN: `return evidence.unknown("...")`."""
        self.reasons[self._computing[-1]] = one_line(reason)
        return math.nan

    def _computed(self, key: str) -> float:
        try:
            value = float(METRICS[key](self))
        except MemoryError:
            raise
        except ValueError as error:
            if key not in BUILT_IN:
                return self._failed(key, error)
            if self._logs:
                log.warning("%s cannot be determined: %s", key, one_line(error))
            return self.unknown(str(error))
        except (Exception, SystemExit) as error:  # a user's metric may raise anything, which must not fail the run
            if _no_memory(error):
                raise MemoryError(f"the metric {key}: {one_line(error)}") from error
            return self._failed(key, error)
        if not math.isfinite(value) and key not in self.reasons:
            return self.unknown(NO_REASON.format(value=value))
        return value

    def _failed(self, key: str, error: BaseException) -> float:
        if self._logs and key not in self.real.reported:
            self.real.reported.add(key)  # once: it fails in the same way at every evaluation point
            log.exception("the metric %s failed", key)
        self.raised.append(key)
        return self.unknown(f"{type(error).__name__}: {one_line(error)}")


def _no_memory(error: BaseException) -> bool:
    """Return whether torch is out of memory. On the CPU, torch has no exception class for this."""
    return isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


MetricFunction = Callable[[Evidence], float]
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


class HalfSample(Evidence):
    """Half of the generated examples. Its parts are slices of the full evidence, which avoids a second computation.

    A half-sample consists of complete pairs of neighbouring rows, so values of pairs remain valid.
    """

    _logs = False  # twenty log lines would hide others, and a failure of a half-sample loses only a standard error

    def __init__(self, whole: Evidence, index: int, pairs: Tensor) -> None:
        self.rows, self._index, self._chosen, self._whole = rows_of(pairs), index, pairs, whole
        super().__init__(whole.data[:0], whole.real, asked=None if whole._asked is None else whole._asked[self.rows])

    @property
    def data(self) -> Tensor:
        """The examples of this half. They are not cached, so half-samples take no memory."""
        return self._whole.data[self.rows]

    @property
    def classifier(self) -> Features:
        """Slice of the full evidence's classifier features. It is not cached."""
        return self._whole.classifier.part(self.rows)

    @property
    def pixels(self) -> Features:
        """Slice of the full evidence's principal components. It is not cached."""
        return self._whole.pixels.part(self.rows)

    @property
    def inception(self) -> Features:
        """Slice of the full evidence's Inception features. It is not cached."""
        return self._whole.inception.part(self.rows)

    @property
    def photo(self) -> Features:
        """Slice of the whole; not cached either."""
        return self._whole.photo.part(self.rows)

    def kernel_distance(self, kind: str) -> float:
        """Return the kernel distance over all pairs. It has the same mean as over random subsets, and one pass serves all half-samples."""
        return float(self._whole._kernel_distances(kind)[self._index])

    @cached_property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each image within this half."""
        return self._whole.neighbours.among(self.rows)

    @property
    def inside(self) -> Tensor:
        """Slice of the full evidence, since real manifolds do not depend on other generated images."""
        return self._whole.inside[self.rows]

    @property
    def balls(self) -> Tensor:
        """Slice of the full evidence."""
        return self._whole.balls[self.rows]

    @property
    def reached(self) -> Tensor:
        """Mask [N] of real images in the manifold of this half."""
        return self._whole._overlap.reached[1 + self._index]

    @property
    def clipped_balls(self) -> Tensor:
        """Slice of the full evidence's clipped balls."""
        return self._whole.clipped_balls[self.rows]

    @property
    def filled(self) -> Tensor:
        """Number of images of this half that the neighbourhood of each real image contains, [N]."""
        return self._whole._overlap.filled[1 + self._index]

    @property
    def compared(self) -> Tensor:
        """Those of the whole that are in this half, as its rows. They are compared with all compared real images."""
        return (self.rows < len(self._whole.compared)).nonzero()[:, 0]

    @property
    def to_real(self) -> Tensor:
        """Slice of the whole."""
        return self._whole.to_real[self.rows[self.compared]]

    @property
    def recognised_real(self) -> Tensor:
        """By this half."""
        return 1 - self._whole._overlap.closer[1 + self._index, self.real.compared(len(self._whole.data)).rows]

    @cached_property
    def to_training(self) -> tuple[Tensor, Tensor]:
        """Slice of the full evidence."""
        distance, index = self._whole.to_training
        return distance[self.rows], index[self.rows]

    @cached_property
    def bins(self) -> Tensor:
        """Slice of the full evidence."""
        return self._whole.bins[self.rows]

    @cached_property
    def pair_distances(self) -> Tensor:
        """Distances of the pairs of this half."""
        return self._whole.pair_distances[self._chosen]

    @cached_property
    def pair_similarities(self) -> Tensor:
        """Similarities of the pairs of this half."""
        return self._whole.pair_similarities[self._chosen]

    @property
    def spectra(self) -> Tensor:
        """Slice of the whole; not cached either."""
        return self._whole.spectra[self.rows]

    @cached_property
    def path_lengths(self) -> Tensor | None:
        """Lengths of a random half of the paths."""
        lengths = self._whole.path_lengths
        return None if lengths is None else lengths[draw_half_samples(2 * len(lengths), self._index + 1)[self._index]]
