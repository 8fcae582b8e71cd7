"""The columns of tables: a card with the meaning, direction, unit and source of each metric. This package does not import torch.

A card defines a column, and is the only source of these facts. MLflow keys, `evaluate`, tables, axes and the glossary use it.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace
from typing import get_args

from bench.core.errors import UserError, nearest, one_line
from bench.metrics.columns.definition import NEEDS, Card, Direction, Scale
from bench.metrics.columns.diversity import DIVERSITY
from bench.metrics.columns.memorisation import MEMORISATION
from bench.metrics.columns.modes import MIXTURE_JS, MODES, REVERSE_KL
from bench.metrics.columns.quality import FID_CLASSIFIER, FID_DISTILLED, PIXELS, QUALITY, SPECTRUM
from bench.metrics.columns.training import GENERATOR_UPDATES, IMAGES_PER_SECOND, PERF, TRAIN, TRAIN_SECONDS
from bench.metrics.columns.translation import TRANSLATION

__all__ = [
    "BEST", "BUILT_IN", "CARDS", "FID_CLASSIFIER", "FID_DISTILLED", "GENERATOR_UPDATES", "HEADLINES", "IMAGES_PER_SECOND", "MIXTURE_JS", "PIXELS", "REVERSE_KL",
    "SE", "SPECTRUM", "TRAIN_SECONDS", "UNMEASURED", "Card", "Direction", "card", "check_card", "headline_among", "is_metric", "is_standard_error", "measured", "register_card",
]  # fmt: skip

KEY = re.compile(r"[a-z0-9_]+/[a-z0-9_]+")
LONGEST = {"key": 100, "title": 80, "unit": 40, "meaning": 2000, "citation": 500}  # characters
MOST_VERSIONS = 1_000_000
MOST_MARGIN = 1e6
UNMEASURED = ("train", "perf", "best")  # groups that no evaluation computes: best/ repeats computed ones

CARDS: dict[str, Card] = {card.key: card for card in (*QUALITY, *DIVERSITY, *MODES, *MEMORISATION, *TRANSLATION, *TRAIN, *PERF)}
BUILT_IN = frozenset(CARDS)
BEST = "best/"  # prefix of a key: the metric of the best checkpoint
SE = "_se"  # suffix of a key: the standard error from half-samples
HEADLINES = (
    MIXTURE_JS,
    REVERSE_KL,
    FID_DISTILLED,
    FID_CLASSIFIER,
    PIXELS,
)  # the headline metric of data is the first of these that the data has


def card(key: str) -> Card:
    """Return the card of a metric. Raises UserError with the nearest keys for an unknown metric.

    `best/<key>` is the metric of the best checkpoint, `<key>_se` its standard error.
    """
    plain = _plain(key)
    if plain not in CARDS:
        raise UserError(f"unknown metric {key!r}" + nearest(plain, CARDS))
    found = CARDS[plain]
    title = found.title + (", standard error" if _is_error(key) else "") + (", best checkpoint" if key.startswith(BEST) else "")
    return found if plain == key else replace(found, key=key, title=title, direction="none" if _is_error(key) else found.direction)


def headline_among(keys: Container[str]) -> str | None:
    """Return the headline metric of runs with these metrics, or None."""
    return next((key for key in HEADLINES if key in keys), None)


def is_metric(key: str) -> bool:
    """Return whether a key has a card. As in `card`, the key may have `best/` and `_se`."""
    return _plain(key) in CARDS


def is_standard_error(key: str) -> bool:
    """Return whether a key is that of the standard error of a metric with a card."""
    return _is_error(key) and is_metric(key)


def _is_error(key: str) -> bool:
    return key.endswith(SE)  # `check_card` refuses metrics with such a key


def _plain(key: str) -> str:
    plain = key.removeprefix(BEST)
    return plain.removesuffix(SE) if _is_error(key) else plain


def measured() -> tuple[str, ...]:
    """Return the metrics that a full evaluation can compute, in the order of registration. Excludes those of training and performance."""
    return tuple(key for key, found in CARDS.items() if found.group not in UNMEASURED)


def register_card(new: Card) -> Card:
    """Register the card of a metric. An equal card may be registered again. Raises UserError for a different card of the same key.

    A process that evaluates gets the card from an installed catalogue that registers it (`bench.core.registry`), and records it
    with its runs. A process that reads results imports no catalogue. It gets the card from the runs
    (`bench.metrics.columns.recorded`).
    """
    check_card(new)
    known = CARDS.get(new.key)
    if known is not None and known != new and not known.recorded:
        raise UserError(f"there are two metrics named {new.key!r}: rename one of them")
    if known != new:
        CARDS.pop(new.key, None)  # so that it comes last, as without the recorded card
        CARDS[new.key] = new
    return CARDS[new.key]


def check_card(new: Card) -> None:
    """Raise a UserError unless a card has a valid key, direction, scale and margin, and plain texts of limited length."""
    if not KEY.fullmatch(new.key) or len(new.key) > LONGEST["key"]:
        raise UserError(f"invalid key {one_line(repr(new.key), most=80)} of a metric: a key is group/name in small letters, digits and _")
    if new.key.endswith(SE):
        raise UserError(f"the key of the metric {new.key!r} ends in {SE}, as those of standard errors do: choose another key")
    needs: object = new.needs  # a user's catalogue may pass anything
    strange = next((need for need in needs if need not in NEEDS), None) if isinstance(needs, tuple) else needs
    if strange is not None:
        known = nearest(str(strange), NEEDS)
        raise UserError(f"the metric {new.key!r}: `needs` is a tuple of known words, not {one_line(repr(strange), most=80)}{known}")
    if new.direction not in get_args(Direction):
        raise UserError(
            f"the metric {new.key!r}: unknown direction {one_line(repr(new.direction), most=80)}{nearest('', get_args(Direction))}"
        )
    if new.scale not in get_args(Scale):
        raise UserError(f"the metric {new.key!r}: unknown scale {one_line(repr(new.scale), most=80)}{nearest('', get_args(Scale))}")
    least_margin = 1.0 if new.scale == "ratio" else 0.0
    is_number = isinstance(new.margin, (int, float)) and not isinstance(new.margin, bool)
    if new.margin is not None and not (is_number and least_margin < new.margin <= MOST_MARGIN):
        wanted = f"a number above {least_margin:g} and up to {MOST_MARGIN:g} (its scale is {new.scale!r})"
        raise UserError(f"the metric {new.key!r}: its margin is {wanted}, not {one_line(repr(new.margin), most=80)}")
    for name, text in {"title": new.title, "unit": new.unit, "meaning": new.meaning, "citation": new.citation}.items():
        plain, least = " ".join(text.split()), int(name in ("title", "meaning"))
        if not least <= len(plain) <= LONGEST[name] or not plain.isprintable():
            wanted = f"plain text of {least} to {LONGEST[name]} characters"
            raise UserError(f"the metric {new.key!r}: its {name} is {wanted}, not {one_line(repr(plain), most=80)}")
    if not 1 <= new.version <= MOST_VERSIONS:
        raise UserError(f"the metric {new.key!r}: its version is a whole number from 1, not {one_line(repr(new.version), most=80)}")
