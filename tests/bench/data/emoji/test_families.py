"""Tests of families of emoji: variants of one emoji have the same family, and different emoji do not."""

from __future__ import annotations

import pytest

from bench.data.emoji.families import family_of, is_flag, is_people

SAME = [
    ("👍", "👍🏻", "👍🏿"),
    ("🏃", "🏃‍♀️", "🏃🏽‍♂️", "🏃🏿"),
    ("🧑‍🚀", "👩‍🚀", "👨🏾‍🚀"),
    ("🧑", "👨", "👩🏻", "👩‍🦰", "🧑🏽‍🦲"),
    ("🧒", "👧", "👦🏿"),
    ("🧓", "👵", "👴🏽"),
    ("👭", "👬🏽", "👫", "🧑‍🤝‍🧑", "👩🏻‍🤝‍👨🏿"),
    ("💏", "👩‍❤️‍💋‍👨", "🧑🏻‍❤️‍💋‍🧑🏾"),
    ("💑", "👩‍❤️‍👩", "🧑🏻‍❤️‍🧑🏾"),
    ("👪", "👨‍👩‍👧", "👩‍👦‍👦", "🧑‍🧑‍🧒"),
    ("🤴", "👸🏽", "🫅"),
    ("💃", "🕺🏿"),
    ("🎅", "🤶🏻", "🧑‍🎄"),
    ("🤝", "🫱🏻‍🫲🏿"),
]


@pytest.mark.parametrize("variants", SAME)
def test_variants_of_one_emoji_are_one_family(variants: tuple[str, ...]) -> None:
    assert len({family_of(tuple(map(ord, variant))) for variant in variants}) == 1


def test_different_emoji_are_different_families() -> None:
    firsts = [*(variants[0] for variants in SAME), "♀", "♂", "🧟", "😀", "🔥", "❤", "❤️‍🔥", "🏳️‍🌈", "🏴‍☠️", "🇪🇸", "🇸🇪", "👯"]
    assert len({family_of(tuple(map(ord, first))) for first in firsts}) == len(firsts)


def test_a_font_may_have_a_sequence_in_mirrored_order() -> None:
    sequence = tuple(map(ord, "🧑🏽‍🚀"))
    assert family_of(tuple(reversed(sequence))) == family_of(sequence)


def test_flags_are_pairs_of_letters_and_sequences_of_tags() -> None:
    england = (0x1F3F4, 0xE0067, 0xE0062, 0xE0065, 0xE006E, 0xE0067, 0xE007F)
    for text, expected in (("🇸🇪", True), ("🏴", False), ("🏳️‍🌈", False)):
        assert is_flag(tuple(map(ord, text))) is expected
    assert is_flag(england)


def test_people_have_a_skin_tone_or_people_in_them() -> None:
    hand, fire, group = (family_of(tuple(map(ord, text))) for text in ("👍", "🔥", "👨‍👩‍👧"))
    assert is_people(hand, {hand})
    assert not is_people(fire, {hand})
    assert is_people(group, set())
    assert is_people(family_of(tuple(map(ord, "🧑‍🚀"))), set())
