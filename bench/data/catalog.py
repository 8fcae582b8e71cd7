"""The table of datasets, and functions that load no examples: availability, fetching and the choice of `auto`."""

from __future__ import annotations

import logging
from functools import cache

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data import fetched
from bench.data.cifar10 import CIFAR10
from bench.data.derived.canny import CannyPlan
from bench.data.derived.classes import Domains, TwoSides
from bench.data.derived.downscaled import Downscaled
from bench.data.derived.edges import EdgePairs
from bench.data.digits import Digits
from bench.data.emoji.dataset import EMOJI, EMOJI_32
from bench.data.fashion_mnist import FASHION_MNIST
from bench.data.folder.dataset import make
from bench.data.folder.name import SCHEME
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


FASHION_EDGES = CannyPlan(sigma=1.0, low=26, high=51)  # scikit-image's defaults: 0.1 and 0.2 of the white level
DIGITS_EDGES = CannyPlan(sigma=0.0, low=200, high=400)  # strokes are one or two pixels wide, so smoothing would join their two edges
EMOJI_EDGES = CannyPlan(sigma=1.0, low=26, high=51)
EMOJI_32_EDGES = CannyPlan(sigma=0.7, low=60, high=120)

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
    Downscaled(name="fashion-x4", title="Fashion-MNIST, 7 to 28 pixels", origin=FASHION_MNIST, factor=4),
    Downscaled(name="fashion-x2", title="Fashion-MNIST, 14 to 28 pixels", origin=FASHION_MNIST, factor=2),
    EdgePairs(name="fashion-edges", title="Fashion-MNIST, edges to image", origin=FASHION_MNIST, plan=FASHION_EDGES),
    TwoSides(
        name="fashion-bags2shoes", title="Fashion-MNIST, bags to shoes", origin=FASHION_MNIST, given_classes=(8,), made_classes=(7, 9)
    ),
    Domains(name="fashion-tops", title="Fashion-MNIST, five kinds of tops", origin=FASHION_MNIST, classes=(0, 2, 3, 4, 6)),
    EMOJI,
    EMOJI_32,
    EdgePairs(name="emoji-edges", title="Emoji, edges to image, 64 pixels", origin=EMOJI, plan=EMOJI_EDGES, line=0, background=255),
    EdgePairs(
        name="emoji-32-edges", title="Emoji, edges to image, 32 pixels", origin=EMOJI_32, plan=EMOJI_32_EDGES, line=0, background=255
    ),
    Downscaled(name="digits-x2", title="Digits, 4 to 8 pixels", origin=DIGITS, factor=2),
    EdgePairs(name="digits-edges", title="Digits 8x8, edges to image", origin=DIGITS, plan=DIGITS_EDGES),
    TwoSides(
        name="digits-unpaired", title="Digits 8x8, 0, 6 and 8 to 1 and 7", origin=DIGITS, given_classes=(0, 6, 8), made_classes=(1, 7)
    ),
    Domains(name="digits-domains", title="Digits 8x8, domains 1, 4 and 7", origin=DIGITS, classes=(1, 4, 7)),
)
for _dataset in DATA:
    DATASETS.register(_dataset.name, _dataset)
DATASETS.scheme(SCHEME, make, name=lambda item: item.name)
