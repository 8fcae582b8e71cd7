"""Cards of user-defined metrics, recorded with a run, so that a report shows the metrics without their code.

protocol.json contains them under "cards": {key: {title, direction, unit, meaning, citation, version}}, with scale and margin if they
differ from their defaults. This module does not import torch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

from bench.core.errors import UserError, one_line
from bench.metrics.columns import BUILT_IN, CARDS, UNMEASURED, Card, Direction, check_card, register_card

log = logging.getLogger(__name__)

TEXTS = ("title", "direction", "unit", "meaning", "citation")
FIELDS = (*TEXTS, "version")
ADDED: dict[str, Any] = {"scale": "ratio", "margin": None}  # fields that earlier runs never recorded, with their defaults


def described(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the cards of the user-defined metrics among these keys, as JSON values."""
    return {key: _plain(CARDS[key]) for key in keys if key not in BUILT_IN}


def register_recorded_cards(recorded: Iterable[tuple[str, Any]]) -> None:
    """Register the cards of runs, given as (run id, the run's "cards"), the newest run first.

    A registered card, or one of a newer run, takes precedence. The function ignores a different or invalid card, with one warning for
    each metric.
    """
    reported: set[str] = set()
    for run_id, cards in recorded:
        for key, given in _items(cards):
            try:
                _register(key, given)
            except UserError as error:
                if key not in reported:
                    log.warning("run %s: %s; its card is ignored", run_id, error)
                reported.add(key)


def _items(cards: Any) -> Iterable[tuple[str, Any]]:
    if cards is None:  # runs of versions that record no cards
        return ()
    return cards.items() if isinstance(cards, dict) else (("", cards),)


def _register(key: str, given: Any) -> None:
    card = _card(key, given)
    known = CARDS.get(key)
    if known is None:
        register_card(card)
    elif any(_plain(known).get(name) != value for name, value in _plain(card).items()):
        raise UserError(f"it describes the metric {key!r} differently from {'a newer run' if known.recorded else 'the installed ganbench'}")


def _card(key: str, given: Any) -> Card:
    """Return a recorded card. Raises UserError for an invalid one."""
    if not isinstance(given, Mapping) or not all(isinstance(given.get(name), str) for name in TEXTS):
        raise UserError(f"the recorded metric {one_line(repr(key), most=80)} has no valid card: {one_line(repr(given), most=80)}")
    version = given.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise UserError(f"the recorded metric {one_line(repr(key), most=80)} has no version: {one_line(repr(version), most=80)}")
    scale, margin = (given.get(name, default) for name, default in ADDED.items())
    title, direction, unit, meaning, citation = (" ".join(given[name].split()) for name in TEXTS)
    card = Card(
        key=key, title=title, direction=cast(Direction, direction), unit=unit, meaning=meaning, citation=citation, version=version,
        scale=scale, margin=margin, recorded=True,
    )  # fmt: skip
    check_card(card)
    if card.group in UNMEASURED:
        raise UserError(f"{key!r}: no evaluation gives metrics of the group {card.group!r}")
    return card


def _plain(card: Card) -> dict[str, Any]:
    """Return the fields of a card that a run records, each text on one line."""
    found = {name: getattr(card, name) for name in FIELDS}
    found |= {name: getattr(card, name) for name, default in ADDED.items() if getattr(card, name) != default}
    return {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in found.items()}
