"""The table of datasets, and what can be asked of one before it is loaded: is it here, fetch it, which does `auto` mean."""

from __future__ import annotations

import logging
from functools import cache
from typing import Protocol, runtime_checkable

from bench.config import DATASETS
from bench.data.digits import Digits
from bench.data.fashion_mnist import FASHION_MNIST
from bench.data.folder.dataset import SCHEME, make
from bench.errors import UserError

log = logging.getLogger(__name__)

PREFERRED = "fashion-mnist"
EMBEDDED = "digits"


@runtime_checkable
class Fetched(Protocol):
    """A dataset whose bytes must first be fetched. One without these two methods is always here."""

    def missing(self) -> str | None: ...
    def fetch(self) -> str: ...


def available(name: str) -> str | None:
    """None where the dataset can be loaded now; else why not. Uses no network."""
    dataset = DATASETS.get(name)
    return dataset.missing() if isinstance(dataset, Fetched) else None


def fetch(name: str) -> str:
    """Have a dataset's bytes on this machine, and say where they came from."""
    dataset = DATASETS.get(name)
    return dataset.fetch() if isinstance(dataset, Fetched) else "the installed packages: nothing to fetch"


@cache
def resolve_auto() -> str:
    """The dataset that `auto` means here: Fashion-MNIST where it can be had, else the embedded digits, and that is said loudly."""
    try:
        fetch(PREFERRED)
    except UserError as error:
        log.warning(
            "%s. Using the embedded dataset %r instead: 1,797 images of 8x8 pixels, enough for a first look. RESULTS ON IT SUPPORT NO CLAIM.",
            str(error).removesuffix(", or use --dataset digits"),
            EMBEDDED,
        )
        return EMBEDDED
    return PREFERRED


DATASETS.register(FASHION_MNIST.name, FASHION_MNIST)
DATASETS.register(EMBEDDED, Digits())
DATASETS.scheme(SCHEME, make, name=lambda item: item.name)
