"""What a metric may look at, and how one is registered: a card, and a function from the evidence to a number.

    @metric(Card(key="quality/brightness", title="brightness", direction="none", meaning="Mean grey level."))
    def brightness(evidence: Evidence) -> float:
        return float(evidence.images.float().mean())

in a module that an installed catalogue imports (`bench.registry`) is all that a metric of one's own takes: every evaluation then
gives it, after the ones that were there, and it is tracked, hashed into the protocol and reported like them. A run carries the
cards of such metrics (`bench.carried`), so a report shows them where that catalogue is not installed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from bench.cards import Card, measured, register_card
from bench.errors import UserError, one_line
from bench.metrics import modes
from bench.metrics.extractors import Extractor, Features
from bench.metrics.neighbours import Neighbours, find_neighbours
from bench.metrics.reference import Reference
from bench.spec import Dataset

log = logging.getLogger(__name__)

UNSAID = "it is {value}, and the metric does not say why"


class Evidence:
    """One set of generated images and all that metrics share about it: each part is computed when first asked for, once."""

    def __init__(self, images: Tensor, dataset: Dataset, extractor: Extractor, real: Reference) -> None:
        self.images = images  # uint8 [n, C, H, W]
        self.dataset = dataset
        self.extractor = extractor
        self.real = real  # the test split, as the metrics see it
        self.reasons: dict[str, str] = {}  # why a metric is not-a-number
        self.raised: list[str] = []  # metrics whose code failed
        self._values: dict[str, float] = {}
        self._computing: list[str] = []

    @cached_property
    def seen(self) -> Features:
        """The generated images as the classifier sees them."""
        return self.extractor(self.images)

    @cached_property
    def generated(self) -> Neighbours:
        """The nearest neighbours of each generated image among the others."""
        return find_neighbours(self.seen.features)

    @cached_property
    def shares(self) -> modes.Shares:
        """The share of each class among the generated images, as the classifier predicts it."""
        return modes.class_shares(self.seen.predictions, self.real.classes)

    def value(self, key: str) -> float:
        """A registered metric of these images, computed once. One that fails is not-a-number with its reason, and that is logged.

        That there is no memory is no failure of the metric: it is raised.
        """
        if key not in self._values:
            if key in self._computing:
                raise RecursionError(f"{' -> '.join([*self._computing, key])}: metrics that wait for each other")
            self._computing.append(key)
            try:
                self._values[key] = self._computed(key)
            finally:
                self._computing.pop()
        return self._values[key]

    def unknown(self, reason: str) -> float:
        """Not-a-number, with the reason why the metric that is being computed cannot be determined: `return evidence.unknown(...)`."""
        self.reasons[self._computing[-1]] = one_line(reason)
        return math.nan

    def _computed(self, key: str) -> float:
        try:
            value = float(METRICS[key](self))
        except MemoryError:
            raise
        except Exception as error:  # a metric may be anybody's, and the training behind it must not be lost
            if _no_memory(error):
                raise MemoryError(f"the metric {key}: {one_line(error)}") from error
            log.exception("the metric %s failed", key)
            self.raised.append(key)
            return self.unknown(f"{type(error).__name__}: {one_line(error)}")
        if math.isnan(value) and key not in self.reasons:
            return self.unknown(UNSAID.format(value=value))
        return value


def _no_memory(error: Exception) -> bool:
    """Whether that is torch saying that there is no memory: on the CPU it has no class of its own."""
    return isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


MetricFunction = Callable[[Evidence], float]
METRICS: dict[str, MetricFunction] = {}


def metric(card: Card) -> Callable[[MetricFunction], MetricFunction]:
    """Register a function as the metric of a card, and the card with it. A second function for one card raises."""

    def register(function: MetricFunction) -> MetricFunction:
        if METRICS.get(card.key, function) is not function:
            raise UserError(f"there are two functions for the metric {card.key!r}")
        register_card(card)
        if card.key not in measured():
            raise UserError(f"{card.key!r}: the group {card.group!r} is for what no evaluation gives")
        METRICS[card.key] = function
        return function

    return register


def metric_keys() -> list[str]:
    """The metrics that have a function here, in the order of their cards."""
    return [key for key in measured() if key in METRICS]
