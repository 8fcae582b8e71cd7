"""Families of emoji: the variants of one emoji, which differ in skin tone, gender, age or hair. A split must not separate them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Sequence = tuple[int, ...]  # code points of an emoji

ZERO_WIDTH_JOINER = 0x200D
_SIGNS = {ZERO_WIDTH_JOINER, 0xFE0F, 0x2640, 0x2642}  # joiner, emoji presentation, woman and man: dropped from sequences
_HAIR = set(range(0x1F9B0, 0x1F9B4))
SKIN_TONES = set(range(0x1F3FB, 0x1F400))
_LETTERS = set(range(0x1F1E6, 0x1F200))  # regional indicators: two of them are a flag
_TAGS = set(range(0xE0020, 0xE0080))  # of the flags of regions
_KEYS = {ord(key) for key in "#*0123456789"} | {0x20E3}
COMPONENTS = _SIGNS | _HAIR | SKIN_TONES | _LETTERS | _TAGS | _KEYS  # no emoji by themselves
PERSON, CHILD, OLDER = 0x1F9D1, 0x1F9D2, 0x1F9D3
_SAME: Mapping[int, int] = {
    0x1F468: PERSON, 0x1F469: PERSON,  # man, woman
    0x1F466: CHILD, 0x1F467: CHILD,  # boy, girl
    0x1F474: OLDER, 0x1F475: OLDER,  # old man, old woman
    0x1F934: 0x1FAC5, 0x1F478: 0x1FAC5,  # prince, princess: person with crown
    0x1F483: 0x1F57A,  # woman and man dancing
    0x1F930: 0x1FAC4, 0x1FAC3: 0x1FAC4,  # pregnant woman, man: pregnant person
    0x1F936: 0x1F385,  # Mrs and Santa Claus
}  # fmt: skip
_SPELLED: Mapping[Sequence, Sequence] = {
    (0x1F46B,): (0x1F91D, PERSON, PERSON), (0x1F46C,): (0x1F91D, PERSON, PERSON), (0x1F46D,): (0x1F91D, PERSON, PERSON),  # holding hands
    (0x1F48F,): (0x2764, 0x1F48B, PERSON, PERSON),  # kiss
    (0x1F491,): (0x2764, PERSON, PERSON),  # couple with heart
    (0x1F384, PERSON): (0x1F385,),  # mx claus
    (0x1FAF1, 0x1FAF2): (0x1F91D,),  # two hands of different skin tones: handshake
}  # fmt: skip
_FAMILY = (0x1F46A,)


def family_of(sequence: Sequence) -> Sequence:
    """Return the name of the family of an emoji: its code points without what varies, sorted, because the font also has mirrored orders."""
    if is_flag(sequence):
        return sequence  # the order of its letters tells which one
    varying = _SIGNS | _HAIR | SKIN_TONES if len(sequence) > 1 else set()
    points = tuple(point for point in sequence if point not in varying) or sequence
    found = tuple(sorted(_SAME.get(point, point) for point in points))
    if len(found) > 1 and set(found) <= {PERSON, CHILD}:
        return _FAMILY
    return _SPELLED.get(found, found)


def is_flag(sequence: Sequence) -> bool:
    """Return whether an emoji is the flag of a country or a region."""
    return any(point in _LETTERS | _TAGS for point in sequence)


def is_people(family: Sequence, tones: Collection[Sequence]) -> bool:
    """Return whether a family is of people or hands: it has a skin tone, or people are a part of it. `tones`: families with a skin tone."""
    return family in tones or family == _FAMILY or bool({PERSON, CHILD, OLDER} & set(family))
