"""Classifiers of labelled data for which the package has none. A machine trains each once and caches it with its card."""

from __future__ import annotations

import base64
import json
import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.core.config import short_hash
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data.cache import cache_root, locked, write_atomic
from bench.data.progress import progress
from bench.metrics.cache import plain
from bench.metrics.extractors.card import weights_of
from bench.metrics.extractors.classifier import ClassifierExtractor, ExtractorCard, read_extractor
from bench.metrics.extractors.classifier_training import command_for, train_extractor
from bench.metrics.extractors.training_plan import VERSION, TrainingPlan, plan_for

log = logging.getLogger(__name__)

FOLDER = "extractors"
CARD, WEIGHTS = "card.json", "weights.safetensors"
LOCK_SECONDS = 3_600.0  # longer than the slowest training
POOR = 0.6  # accuracy below which a classifier's features are not informative


@dataclass(frozen=True)
class _Sent:
    """Record of the classifier that another process sends to this one. None: the data needs no classifier."""

    extractor: ClassifierExtractor | None


_sent: _Sent | None = None  # None: this process reads or trains its own classifiers


def packed(dataset: Dataset) -> str:
    """Return the classifier of a dataset as text, for `sent` in another process. Trains it if it is not cached."""
    found = trained(dataset)
    weights = (classifier_folder(dataset, plan_for(dataset)) / WEIGHTS).read_bytes()
    return json.dumps({"card": found.card.model_dump_json(), "weights": base64.b64encode(weights).decode()})


@contextmanager
def sent(text: str) -> Iterator[None]:
    """Context manager that makes this process use a classifier from `packed` and train none. Empty text: no classifier.

    Classifiers from different processors differ in single bits. For this reason, workers on several machines use one classifier.
    """
    global _sent
    before, _sent = _sent, _Sent(_unpacked(text) if text else None)
    try:
        yield
    finally:
        _sent = before


def _unpacked(text: str) -> ClassifierExtractor:
    parts = json.loads(text)
    name = "of the classifier from another process"
    weights = base64.b64decode(parts["weights"])
    return ClassifierExtractor(*weights_of(ExtractorCard, parts["card"].encode(), weights, card_name=name, weights_name=name))


def trained(dataset: Dataset) -> ClassifierExtractor:
    """Return the classifier of a dataset: the one of `sent`, else the cached one. Otherwise, train and cache it.

    If several processes need it, one of them trains it.
    """
    if _sent is not None:
        if _sent.extractor is None or _sent.extractor.card.data_digest != dataset.digest():
            raise UserError(
                f"{dataset.name} on {platform.node()} differs from the data of the machine that started the command: give every machine "
                "the same data, and start it again"
            )
        return _sent.extractor
    plan = plan_for(dataset)
    folder = classifier_folder(dataset, plan)
    if is_cached(folder):
        try:
            return _fitting(read(folder), dataset, folder)
        except UserError as error:
            log.warning("%s: retraining the classifier", error)
    with locked(folder, timeout_seconds=LOCK_SECONDS):
        try:  # another process may train it while this one waits
            return _fitting(read(folder), dataset, folder)
        except UserError:
            return _train(dataset, plan, folder)


def classifier_folder(dataset: Dataset, plan: TrainingPlan) -> Path:
    """Return the cache folder of a dataset's classifier. Its name depends on all that determines it, except the machine."""
    identity = {"data": dataset.digest(), "plan": asdict(plan), "version": VERSION}
    return cache_root() / FOLDER / f"{plain(dataset.title)}-{short_hash(identity)}"


def is_cached(folder: Path) -> bool:
    """Return whether a folder contains a complete classifier, whose card is written last."""
    return (folder / CARD).is_file()


def read(folder: Path) -> ClassifierExtractor:
    """Return the classifier in a folder. Raises UserError if it is damaged."""
    return read_extractor(folder / CARD, folder / WEIGHTS)


def _fitting(extractor: ClassifierExtractor, dataset: Dataset, folder: Path) -> ClassifierExtractor:
    """Return the extractor. Raises UserError if its card describes other data: the folder may be a copy from another machine."""
    card, spec = extractor.card, dataset.spec
    if (card.data_digest, card.shape, card.classes) != (dataset.digest(), spec.shape, spec.classes):
        raise UserError(f"the classifier in {folder} belongs to {card.dataset} {list(card.shape)}, not to {dataset.name}")
    return extractor


def trained_folders() -> Iterator[Path]:
    """Return the cache folders of all classifiers of this machine."""
    root = cache_root() / FOLDER
    return (folder for folder in sorted(root.iterdir()) if is_cached(folder)) if root.is_dir() else iter(())


def _train(dataset: Dataset, plan: TrainingPlan, folder: Path) -> ClassifierExtractor:
    log.info("%s: training the classifier for its metrics, once on this machine", dataset.name)
    images = plan.epochs * (min(len(dataset.split("train")), plan.epoch_images or 10**12) // plan.batch_size) * plan.batch_size
    where = f"{platform.system()} {platform.machine()}"
    with progress(f"training a classifier of {dataset.title}", images) as advance:
        card, weights = train_extractor(dataset, plan, command=command_for(dataset), where=where, advance=advance)
    write_atomic(folder / WEIGHTS, weights)
    write_atomic(folder / CARD, card.model_dump_json(indent=2).encode())
    if card.accuracy < POOR:
        log.warning(
            "%s: its classifier has an accuracy of only %.0f %% on the test split, so its features are not informative: use quality/frechet_pixels",
            dataset.name, 100 * card.accuracy,
        )  # fmt: skip
    return read(folder)
