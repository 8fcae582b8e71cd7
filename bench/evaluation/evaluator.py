"""The evaluator: compute the features of generated examples once, then every metric. Evaluation runs on the CPU in float32."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.config import Evaluation, Resize, short_hash
from bench.core.errors import UserError, nearest, one_line
from bench.core.registry import load_catalogs
from bench.core.spec import Dataset, Mixture, Stacked
from bench.evaluation.reference_statistics import read_statistics
from bench.metrics import definitions  # noqa: F401 (registers the metrics)
from bench.metrics.columns import HEADLINES, SE, card, headline_among
from bench.metrics.companions import Companions
from bench.metrics.evidence import Evidence, metric_keys
from bench.metrics.evidence_json import evidence_json
from bench.metrics.extractors import CLASSIFIER, INCEPTION, PHOTO, kinds_of
from bench.metrics.half_sample_evidence import add_half_samples
from bench.metrics.real_statistics import RealSide
from bench.tasks.catalog import task_of

log = logging.getLogger(__name__)

FEWEST = 10  # examples: the classifier score needs ten parts, and precision needs three neighbours
CAS = "cas"  # the word in `needs` of the classification accuracy score
LABELS_REQUESTED = "asked"  # the word in `needs` of metrics for conditional models
SSIM_WINDOW = 11  # pixels: the least side for SSIM
SSIM_SIDE = 2 * SSIM_WINDOW  # for SSIM at half the resolution
BACK = "back"  # the word in `needs` of metrics for networks that translate back
OF_NETWORKS = frozenset({LABELS_REQUESTED, BACK})  # words that some networks provide
OF_SAMPLES = OF_NETWORKS | {"given", "truth", "again", "identity"}  # words that some samples provide
NO_COMPANIONS = Companions()


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The result of one evaluation. A metric that cannot be computed is NaN, and `reasons` says why."""

    values: Mapping[str, float]  # by metric key. A known standard error has the key <key>_se
    reasons: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)  # JSON values: n, class shares, modes, bins
    nearest: Tensor | None = None  # uint8 [2 m, C, H, W]: generated images, each followed by the training image nearest to it
    raised: tuple[str, ...] = ()  # metrics whose code raised an error, so their NaN is not a property of the images


def capabilities(dataset: Dataset, *, inception: bool = False, photo: bool = False, cas: bool = False) -> frozenset[str]:
    """Return the words of `needs` that a dataset provides. A metric applies if all the `needs` of its card are in this set.

    `inception`, `photo`: add the metrics of that extractor. `cas`: add the classification accuracy score.
    """
    if dataset.spec.kind == "points":
        return frozenset({"points", "modes", "mixture"} if isinstance(dataset, Mixture) else {"points"})
    found = {"image", "features", "latents", *kinds_of(dataset)}
    if isinstance(dataset, Stacked):
        found |= {"modes"} if CLASSIFIER in found else set()
    else:  # a stacked image is a random combination: its neighbours, copies and bins mean nothing
        found |= {"neighbours", "training"} | ({"labels"} if CLASSIFIER in found else set())
    found |= {f"{side}px" for side in (SSIM_SIDE, SSIM_WINDOW) if min(dataset.spec.shape[1:]) >= side}
    task = task_of(dataset.spec)
    found = (found | task.provides(dataset.spec)) - task.lacks
    found |= {kind for kind, wanted in ((INCEPTION, inception), (PHOTO, photo), (CAS, cas)) if wanted}
    return frozenset(found)


class Evaluator:
    """Evaluator of generated examples against the test split of one dataset, by one evaluation protocol.

    `samples`: the number of examples, 0 for the default. `inception`: add the metrics of the published Inception network. `photo`: add
    those of EfficientNet-Lite0. `cas`: add the classification accuracy score of conditional models. `errors`: add standard errors.
    `headline`: the metric at evaluation points, by default that of the dataset. `metrics`: measure only these keys and the headline.
    `resize`: how Inception resizes images. `statistics`: a file of statistics that the FID uses in place of the test split.

    Raises UserError if the dataset has no metric, a key is unknown, or `samples` is too small. Also raises it if weights or statistics of
    an extractor are missing.
    """

    def __init__(
        self, dataset: Dataset, *, samples: int = 0, inception: bool = False, photo: bool = False, cas: bool = False,
        errors: bool = True, headline: str = "", metrics: Sequence[str] = (), resize: Resize = "tensorflow", statistics: str = "",
    ) -> None:  # fmt: skip
        load_catalogs()  # catalogues may register metrics
        self.dataset = dataset
        self.capabilities = capabilities(dataset, inception=inception, photo=photo, cas=cas)
        if why := unmeasurable(dataset):
            raise UserError(f"{dataset.name} has no metric: {why}; choose another dataset")
        for name, wanted in {INCEPTION: inception, PHOTO: photo}.items():
            if wanted and dataset.spec.kind != "image":
                raise UserError(f"the extractor {name} takes images, and {dataset.name} has {dataset.spec.kind}: omit evaluation.{name}")
        if cas and "labels" not in self.capabilities:
            raise UserError(f"{dataset.name} has no labelled images that a classifier can learn: omit evaluation.cas")
        self.keys = self._given(self.capabilities)
        self._optional = self._given(self.capabilities | OF_NETWORKS)  # also the metrics that only some networks have
        self.headline = self._checked_headline(headline) if headline else headline_among(self.keys) or self.keys[0]
        self._headlines = (self.headline, *(key for key in HEADLINES if key in self.keys))
        if metrics:
            self._select(metrics)
            for name, wanted in {INCEPTION: inception, PHOTO: photo, CAS: cas}.items():
                if wanted and name not in self.capabilities:
                    known = [key for key in metric_keys() if name in card(key).needs]
                    raise UserError(f"evaluation.metrics has no metric of evaluation.{name}=true: add one of {', '.join(known)}")
        self.reference_n = len(dataset.split("test"))
        self.n = samples or usual_samples(dataset)
        most = task_of(dataset.spec).inputs(dataset)
        if most is not None and self.n > most:
            raise UserError(f"evaluation.samples: {self.n:,} is more than the {most:,} test inputs of {dataset.name}; set at most {most}")
        self.errors = errors
        self._resize: Resize = resize
        self._statistics = read_statistics(Path(statistics), resize) if statistics else None
        for kind in self._opted:
            self._real.extractor(kind)  # raises before the training if the weights are missing
        if self.n < FEWEST:
            raise UserError(f"evaluation.samples={self.n} is too few to measure: set at least {FEWEST}, or 0 for the default")

    @staticmethod
    def _given(provided: Collection[str]) -> list[str]:
        """Return the metrics whose needs are all provided, in the order of their cards."""
        return [key for key in metric_keys() if set(card(key).needs or ("image",)) <= set(provided)]

    def _checked_headline(self, key: str) -> str:
        """Return the key. Raises UserError for a metric that the dataset does not have, or of which less is not better."""
        known = [known for known in self.keys if card(known).direction == "lower"]
        if key not in known:
            what = "lower is not better" if key in self.keys else f"{self.dataset.name} has no such metric"
            raise UserError(f"evaluation.headline={one_line(repr(key), most=80)}: {what}" + nearest(key, known))
        return key

    def _select(self, metrics: Sequence[str]) -> None:
        """Measure only these metrics and the headline, and prepare only what they need. Raises UserError for an unknown metric."""
        for key in metrics:
            if key not in self._optional:
                raise UserError(f"evaluation.metrics: {self.dataset.name} has no metric {key!r}" + nearest(key, self._optional))
        wanted = {*metrics, self.headline}
        self.keys, self._optional = ([key for key in keys if key in wanted] for keys in (self.keys, self._optional))
        self.capabilities &= {need for key in self._optional for need in card(key).needs or ("image",)} | {"image", "points"}

    def prepare(self, *, whole: bool = True) -> None:
        """Compute and cache the statistics of the real examples. This takes seconds to minutes, once on each machine.

        `whole`: for every metric, else only for the headline. Errors are logged, not raised. The metrics that need the failed part record
        the same reason.
        """
        needs = self.capabilities if whole else set(card(self.headline).needs)
        try:
            self._real.prepare(self._kinds(needs), neighbours="neighbours" in needs, training="training" in needs)
        except Exception as error:  # an error of a metric must not fail the run
            log.warning("the real examples of %s cannot be measured: %s", self.dataset.name, one_line(error) or type(error).__name__)

    def curve(self, data: Tensor, *, companions: Companions = NO_COMPANIONS) -> Measurement:
        """Measure only the headline metric, as at the evaluation points of a run. `data` and `companions` as for `full`."""
        evidence = self._evidence(data, companions=companions)
        value = evidence.value(self.headline)
        return Measurement(values={self.headline: value}, reasons=evidence.reasons, raised=tuple(evidence.raised))

    def full(
        self, data: Tensor, *, walks: Tensor | None = None, labels: Tensor | None = None, companions: Companions = NO_COMPANIONS
    ) -> Measurement:
        """Measure every metric of images uint8 [n, C, H, W] or points float32 [n, D].

        `walks` uint8 [W, S, C, H, W]: images on walks between latents. `labels` [n]: the labels passed to a conditional model, which has metrics
        of its own. `companions`: what belongs to the outputs of a translation. Raises UserError if n or the shape does not match the
        evaluation protocol.
        """
        evidence = self._evidence(data, walks=walks, labels=labels, companions=companions)
        if self.errors:
            add_half_samples(evidence)
        keys = self._keys_with(words_of(labels, companions))
        values = {key: evidence.value(key) for key in keys}
        errors = {f"{key}{SE}": evidence.standard_error(key) for key in keys} if self.errors else {}
        known = {key: error for key, error in errors.items() if math.isfinite(error)}
        record = evidence_json(evidence, self.capabilities)
        evidence.half_samples = ()
        return Measurement(
            values={**values, **known},
            reasons=evidence.reasons,
            evidence=record.evidence,
            nearest=record.nearest,
            raised=tuple(evidence.raised),
        )

    def _keys_with(self, words: Collection[str]) -> list[str]:
        """Return the metrics of samples that provide some of the words `OF_SAMPLES`."""
        return [key for key in self._optional if OF_SAMPLES & set(card(key).needs) <= set(words)]

    def protocol(self, words: Collection[str] = ()) -> dict[str, str]:
        """Return the evaluation protocol as one hash for each metric. Compare two numbers only if their hashes are equal.

        `words`: those of `OF_NETWORKS` that the networks provide, which have further metrics.
        """
        return {key: self._metric_protocol(key) for key in self._keys_with({*words, *self.capabilities})}

    @property
    def protocol_hash(self) -> str:
        """Hash of the evaluation protocol, a tag of runs, the same for all models. Of the metrics for conditional models, it has only CAS."""
        requested = {key: self._metric_protocol(key) for key in self._optional if CAS in card(key).needs}
        return short_hash(self.protocol() | requested)

    @property
    def curve_protocol(self) -> str:
        """Hash of the evaluation protocol at the evaluation points."""
        return next(iter(self.curve_protocols))

    @property
    def curve_protocols(self) -> dict[str, str]:
        """Each metric that may be the headline, by the hash of its evaluation protocol, this evaluator's headline first.

        A run can be resumed only if one of these hashes is that of its evaluation points. It keeps that headline.
        """
        return {short_hash({key: self._metric_protocol(key)}): key for key in self._headlines}

    def _metric_protocol(self, key: str) -> str:
        identity: dict[str, Any] = {
            "data": self.dataset.digest(), "split": "test", "reference": self.reference_n, "generated": self.n, "key": key,
            "version": card(key).version,
        }  # fmt: skip
        weights = [self._real.extractor(kind).weights_hash for kind in self._kinds(card(key).needs)]
        if self._statistics and INCEPTION in card(key).needs:
            identity |= {"split": "statistics", "reference": self._statistics.n, "statistics": self._statistics.digest}
        return short_hash(identity | ({"extractor": weights[0] if len(weights) == 1 else weights} if weights else {}))

    def _kinds(self, needs: Collection[str]) -> list[str]:
        """Return the extractors that these needs name."""
        wanted = {self._real.main if need == "features" else need for need in needs}
        return [kind for kind in self._real.kinds if kind in wanted]

    def _evidence(
        self, data: Tensor, *, walks: Tensor | None = None, labels: Tensor | None = None, companions: Companions = NO_COMPANIONS
    ) -> Evidence:
        """Build the evidence of these examples. Raises UserError if their number or kind does not match the evaluation protocol."""
        self.check(data)
        if len(data) != self.n:
            raise UserError(
                f"the evaluation protocol of {self.dataset.name} takes {self.n} examples, not {len(data)}; set evaluation.samples"
            )
        order, ordered = companions.ordered(data, labels)
        return Evidence(data[order], self._real, walks=walks, asked=None if labels is None else labels[order], companions=ordered)

    def classify(self, images: Tensor) -> Tensor:
        """Return the classes [n] that the dataset's classifier predicts for uint8 images [n, C, H, W]."""
        return self._real.extractor(CLASSIFIER)(images).predictions

    def check(self, data: Tensor) -> None:
        """Raise a UserError unless `data` has the type and shape of this dataset's examples."""
        spec = self.dataset.spec
        if spec.kind == "image":
            self._real.extractor(self._real.main).check(data)
        elif data.dtype != torch.float32 or data.ndim != 2 or tuple(data.shape[1:]) != spec.shape or not len(data):
            raise UserError(
                f"points of {self.dataset.name} are float32 [N, {spec.shape[0]}], not {data.dtype} {list(data.shape)}; convert them first"
            )

    @cached_property
    def _real(self) -> RealSide:
        return RealSide(self.dataset, (*kinds_of(self.dataset), *self._opted), resize=self._resize, statistics=self._statistics)

    @property
    def _opted(self) -> list[str]:
        """Optional extractors that were requested."""
        return [kind for kind in (INCEPTION, PHOTO) if kind in self.capabilities]


def words_of(labels: Tensor | None, companions: Companions) -> set[str]:
    """Return the words of `OF_SAMPLES` that samples with these labels and companions provide."""
    found = {word for word in OF_SAMPLES - {LABELS_REQUESTED} if getattr(companions, word) is not None}
    return found | ({LABELS_REQUESTED} if labels is not None else set())


def unmeasurable(dataset: Dataset) -> str | None:
    """Return the reason why a dataset has no metric, or None if it has one."""
    if dataset.spec.kind != "image" and not isinstance(dataset, Mixture):
        return "its points have no known modes"
    test, train = len(dataset.split("test")), len(dataset.split("train"))
    if min(test, train) >= FEWEST:
        return None
    which = f"test split has {test}" if test < FEWEST else f"training split has {train}"
    return f"its {which} examples, and at least {FEWEST} are needed"


def usual_samples(dataset: Dataset) -> int:
    """Return the default number of generated examples: the size of the test split, or of the training split if that is smaller.

    The reference row `real` needs the same number of training examples, because a Fréchet distance depends on it. A translation makes
    one output for each test input.
    """
    inputs = task_of(dataset.spec).inputs(dataset)
    return min(len(dataset.split("test")) if inputs is None else inputs, len(dataset.split("train")))


def evaluator_for(dataset: Dataset, evaluation: Evaluation) -> Evaluator | None:
    """Return the evaluator of a dataset, or None if the dataset has no metric."""
    return None if unmeasurable(dataset) else evaluator_of(dataset, evaluation)


def evaluator_of(dataset: Dataset, evaluation: Evaluation) -> Evaluator:
    """Return the evaluator of a dataset. Raises UserError as `Evaluator` does."""
    return Evaluator(
        dataset, samples=evaluation.samples, inception=evaluation.inception, photo=evaluation.photo, cas=evaluation.cas,
        errors=evaluation.standard_errors, headline=evaluation.headline, metrics=evaluation.metrics, resize=evaluation.inception_resize, statistics=evaluation.inception_statistics,
    )  # fmt: skip


def check_samples(evaluator: Evaluator) -> None:
    """Raise a UserError if the training split has too few examples for the reference row `real`."""
    if why := lacks_real(evaluator.dataset, evaluator.n):
        raise UserError(f"evaluation.samples: {why}; set fewer, or 0 for {usual_samples(evaluator.dataset):,}")


def lacks_real(dataset: Dataset, n: int) -> str | None:
    """Return the reason why n examples cannot have the reference row `real`, or None if they can."""
    train = len(dataset.split("train"))
    if n <= train:
        return None
    things = "points" if dataset.spec.kind == "points" else "images"
    return f"{n:,} is more than the {train:,} training {things} of {dataset.name}, and the row `real` needs as many"


def reference_images(dataset: Dataset, n: int = 0) -> Tensor:
    """Return the examples of the row `real`: the first n training examples of a fixed permutation (0: the usual number)."""
    n = n or usual_samples(dataset)
    if why := lacks_real(dataset, n):
        raise UserError(why)
    train = dataset.split("train").data
    order = torch.randperm(len(train), generator=random_streams.stream(0, "reference"))
    return train[order[:n]]
