"""Sample once, features once, every metric. Measuring is on the CPU in float32, whatever the run trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from bench import seeding
from bench.cards import HEADLINE, card
from bench.config import short_hash
from bench.errors import UserError
from bench.metrics import table  # noqa: F401 (registers the metrics)
from bench.metrics.evidence import Evidence, metric_keys
from bench.metrics.extractors import extractor_names, load_extractor
from bench.metrics.reference import Reference, load_reference
from bench.registry import load_catalogs
from bench.spec import Dataset, Networks, to_bytes

log = logging.getLogger(__name__)

FEWEST = 10  # images: the classifier score takes ten parts, precision three neighbours


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one evaluation found. A value that could not be determined is not-a-number and has its reason."""

    values: Mapping[str, float]  # by the keys of bench.cards
    reasons: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)  # JSON: class_names, class_share, n
    raised: tuple[str, ...] = ()  # metrics whose code failed: their not-a-number says nothing of the images


class Evaluator:
    """Measures generated images against the test split of one dataset, always by the same protocol."""

    def __init__(self, dataset: Dataset, *, samples: int = 0) -> None:
        if dataset.spec.kind != "image":
            raise UserError(f"{dataset.name} holds points, and these metrics measure images")
        load_catalogs()  # they may register metrics
        self.dataset = dataset
        self.extractor = load_extractor(dataset.name)
        self.reference_n = len(dataset.split("test"))
        self.n = samples or self.reference_n
        if self.n < FEWEST:
            raise UserError(f"evaluation.samples={self.n} is too few to measure: at least {FEWEST}, or 0 for all of the test split's")

    def curve(self, images: Tensor) -> Measurement:
        """The headline alone, as evaluations in mid-run give it. Images uint8 [n, C, H, W]."""
        evidence = self._evidence(images)
        value = evidence.value(HEADLINE)
        return Measurement(values={HEADLINE: value}, reasons=evidence.reasons, raised=tuple(evidence.raised))

    def full(self, images: Tensor) -> Measurement:
        """Every registered metric. Images uint8 [n, C, H, W]."""
        evidence = self._evidence(images)
        values = {key: evidence.value(key) for key in metric_keys()}
        shown = {
            "n": self.n,
            "class_names": list(self.dataset.class_names),
            "class_share": {"generated": evidence.shares.tolist(), "real": evidence.real.shares.tolist()},
        }
        return Measurement(values=values, reasons=evidence.reasons, evidence=shown, raised=tuple(evidence.raised))

    def protocol(self) -> dict[str, str]:
        """How each metric is measured, as one hash a metric: numbers compare only where these are equal."""
        shared = {"data": self.dataset.digest(), "split": "test", "reference": self.reference_n, "generated": self.n}
        return {
            key: short_hash(
                shared
                | {"key": key, "version": card(key).version}
                | ({"extractor": self.extractor.weights_hash} if "classifier" in card(key).needs else {})
            )
            for key in metric_keys()
        }

    @property
    def protocol_hash(self) -> str:
        """One hash of the whole protocol: the tag of a run."""
        return short_hash(self.protocol())

    def _evidence(self, images: Tensor) -> Evidence:
        """The evidence of these images; a UserError unless they are as many, and of the kind, that the protocol says."""
        self.extractor.check(images)
        if len(images) != self.n:
            raise UserError(f"this protocol measures {self.n} images of {self.dataset.name}, not {len(images)}")
        return Evidence(images, self.dataset, self.extractor, self._real)

    @cached_property
    def _real(self) -> Reference:
        return load_reference(self.dataset, self.extractor)


def evaluator_for(dataset: Dataset, *, samples: int = 0) -> Evaluator | None:
    """The evaluator of a dataset, or None where nothing can measure it: it holds points, or no extractor was trained on it."""
    if dataset.spec.kind != "image" or dataset.name not in extractor_names():
        return None
    return Evaluator(dataset, samples=samples)


def sample(
    networks: Networks, *, n: int, seed: int, batch_size: int, device: torch.device, labels: Tensor | None = None,
    stream: str = seeding.EVALUATION,
) -> Tensor:  # fmt: skip
    """n images as every metric sees them: uint8 [n, C, H, W] on the CPU, from latents that depend on the seed and the stream alone.

    All latents are drawn at once and then sliced, so the batch size changes no image. `labels` [n] are for conditional models.
    """
    parts, broken = [], 0
    with evaluation_mode(networks), torch.no_grad(), torch.autocast(device.type, enabled=False):
        latent = networks.draw(n, seeding.stream(seed, stream, device), labels)
        for start in range(0, n, batch_size):
            made = networks.sample(latent[start : start + batch_size])
            broken += int((~made.isfinite()).flatten(1).any(dim=1).sum())
            parts.append(to_bytes(made).cpu())
    if broken:
        log.warning("%d of %d generated images hold values that are infinite or not a number", broken, n)
    return torch.cat(parts)


def check_samples(evaluator: Evaluator) -> None:
    """A UserError unless there are as many training images as the evaluator measures: the row `real` is made of them."""
    check_enough(evaluator.n, train=len(evaluator.dataset.split("train")), dataset=evaluator.dataset.name)


def check_enough(n: int, *, train: int, dataset: str, what: str = "evaluation.samples") -> None:
    """The same where there are but numbers: n images to measure, and so many training images."""
    if n > train:
        raise UserError(f"{what}: {n:,} is more than the {train:,} training images of {dataset}, which the row `real` takes as many from")


@contextmanager
def evaluation_mode(networks: Networks) -> Iterator[None]:
    """Inside, every module is in evaluation mode; after, each is as it was."""
    training = [module for module in networks.modules() if module.training]
    networks.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def reference_images(dataset: Dataset, n: int = 0) -> Tensor:
    """The images of the `real` row: n training images (0: as many as the test split holds), the first of a fixed permutation."""
    train = dataset.split("train").data
    n = n or len(dataset.split("test"))
    check_enough(n, train=len(train), dataset=dataset.name)
    order = torch.randperm(len(train), generator=seeding.stream(0, "reference"))
    return train[order[:n]]
