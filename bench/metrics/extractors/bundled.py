"""The classifiers whose weights ship with the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from bench.core.errors import UserError, nearest
from bench.metrics.extractors.classifier import ClassifierExtractor, read_extractor


def assets() -> Traversable:
    """Return the folder of weights and cards in the package."""
    return resources.files("bench.metrics") / "assets"


def extractor_names() -> list[str]:
    """Return the datasets whose classifier ships with the package."""
    return sorted(item.name.removesuffix(".json") for item in assets().iterdir() if item.name.endswith(".json"))


@cache
def load_extractor(dataset: str) -> ClassifierExtractor:
    """Return the shipped classifier of a dataset. Checks its weights against the hash on its card."""
    if dataset not in extractor_names():
        raise UserError(f"no feature extractor for {dataset!r}" + nearest(dataset, extractor_names()))
    try:
        return read_extractor(assets() / f"{dataset}.json", assets() / f"{dataset}.safetensors")
    except UserError as error:
        raise UserError(f"{error}; pip install --force-reinstall ganbench") from error
