"""The extractors whose weights ship with the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from bench.core.errors import UserError, nearest
from bench.metrics.extractors.card import read_weights
from bench.metrics.extractors.classifier import ClassifierExtractor, read_extractor
from bench.metrics.extractors.distilled import DistilledCard, DistilledExtractor


def assets() -> Traversable:
    """Return the folder of weights and cards in the package."""
    return resources.files("bench.metrics") / "assets"


def distilled_assets() -> Traversable:
    """Return the folder of weights and cards of distilled networks."""
    return assets() / "distilled"


def extractor_names() -> list[str]:
    """Return the datasets whose classifier ships with the package."""
    return _named(assets())


def distilled_names() -> list[str]:
    """Return the datasets whose distilled network ships with the package."""
    return _named(distilled_assets())


def _named(folder: Traversable) -> list[str]:
    return sorted(item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json"))


@cache
def load_extractor(dataset: str) -> ClassifierExtractor:
    """Return the shipped classifier of a dataset. Checks its weights against the hash on its card."""
    if dataset not in extractor_names():
        raise UserError(f"no feature extractor for {dataset!r}" + nearest(dataset, extractor_names()))
    with reinstalled():
        return read_extractor(assets() / f"{dataset}.json", assets() / f"{dataset}.safetensors")


@cache
def load_distilled(dataset: str) -> DistilledExtractor:
    """Return the distilled network of a dataset. Checks its weights against the hash on its card."""
    if dataset not in distilled_names():
        raise UserError(f"no distilled extractor for {dataset!r}" + nearest(dataset, distilled_names()))
    files = (distilled_assets() / f"{dataset}{suffix}" for suffix in (".json", ".safetensors"))
    with reinstalled():
        return DistilledExtractor(*read_weights(DistilledCard, *files))


@contextmanager
def reinstalled() -> Iterator[None]:
    """Context manager that adds to a UserError how damaged files of the package are replaced."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}; pip install --force-reinstall ganbench") from error
