"""Groups of entries without a significant difference, as letters: a compact letter display (Piepho 2004, J. Comput. Graph. Stat. 13).

Two entries share a letter if and only if the test of their pair finds no significant difference. Each letter is a maximal clique of such pairs.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Sequence

from reports.comparisons import Comparison
from reports.format import letters_of

ABSENT = "·"  # in place of the letter of a group that an entry is not in


def letters(names: Sequence[str], pairs: Sequence[Comparison]) -> dict[str, str]:
    """Return the letters of each entry with a test, one position for each group: "AB·". The result is empty without tests.

    `names` are in the order of the ranking, and so are the groups. After the group Z follow AA, AB, ... Then the letters of an entry
    are a list without positions, "Z AA", because a position for each group would make the column too wide.
    """
    tested = {name for pair in pairs if pair.p is not None for name in (pair.a, pair.b)}
    found = groups([name for name in names if name in tested], pairs)
    marks = [(letters_of(index, string.ascii_uppercase), group) for index, group in enumerate(found)]
    if len(marks) > len(string.ascii_uppercase):
        return {name: " ".join(letter for letter, group in marks if name in group) for name in names if name in tested}
    return {name: "".join(letter if name in group else ABSENT for letter, group in marks) for name in names if name in tested}


def groups(names: Sequence[str], pairs: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return maximal cliques that together contain every tested pair without a significant difference, and every name."""
    alike: dict[str, set[str]] = {name: set() for name in names}
    for pair in pairs:
        if pair.p is not None and pair.better is None:
            alike[pair.a].add(pair.b)
            alike[pair.b].add(pair.a)
    found: list[set[str]] = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if b in alike[a] and not any({a, b} <= group for group in found):
                found.append(_clique({a, b}, names, alike))
    for group in list(found):  # later groups may contain all pairs of an earlier one
        others = [other for other in found if other is not group]
        if all(any({a, b} <= other for other in others) for a, b in itertools.combinations(group, 2)):
            found = others
    found += [{name} for name in names if not alike[name]]
    places = {name: place for place, name in enumerate(names)}
    return sorted((tuple(sorted(group, key=places.__getitem__)) for group in found), key=lambda group: [places[name] for name in group])


def _clique(pair: set[str], names: Sequence[str], alike: dict[str, set[str]]) -> set[str]:
    """Return a maximal clique that contains a pair. It grows in the order of the ranking."""
    members = set(pair)
    for name in names:
        if name not in members and members <= alike[name]:
            members.add(name)
    return members
