"""Canonical order, features once, every metric. Measuring is on the CPU in float32, whatever the run trained on."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.config import Evaluation, short_hash
from bench.core.errors import UserError, nearest, one_line
from bench.core.registry import load_catalogs
from bench.core.spec import Dataset, Mixture, Networks, Stacked
from bench.evaluation.sampling import WALK_PAIRS, WALKS, asked_labels, sample, sample_walks
from bench.metrics import definitions  # noqa: F401 (registers the metrics)
from bench.metrics.cards import SE, card, headline_among
from bench.metrics.evidence import Evidence, metric_keys
from bench.metrics.evidence_json import evidence_json
from bench.metrics.extractors import CLASSIFIER, INCEPTION, kinds_of
from bench.metrics.half_samples import HALF_SAMPLES, canonical_order
from bench.metrics.real_statistics import RealSide

log = logging.getLogger(__name__)

FEWEST = 10  # examples: the classifier score takes ten parts, precision three neighbours
ASKED = "asked"
SSIM_SIDE = 22  # pixels: what a window of 11 needs at half the resolution


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one evaluation found. A value that could not be determined is not-a-number and has its reason."""

    values: Mapping[str, float]  # by the keys of bench.metrics.cards, standard errors under <key>_se where they are known
    reasons: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)  # JSON: n, class shares, modes, bins
    nearest: Tensor | None = None  # uint8 [2 m, C, H, W]: generated images, each followed by the training image nearest to it
    raised: tuple[str, ...] = ()  # metrics whose code failed: their not-a-number says nothing of the images


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What is measured of a generator: n examples and, of images, walks between latents."""

    data: Tensor
    walks: Tensor | None = None
    labels: Tensor | None = None  # [n]: that a conditional model was asked for


def provides(dataset: Dataset, *, inception: bool = False) -> frozenset[str]:
    """What is there to measure a dataset by: a metric is given where all that its card needs is among these."""
    if dataset.spec.kind == "points":
        return frozenset({"points", "modes", "mixture"} if isinstance(dataset, Mixture) else {"points"})
    found = {"image", "features", "latents", *kinds_of(dataset)}
    if isinstance(dataset, Stacked):
        found |= {"modes"} if CLASSIFIER in found else set()
    else:  # stacked images are random combinations of others: who is near whom, copies and bins say nothing of them
        found |= {"neighbours", "training"} | ({"labels"} if CLASSIFIER in found else set())
    if min(dataset.spec.shape[1:]) >= SSIM_SIDE:
        found.add("22px")
    if inception:
        found.add(INCEPTION)
    return frozenset(found)


class Evaluator:
    """Measures generated examples against the test split of one dataset, always by the same protocol."""

    def __init__(
        self, dataset: Dataset, *, samples: int = 0, inception: bool = False, errors: bool = True, metrics: Sequence[str] = ()
    ) -> None:
        load_catalogs()  # they may register metrics
        self.dataset = dataset
        self.provides = provides(dataset, inception=inception)
        if why := unmeasurable(dataset):
            raise UserError(f"there is no metric for {dataset.name}: {why}")
        self.keys = self._given(self.provides)
        self._conditional = self._given(self.provides | {ASKED})  # what is measured where labels were asked for, too
        self.headline = headline_among(self.keys) or self.keys[0]
        if metrics:
            self._keep(metrics)
        self.reference_n = len(dataset.split("test"))
        self.n = samples or usual_samples(dataset)
        self.errors = errors
        if INCEPTION in self.provides:
            self._real.extractor(INCEPTION)  # no weights: refused now, before anything is trained
        if self.n < FEWEST:
            raise UserError(f"evaluation.samples={self.n} is too few to measure: at least {FEWEST}, or 0 for all of the test split's")

    @staticmethod
    def _given(provided: Collection[str]) -> list[str]:
        """The metrics that need nothing else, in the order of their cards."""
        return [key for key in metric_keys() if set(card(key).needs or ("image",)) <= set(provided)]

    def _keep(self, metrics: Sequence[str]) -> None:
        """Measure these and the headline alone, and make ready only what they need. One that this data does not have is a UserError."""
        for key in metrics:
            if key not in self._conditional:
                raise UserError(f"evaluation.metrics: {self.dataset.name} has no metric {key!r}" + nearest(key, self._conditional))
        wanted = {*metrics, self.headline}
        self.keys, self._conditional = ([key for key in keys if key in wanted] for keys in (self.keys, self._conditional))
        self.provides &= {need for key in self._conditional for need in card(key).needs or ("image",)} | {"image", "points"}

    def prepare(self, *, whole: bool = True) -> None:
        """Measure what metrics need of the real side, unless it is cached: seconds to minutes, once a machine. `whole`: not for the headline alone.

        An error is logged, not raised: the metrics that need that part fail for the same reason and record it.
        """
        needs = self.provides if whole else set(card(self.headline).needs)
        try:
            self._real.prepare(self._kinds(needs), neighbours="neighbours" in needs, training="training" in needs)
        except Exception as error:  # a run must not lose its training to a metric
            log.warning("the real examples of %s cannot be measured: %s", self.dataset.name, one_line(error) or type(error).__name__)

    def curve(self, data: Tensor) -> Measurement:
        """The headline alone, as evaluations in mid-run give it."""
        evidence = self._evidence(data)
        value = evidence.value(self.headline)
        return Measurement(values={self.headline: value}, reasons=evidence.reasons, raised=tuple(evidence.raised))

    def full(self, data: Tensor, *, walks: Tensor | None = None, asked: Tensor | None = None) -> Measurement:
        """Every metric of this data: images uint8 [n, C, H, W] or points float32 [n, D], walks uint8 [W, S, C, H, W].

        `asked` [n]: the labels that a conditional model was asked for, by which it has metrics of its own.
        """
        evidence = self._evidence(data, walks=walks, asked=asked, half_samples=HALF_SAMPLES if self.errors else 0)
        keys = self.keys if asked is None else self._conditional
        values = {key: evidence.value(key) for key in keys}
        errors = {f"{key}{SE}": evidence.standard_error(key) for key in keys} if self.errors else {}
        known = {key: error for key, error in errors.items() if math.isfinite(error)}
        seen = evidence_json(evidence, self.provides)
        evidence.release_half_samples()
        return Measurement(
            values={**values, **known},
            reasons=evidence.reasons,
            evidence=seen.evidence,
            nearest=seen.nearest,
            raised=tuple(evidence.raised),
        )

    def protocol(self, *, conditional: bool = False) -> dict[str, str]:
        """How each metric is measured, as one hash a metric: numbers compare only where these are equal."""
        return {key: self._metric_protocol(key) for key in (self._conditional if conditional else self.keys)}

    @property
    def protocol_hash(self) -> str:
        """One hash of the whole protocol: the tag of a run. What only conditional models have is no part of it: they compare with the others."""
        return short_hash(self.protocol())

    @property
    def curve_protocol(self) -> str:
        """One hash of how the marks are measured: what a run that goes on must share with its beginning."""
        return short_hash({self.headline: self._metric_protocol(self.headline)})

    def _metric_protocol(self, key: str) -> str:
        identity: dict[str, Any] = {
            "data": self.dataset.digest(), "split": "test", "reference": self.reference_n, "generated": self.n, "key": key,
            "version": card(key).version,
        }  # fmt: skip
        weights = [self._real.extractor(kind).weights_hash for kind in self._kinds(card(key).needs)]
        return short_hash(identity | ({"extractor": weights[0] if len(weights) == 1 else weights} if weights else {}))

    def _kinds(self, needs: Collection[str]) -> list[str]:
        """The extractors whose features a metric uses."""
        wanted = {self._real.main if need == "features" else need for need in needs}
        return [kind for kind in self._real.kinds if kind in wanted]

    def _evidence(
        self, data: Tensor, *, walks: Tensor | None = None, asked: Tensor | None = None, half_samples: int = 0
    ) -> Evidence:  # fmt: skip
        """The evidence of these examples; a UserError unless they are as many, and of the kind, that the protocol says."""
        self.check(data)
        if len(data) != self.n:
            raise UserError(f"this protocol measures {self.n} examples of {self.dataset.name}, not {len(data)}")
        order = canonical_order(data)
        return Evidence(data[order], self._real, walks=walks, asked=None if asked is None else asked[order], half_samples=half_samples)

    def classify(self, images: Tensor) -> Tensor:
        """The classes [n] that the data's classifier sees in uint8 images [n, C, H, W]."""
        return self._real.extractor(CLASSIFIER)(images).predictions

    def check(self, data: Tensor) -> None:
        """Raise a UserError unless these are examples of this data set's kind."""
        spec = self.dataset.spec
        if spec.kind == "image":
            self._real.extractor(self._real.main).check(data)
        elif data.dtype != torch.float32 or data.ndim != 2 or tuple(data.shape[1:]) != spec.shape or not len(data):
            raise UserError(f"points of {self.dataset.name} are float32 [N, {spec.shape[0]}], not {data.dtype} {list(data.shape)}")

    @cached_property
    def _real(self) -> RealSide:
        kinds = kinds_of(self.dataset)
        return RealSide(self.dataset, (*kinds, INCEPTION) if INCEPTION in self.provides else kinds)


def unmeasurable(dataset: Dataset) -> str | None:
    """Why nothing can measure a dataset; None where something can."""
    if dataset.spec.kind != "image" and not isinstance(dataset, Mixture):
        return "it holds points of no known modes"
    test, train = len(dataset.split("test")), len(dataset.split("train"))
    if min(test, train) >= FEWEST:
        return None
    which = f"test split holds {test}" if test < FEWEST else f"training split holds {train}"
    return f"its {which} examples, and at least {FEWEST} are needed"


def usual_samples(dataset: Dataset) -> int:
    """How many generated examples are measured unless a number is set: as many as the test split holds.

    Fewer where the training split is smaller: the row `real` is made of as many training examples, because a Fréchet distance
    depends on their number.
    """
    return min(len(dataset.split("test")), len(dataset.split("train")))


def evaluator_for(dataset: Dataset, evaluation: Evaluation) -> Evaluator | None:
    """The evaluator of a dataset, or None where nothing can measure it."""
    if unmeasurable(dataset):
        return None
    return Evaluator(
        dataset, samples=evaluation.samples, inception=evaluation.inception, errors=evaluation.standard_errors, metrics=evaluation.metrics
    )


def draw(
    evaluator: Evaluator, networks: Networks, *, seed: int, batch_size: int, device: torch.device, stream: str = random_streams.EVALUATION,
    whole: bool = True,
) -> Samples:  # fmt: skip
    """What the evaluator measures of a generator: from latents that depend on the seed and the stream alone. `whole`: with walks."""
    points = evaluator.dataset.spec.kind == "points"
    labels = asked_labels(networks, evaluator.dataset, evaluator.n, seed=seed, stream=stream)
    data = sample(networks, n=evaluator.n, seed=seed, batch_size=batch_size, device=device, labels=labels, stream=stream, points=points)
    walks = None
    if whole and not points and "latents" in evaluator.provides:
        kept = asked_labels(networks, evaluator.dataset, WALK_PAIRS, seed=seed, stream=WALKS)
        walks = sample_walks(networks, seed=seed, batch_size=batch_size, device=device, labels=kept)
    return Samples(data=data, walks=walks, labels=labels)


def check_samples(evaluator: Evaluator) -> None:
    """A UserError unless there are as many training examples as the evaluator measures: the row `real` is made of them."""
    if why := lacks_real(evaluator.dataset, evaluator.n):
        raise UserError(f"evaluation.samples: {why}; set fewer, or 0 for {usual_samples(evaluator.dataset):,}")


def lacks_real(dataset: Dataset, n: int) -> str | None:
    """Why there is no row `real` beside n examples; None where there is one."""
    train = len(dataset.split("train"))
    if n <= train:
        return None
    things = "points" if dataset.spec.kind == "points" else "images"
    return f"{n:,} is more than the {train:,} training {things} of {dataset.name}, which the row `real` takes as many from"


def reference_images(dataset: Dataset, n: int = 0) -> Tensor:
    """The examples of the `real` row: n training examples (0: the usual number), the first of a fixed permutation."""
    n = n or usual_samples(dataset)
    if why := lacks_real(dataset, n):
        raise UserError(why)
    train = dataset.split("train").data
    order = torch.randperm(len(train), generator=random_streams.stream(0, "reference"))
    return train[order[:n]]
