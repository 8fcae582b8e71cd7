"""Feature extractors, which compute features of images. `base` defines their interface, and `select` chooses those of a dataset."""

from __future__ import annotations

from bench.metrics.extractors.base import CLASSIFIER, DISTILLED, INCEPTION, PHOTO, PIXELS, Extractor, Features
from bench.metrics.extractors.bundled import assets, extractor_names, load_extractor
from bench.metrics.extractors.classifier import BATCH, Classifier, ClassifierExtractor, ExtractorCard, read_extractor
from bench.metrics.extractors.photo import photo_features
from bench.metrics.extractors.select import classifier_is_ready, extractor_for, kinds_of, packed_classifier

__all__ = [
    "BATCH",
    "CLASSIFIER",
    "DISTILLED",
    "INCEPTION",
    "PHOTO",
    "PIXELS",
    "Classifier",
    "ClassifierExtractor",
    "Extractor",
    "ExtractorCard",
    "Features",
    "assets",
    "classifier_is_ready",
    "extractor_for",
    "extractor_names",
    "kinds_of",
    "load_extractor",
    "packed_classifier",
    "photo_features",
    "read_extractor",
]
