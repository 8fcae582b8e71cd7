"""The classifiers whose weights ship with the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from bench.core.errors import UserError, nearest
from bench.metrics.extractors.classifier import ClassifierExtractor, read_extractor


def assets() -> Traversable:
    """The folder of weights and cards inside the package."""
    return resources.files("bench.metrics") / "assets"


def extractor_names() -> list[str]:
    """Datasets whose classifier ships with the package."""
    return sorted(item.name.removesuffix(".json") for item in assets().iterdir() if item.name.endswith(".json"))


@cache
def load_extractor(dataset: str) -> ClassifierExtractor:
    """The shipped classifier of a dataset, its weights checked against the hash on its card."""
    if dataset not in extractor_names():
        raise UserError(f"no feature extractor for {dataset!r}" + nearest(dataset, extractor_names()))
    return read_extractor(assets() / f"{dataset}.json", assets() / f"{dataset}.safetensors")
