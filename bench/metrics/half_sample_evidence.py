"""The evidence of a half-sample, for standard errors."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from bench.metrics.companions import Companion
from bench.metrics.evidence import Evidence, RowFunction
from bench.metrics.extractors import Features
from bench.metrics.half_samples import HALF_SAMPLES, draw_half_samples, rows_of
from bench.metrics.neighbours import Neighbours


def add_half_samples(evidence: Evidence, count: int = HALF_SAMPLES) -> None:
    """Add half-samples to evidence. Set `half_samples` to () at the end: their reference cycles keep the evidence in memory."""
    pairs = draw_half_samples(len(evidence.data), count)
    evidence.half_samples = [HalfSample(evidence, index, chosen) for index, chosen in enumerate(pairs)]


class HalfSample(Evidence):
    """Half of the generated examples. Its parts are slices of the full evidence, which avoids a second computation.

    A half-sample consists of complete pairs of adjacent rows, so values of pairs remain valid.
    """

    _logs = False  # twenty log lines would hide others, and a failure of a half-sample loses only a standard error

    def __init__(self, whole: Evidence, index: int, pairs: Tensor) -> None:
        self._rows, self._index, self._chosen, self._whole = rows_of(pairs), index, pairs, whole
        asked = None if whole._asked is None else whole._asked[self.rows]
        super().__init__(whole.data[:0], whole.real, asked=asked, companions=whole._companions)

    @property
    def rows(self) -> Tensor:
        """Rows of this half among all examples."""
        return self._rows

    @property
    def data(self) -> Tensor:
        """The examples of this half. They are not cached, so half-samples take no memory."""
        return self._whole.data[self.rows]

    def companion(self, name: Companion) -> Tensor:
        """Return a slice of a companion. It is not cached."""
        return self._whole.companion(name)[self.rows]

    @cached_property
    def identity_distances(self) -> Tensor:
        """Distances of a random half of the translated examples of the target side."""
        distances = self._whole.identity_distances
        return distances[draw_half_samples(2 * len(distances), self._index + 1)[self._index]]

    def per_row(self, function: RowFunction) -> Tensor:
        """Return a slice of the full evidence's rows. It is not cached."""
        return self._whole.per_row(function)[self.rows]

    def features_of(self, kind: str) -> Features:
        """Return a slice of the full evidence's features. It is not cached."""
        return self._whole.features_of(kind).part(self.rows)

    def kernel_distance(self, kind: str) -> float:
        """Return the kernel distance over all pairs. Its mean is that over random subsets. One pass serves all half-samples."""
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
        """Slice of the full evidence."""
        return self._whole.clipped_balls[self.rows]

    @property
    def filled(self) -> Tensor:
        """Number of images of this half that the neighbourhood of each real image contains, [N]."""
        return self._whole._overlap.filled[1 + self._index]

    @property
    def compared(self) -> Tensor:
        """Rows of this half that the full evidence compares. They are compared with the same real images."""
        return (self.rows < len(self._whole.compared)).nonzero()[:, 0]

    @property
    def to_real(self) -> Tensor:
        """Slice of the full evidence."""
        return self._whole.to_real[self.rows[self.compared]]

    @property
    def recognised_real(self) -> Tensor:
        """For each compared real image, 1 if another real image is nearer than all compared images of this half, 1/2 for a tie, else 0."""
        return 1 - self._whole._overlap.closer[1 + self._index, self.real.compared(len(self._whole.data)).rows]

    @property
    def cas(self) -> float:
        """Metric without a value for a half-sample, because each half-sample would need a training. Raises ValueError."""
        raise ValueError("CAS has no standard error, because each half-sample would train a classifier")

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
        """Slice of the full evidence. It is not cached."""
        return self._whole.spectra[self.rows]

    @cached_property
    def path_lengths(self) -> Tensor | None:
        """Lengths of a random half of the paths."""
        lengths = self._whole.path_lengths
        return None if lengths is None else lengths[draw_half_samples(2 * len(lengths), self._index + 1)[self._index]]
