"""The evidence of a half-sample, for standard errors."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from bench.metrics.evidence import Evidence
from bench.metrics.extractors import Features
from bench.metrics.half_samples import draw_half_samples, rows_of
from bench.metrics.neighbours import Neighbours


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
    def covered(self) -> Tensor:
        """By this half."""
        return self._whole._overlap.covered[1 + self._index]

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

    @cached_property
    def path_lengths(self) -> Tensor | None:
        """Of half of the paths."""
        lengths = self._whole.path_lengths
        return None if lengths is None else lengths[draw_half_samples(2 * len(lengths), self._index + 1)[self._index]]
