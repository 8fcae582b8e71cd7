"""The table of datasets, and functions that load no examples: availability, fetching and the choice of `auto`."""

from __future__ import annotations

import logging
from functools import cache

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data import fetched
from bench.data.cifar10 import CIFAR10
from bench.data.digits import Digits
from bench.data.fashion_mnist import FASHION_MNIST
from bench.data.folder.dataset import SCHEME, make
from bench.data.mixtures import GRID25, RING8
from bench.data.mnist import MNIST
from bench.data.stacked import StackedImages

log = logging.getLogger(__name__)

PREFERRED = "fashion-mnist"
EMBEDDED = "digits"


def available(name: str) -> str | None:
    """Return None if the dataset can be loaded now, else the reason why not. Uses no network."""
    return fetched.missing(DATASETS.get(name))


def fetch(name: str) -> str:
    """Fetch the files of a dataset unless they are cached, and return their source."""
    return fetched.fetch(DATASETS.get(name))


@cache
def resolve_auto() -> str:
    """Return the dataset that `auto` means: Fashion-MNIST if it can be fetched, else the embedded digits, with a warning."""
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


DIGITS = Digits()
DATA: tuple[Dataset, ...] = (
    FASHION_MNIST,
    MNIST,
    CIFAR10,
    DIGITS,
    RING8,
    GRID25,
    StackedImages(name="stacked-fashion", title="Stacked Fashion-MNIST", base=FASHION_MNIST),
    StackedImages(name="stacked-mnist", title="Stacked MNIST", base=MNIST),
    StackedImages(name="stacked-digits", title="Stacked digits 8x8", base=DIGITS),
)
for _dataset in DATA:
    DATASETS.register(_dataset.name, _dataset)
DATASETS.scheme(SCHEME, make, name=lambda item: item.name)
