"""The evidence that metrics compute from, and how a metric is registered: a card, and a function from the evidence to a number.

    @metric(Card(key="quality/brightness", title="brightness", direction="none", meaning="Mean grey level."))
    def brightness(evidence: Evidence) -> float:
        return float(evidence.images.float().mean())

in a module that an installed catalogue imports (`bench.core.registry`) adds a metric: every evaluation computes it, after the
built-in ones, and it is tracked, hashed into the protocol and reported like them. A run records the cards of such metrics
(`bench.metrics.cards.recorded`), so a report shows them where that catalogue is not installed.
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
from bench.metrics.extractors import CLASSIFIER, INCEPTION, PIXELS, Features
from bench.metrics.fidelity import kernel_distance, kernel_distances
from bench.metrics.half_samples import draw_half_samples, rows_of
from bench.metrics.ndb import assign
from bench.metrics.neighbours import K, Neighbours, Overlap, find_neighbours, nearest_to, overlap
from bench.metrics.real_statistics import RealSide
from bench.metrics.two_sample import recognised

log = logging.getLogger(__name__)

NO_REASON = "it is {value}, and the metric does not say why"


class Evidence:
    """A set of generated examples and what metrics share about it. Each part is computed once, at its first use."""

    _logs = True  # whether it logs failures

    def __init__(
        self, data: Tensor, real: RealSide, *, walks: Tensor | None = None, asked: Tensor | None = None, half_samples: int = 0
    ) -> None:  # fmt: skip
        self._data = data
        self._asked = asked
        self.real = real  # the real examples
        self.dataset = real.dataset
        self.reasons: dict[str, str] = {}  # why a metric is not-a-number
        self.raised: list[str] = []  # metrics whose code failed
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
        """[n], int64: the class that each image was generated for."""
        if self._asked is None:
            raise ValueError("these images were generated without labels")
        return self._asked

    @cached_property
    def half_samples(self) -> list[HalfSample]:
        """The half-samples whose spread gives standard errors."""
        return [HalfSample(self, index, pairs) for index, pairs in enumerate(self._pairs)]

    def release_half_samples(self) -> None:
        """Drop the half-samples, since reference cycles would keep this evidence in memory."""
        self.__dict__.pop("half_samples", None)

    @cached_property
    def classifier(self) -> Features:
        """The features and classes of the generated images by the classifier."""
        return self.real.extractor(CLASSIFIER)(self.data)

    @cached_property
    def pixels(self) -> Features:
        """Their principal components, those of the training images' pixels."""
        return self.real.extractor(PIXELS)(self.data)

    @cached_property
    def inception(self) -> Features:
        """Their Inception-v3 features and logits."""
        return self.real.extractor(INCEPTION)(self.data)

    def features_of(self, kind: str) -> Features:
        """The features of the generated images by the extractor of a kind."""
        return {CLASSIFIER: lambda: self.classifier, PIXELS: lambda: self.pixels, INCEPTION: lambda: self.inception}[kind]()

    def kernel_distance(self, kind: str) -> float:
        """The kernel distance to the real images in the features of a kind."""
        return kernel_distance(self.features_of(kind).features, self.real.features_of(kind).features)

    def _kernel_distances(self, kind: str) -> Tensor:
        """[H]: the same of every half-sample, from one pass over all pairs."""
        if kind not in self._kernels:
            members = torch.zeros(len(self._pairs), len(self.data), dtype=torch.bool)
            for index, half in enumerate(self.half_samples):
                members[index, half.rows] = True
            self._kernels[kind] = kernel_distances(self.features_of(kind).features, self.real.features_of(kind).features, members)
        return self._kernels[kind]

    @property
    def main(self) -> Features:
        """The features in which neighbours are searched: the classifier's, else those of pixels."""
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
        """[n], bool: whether a generated image lies in the real manifold (k = 3)."""
        return self._overlap.inside

    @property
    def balls(self) -> Tensor:
        """[n], int64: in how many real neighbourhoods (k = 5) a generated image lies."""
        return self._overlap.balls

    @property
    def reached(self) -> Tensor:
        """[N], bool: whether a real image lies in the generated manifold (k = 3)."""
        return self._overlap.reached[0]

    @property
    def clipped_balls(self) -> Tensor:
        """[n], int64: in how many clipped real neighbourhoods (k = 5, at most the median radius) a generated image lies."""
        return self._overlap.clipped_balls

    @property
    def filled(self) -> Tensor:
        """[N]: how many generated images a real image's neighbourhood (k = 5) holds."""
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
        """([n] distance, [n] index) of the nearest training image, in features."""
        return nearest_to(self.main.features, self.real.training.features)

    @cached_property
    def bins(self) -> Tensor:
        """[n], int64: the bin of each generated image."""
        return assign(self.pixels.features, self.real.bins.centres)

    @cached_property
    def pair_distances(self) -> Tensor:
        """[n / 2]: the distance of each pair of neighbouring rows, in grey levels."""
        return diversity.pair_distances(self.data)

    @cached_property
    def pair_similarities(self) -> Tensor:
        """[n / 2]: the structural similarity of the same pairs."""
        return ms_ssim.ms_ssim_2(self.data)

    @cached_property
    def path_lengths(self) -> Tensor | None:
        """[W]: the length in feature space of paths between random latents; None without a generator."""
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
        """The share of each class among the generated images, as the classifier predicts it."""
        return modes.class_shares(self.classifier.predictions, self.dataset.spec.classes)

    @cached_property
    def found(self) -> modes.Found:
        """The known modes that samples fall in, and their shares."""
        if isinstance(self.dataset, Mixture):
            return modes.mixture_modes(self.points, self.dataset.centres, self.dataset.sd)
        return modes.stacked_modes(self.classifier.predictions, len(self.real.mode_shares))

    def value(self, key: str) -> float:
        """A registered metric of these images, computed once. A failure gives not-a-number and a reason, and is logged.

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
        """The standard error of a metric: its standard deviation over half-samples. Not-a-number where the metric is."""
        if not math.isfinite(self.value(key)):
            return math.nan
        values = torch.tensor([half.value(key) for half in self.half_samples], dtype=torch.float64)
        return float(values.std()) if len(values) > 1 else math.nan

    def unknown(self, reason: str) -> float:
        """Record why the current metric cannot be determined, and return not-a-number: `return evidence.unknown("...")`."""
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
        except (Exception, SystemExit) as error:  # a user's metric may raise anything, and must not lose the training
            if _no_memory(error):
                raise MemoryError(f"the metric {key}: {one_line(error)}") from error
            return self._failed(key, error)
        if not math.isfinite(value) and key not in self.reasons:
            return self.unknown(NO_REASON.format(value=value))
        return value

    def _failed(self, key: str, error: BaseException) -> float:
        if self._logs and key not in self.real.reported:
            self.real.reported.add(key)  # once: it fails alike at every mark
            log.exception("the metric %s failed", key)
        self.raised.append(key)
        return self.unknown(f"{type(error).__name__}: {one_line(error)}")


def _no_memory(error: BaseException) -> bool:
    """Whether torch is out of memory; on the CPU that has no exception class of its own."""
    return isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


MetricFunction = Callable[[Evidence], float]
METRICS: dict[str, MetricFunction] = {}


def metric(card: Card) -> Callable[[MetricFunction], MetricFunction]:
    """Register a function as the metric of a card, and the card with it. A second function for one card raises."""

    def register(function: MetricFunction) -> MetricFunction:
        """Register the function and return it."""
        if METRICS.get(card.key, function) is not function:
            raise UserError(f"there are two functions for the metric {card.key!r}")
        register_card(card)
        if card.key not in measured():
            raise UserError(f"{card.key!r}: no evaluation gives metrics of the group {card.group!r}")
        METRICS[card.key] = function
        return function

    return register


def metric_keys() -> list[str]:
    """The metrics that have a function here, in the order of their cards."""
    return [key for key in measured() if key in METRICS]


class HalfSample(Evidence):
    """Half of the generated examples. Its parts are slices of those of the whole evidence and not computed again.

    It consists of whole pairs of neighbouring rows, so the values of pairs are valid here, too.
    """

    _logs = False  # twenty log lines would hide the others; a failure here costs only a standard error

    def __init__(self, whole: Evidence, index: int, pairs: Tensor) -> None:
        self.rows, self._index, self._chosen, self._whole = rows_of(pairs), index, pairs, whole
        super().__init__(whole.data[:0], whole.real, asked=None if whole._asked is None else whole._asked[self.rows])

    @property
    def data(self) -> Tensor:
        """The examples of this half; not cached, so half-samples take no memory."""
        return self._whole.data[self.rows]

    @property
    def classifier(self) -> Features:
        """Slice of the whole; not cached either."""
        return self._whole.classifier.part(self.rows)

    @property
    def pixels(self) -> Features:
        """Slice of the whole; not cached either."""
        return self._whole.pixels.part(self.rows)

    @property
    def inception(self) -> Features:
        """Slice of the whole; not cached either."""
        return self._whole.inception.part(self.rows)

    def kernel_distance(self, kind: str) -> float:
        """From all pairs instead of random subsets: the same mean, in one pass for all half-samples."""
        return float(self._whole._kernel_distances(kind)[self._index])

    @cached_property
    def neighbours(self) -> Neighbours:
        """Neighbours within this half."""
        return self._whole.neighbours.among(self.rows)

    @property
    def inside(self) -> Tensor:
        """Slice of the whole: real manifolds do not depend on the other generated images."""
        return self._whole.inside[self.rows]

    @property
    def balls(self) -> Tensor:
        """As in the whole."""
        return self._whole.balls[self.rows]

    @property
    def reached(self) -> Tensor:
        """By the manifold of this half."""
        return self._whole._overlap.reached[1 + self._index]

    @property
    def clipped_balls(self) -> Tensor:
        """As in the whole."""
        return self._whole.clipped_balls[self.rows]

    @property
    def filled(self) -> Tensor:
        """By this half."""
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
        """As in the whole."""
        distance, index = self._whole.to_training
        return distance[self.rows], index[self.rows]

    @cached_property
    def bins(self) -> Tensor:
        """As in the whole."""
        return self._whole.bins[self.rows]

    @cached_property
    def pair_distances(self) -> Tensor:
        """Of the pairs of this half."""
        return self._whole.pair_distances[self._chosen]

    @cached_property
    def pair_similarities(self) -> Tensor:
        """Of the pairs of this half."""
        return self._whole.pair_similarities[self._chosen]

    @property
    def spectra(self) -> Tensor:
        """Slice of the whole; not cached either."""
        return self._whole.spectra[self.rows]

    @cached_property
    def path_lengths(self) -> Tensor | None:
        """Of half of the paths."""
        lengths = self._whole.path_lengths
        return None if lengths is None else lengths[draw_half_samples(2 * len(lengths), self._index + 1)[self._index]]
