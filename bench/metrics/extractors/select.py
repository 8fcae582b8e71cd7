"""Selection of the extractors of a dataset."""

from __future__ import annotations

import logging
from functools import cache

from bench.core.config import Resize
from bench.core.errors import UserError, nearest
from bench.core.spec import Dataset, Judged, Stacked
from bench.metrics.extractors.base import CLASSIFIER, DISTILLED, INCEPTION, PHOTO, PIXELS, Extractor
from bench.metrics.extractors.bundled import distilled_names, extractor_names, load_distilled, load_extractor
from bench.metrics.extractors.classifier import ClassifierExtractor
from bench.metrics.extractors.inception import load_inception
from bench.metrics.extractors.local import classifier_folder, is_cached, packed, trained
from bench.metrics.extractors.own_classes import OwnClassesExtractor
from bench.metrics.extractors.photo import load_photo
from bench.metrics.extractors.pixels import PixelExtractor
from bench.metrics.extractors.stacked import StackedExtractor
from bench.metrics.extractors.training_plan import plan_for, untrainable
from bench.tasks.catalog import task_of

log = logging.getLogger(__name__)


def kinds_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the default kinds of extractor of a dataset, the preferred one first. Points have none."""
    if dataset.spec.kind != "image":
        return ()
    classifier = (CLASSIFIER,) if _has_classifier(dataset) else ()
    distilled = (DISTILLED,) if _has_distilled(dataset) else ()
    return (*classifier, *distilled, PIXELS)


def extractor_for(kind: str, dataset: Dataset, *, resize: Resize = "tensorflow") -> Extractor:
    """Return the extractor of a kind for a dataset. Trains a classifier that is neither shipped nor cached. Raises UserError.

    `resize`: how Inception resizes images.
    """
    known = (*kinds_of(dataset), INCEPTION, PHOTO) if dataset.spec.kind == "image" else ()
    if kind not in known:
        raise UserError(f"{dataset.name} has no extractor {kind!r}" + nearest(kind, known))
    if kind == INCEPTION:
        return load_inception(dataset, resize)
    if kind == PHOTO:
        return load_photo(dataset)
    if kind == PIXELS:
        return PixelExtractor(dataset)
    judge = judge_of(dataset)
    if kind == DISTILLED:
        return load_distilled(judge.name)
    if isinstance(judge, Stacked):
        return StackedExtractor(_classifier(judge.base), judge)
    if isinstance(dataset, Judged) and task_of(dataset.spec).own_classes:
        return OwnClassesExtractor(_classifier(judge), dataset.judge_classes)
    return _classifier(judge)


def judge_of(dataset: Dataset) -> Dataset:
    """Return the dataset whose classifier and distilled network see images of a dataset: its judge, or the dataset itself.

    The classifier then predicts classes of the judge. `Judged.judge_classes` has the class of each own label.
    """
    return dataset.judge if isinstance(dataset, Judged) else dataset


def classifier_is_ready(dataset: Dataset) -> bool:
    """Return whether an evaluation of a dataset need not train a classifier first. Trains nothing."""
    dataset = judge_of(dataset)
    if isinstance(dataset, Stacked):
        return classifier_is_ready(dataset.base)
    if dataset.spec.kind != "image" or _is_shipped(dataset) or not _has_classifier(dataset):
        return True
    return is_cached(classifier_folder(dataset, plan_for(dataset)))


def packed_classifier(dataset: Dataset) -> str:
    """Return this machine's classifier of a dataset for `local.sent`. Empty if the dataset needs none or has a shipped one."""
    dataset = judge_of(dataset)
    if isinstance(dataset, Stacked):
        return packed_classifier(dataset.base)
    return "" if CLASSIFIER not in kinds_of(dataset) or _is_shipped(dataset) else packed(dataset)


def _classifier(dataset: Dataset) -> ClassifierExtractor:
    return load_extractor(dataset.name) if _is_shipped(dataset) else trained(dataset)


def _is_shipped(dataset: Dataset) -> bool:
    """Return whether the package has a classifier of exactly this data. A user's data may have the same name."""
    return dataset.name in extractor_names() and load_extractor(dataset.name).card.data_digest == dataset.digest()


def _has_distilled(dataset: Dataset) -> bool:
    """Return whether the package has a distilled network of exactly this data."""
    dataset = judge_of(dataset)
    return dataset.name in distilled_names() and load_distilled(dataset.name).card.data_digest == dataset.digest()


def _has_classifier(dataset: Dataset) -> bool:
    dataset = judge_of(dataset)
    if isinstance(dataset, Stacked):
        return _has_classifier(dataset.base)
    why_not = None if _is_shipped(dataset) else untrainable(dataset)
    if why_not and dataset.spec.classes:
        _warn_once(dataset.name, f"it has no classifier, so only metrics of pixels apply: {why_not}")
    elif why_not is None and not _is_shipped(dataset) and (absent := _absent(dataset)):
        _warn_once(dataset.name, f"its test split has no image of the class {absent[0]!r}, so metrics of classes are less informative")
    return why_not is None


def _absent(dataset: Dataset) -> list[str]:
    """Return the classes without a test image."""
    labels = dataset.split("test").labels
    present = set() if labels is None else set(labels.unique().tolist())
    return [name for label, name in enumerate(dataset.class_names) if label not in present]


@cache
def _warn_once(name: str, what: str) -> None:
    """Log a warning once, because a user who gives labels expects a classifier and metrics of classes."""
    log.warning("%s: %s", name, what)
