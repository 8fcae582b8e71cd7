"""Which extractors a dataset has, and the one of a kind."""

from __future__ import annotations

import logging
from functools import cache

from bench.core.errors import UserError, nearest
from bench.core.spec import Dataset, Stacked
from bench.metrics.extractors.base import CLASSIFIER, INCEPTION, PIXELS, Extractor
from bench.metrics.extractors.bundled import extractor_names, load_extractor
from bench.metrics.extractors.classifier import ClassifierExtractor
from bench.metrics.extractors.inception import load_inception
from bench.metrics.extractors.local import classifier_folder, is_cached, packed, trained
from bench.metrics.extractors.pixels import PixelExtractor
from bench.metrics.extractors.stacked import StackedExtractor
from bench.metrics.extractors.training_plan import plan_for, untrainable

log = logging.getLogger(__name__)


def kinds_of(dataset: Dataset) -> tuple[str, ...]:
    """The kinds of extractor that a dataset has without being asked for, the most telling first; none for points."""
    if dataset.spec.kind != "image":
        return ()
    return (CLASSIFIER, PIXELS) if _has_classifier(dataset) else (PIXELS,)


def extractor_for(kind: str, dataset: Dataset) -> Extractor:
    """The extractor of a kind for a dataset; a UserError where it has none. A classifier that is not there yet is trained now."""
    known = (*kinds_of(dataset), INCEPTION) if dataset.spec.kind == "image" else ()
    if kind not in known:
        raise UserError(f"{dataset.name} has no extractor {kind!r}" + nearest(kind, known))
    if kind == INCEPTION:
        return load_inception(dataset)
    if kind == PIXELS:
        return PixelExtractor(dataset)
    return StackedExtractor(_classifier(dataset.base), dataset) if isinstance(dataset, Stacked) else _classifier(dataset)


def classifier_is_ready(dataset: Dataset) -> bool:
    """Whether a dataset can be measured now, with no classifier to train first. Trains nothing."""
    if isinstance(dataset, Stacked):
        return classifier_is_ready(dataset.base)
    if dataset.spec.kind != "image" or _is_shipped(dataset) or not _has_classifier(dataset):
        return True
    return is_cached(classifier_folder(dataset, plan_for(dataset)))


def packed_classifier(dataset: Dataset) -> str:
    """The classifier that was trained here for a dataset, for `local.sent` in another process; empty where it needs none, or has a shipped one."""
    if isinstance(dataset, Stacked):
        return packed_classifier(dataset.base)
    return "" if CLASSIFIER not in kinds_of(dataset) or _is_shipped(dataset) else packed(dataset)


def _classifier(dataset: Dataset) -> ClassifierExtractor:
    return load_extractor(dataset.name) if _is_shipped(dataset) else trained(dataset)


def _is_shipped(dataset: Dataset) -> bool:
    """Whether a classifier of this very data ships with the package; somebody's own data may have the name as well."""
    return dataset.name in extractor_names() and load_extractor(dataset.name).card.data_digest == dataset.digest()


def _has_classifier(dataset: Dataset) -> bool:
    if isinstance(dataset, Stacked):
        return _has_classifier(dataset.base)
    why_not = None if _is_shipped(dataset) else untrainable(dataset)
    if why_not and dataset.spec.classes:
        _tell(dataset.name, f"it has no classifier to be measured with, only its pixels: {why_not}")
    elif why_not is None and not _is_shipped(dataset) and (absent := _absent(dataset)):
        _tell(dataset.name, f"its test split has no image of the class {absent[0]!r}, so metrics of classes say less")
    return why_not is None


def _absent(dataset: Dataset) -> list[str]:
    """The classes that no test image is of."""
    labels = dataset.split("test").labels
    present = set() if labels is None else set(labels.unique().tolist())
    return [name for label, name in enumerate(dataset.class_names) if label not in present]


@cache
def _tell(name: str, what: str) -> None:
    """Say it once: somebody who gave labels expects a classifier, and classes to be judged."""
    log.warning("%s: %s", name, what)
