"""Letters of groups without a significant difference: two entries share one if and only if their pair is undecided."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from reports.comparisons import Comparison
from reports.groups import ABSENT, groups, letters


def comparisons(names: str, undecided: set[str], untested: str = "") -> list[Comparison]:
    """Return the pairs of one-letter names. Pairs with an untested name have no test."""
    return [
        Comparison(a=a, b=b, reason="x")
        if a in untested or b in untested
        else Comparison(a=a, b=b, p=0.5 if a + b in undecided else 0.001, better=None if a + b in undecided else a)
        for a, b in itertools.combinations(names, 2)
    ]


def test_a_chain_by_hand() -> None:
    """Piepho 2004, the usual case: neighbours are alike, the ends differ."""
    assert letters(list("abcd"), comparisons("abcd", {"ab", "bc", "cd"})) == {"a": "A··", "b": "AB·", "c": "·BC", "d": "··C"}


def test_all_alike_and_all_different() -> None:
    assert letters(list("abc"), comparisons("abc", {"ab", "ac", "bc"})) == dict.fromkeys("abc", "A")
    assert letters(list("abc"), comparisons("abc", set())) == {"a": "A··", "b": "·B·", "c": "··C"}


def test_a_group_need_not_be_neighbours() -> None:
    assert letters(list("abc"), comparisons("abc", {"ac"})) == {"a": "A·", "b": "·B", "c": "A·"}


def test_untested_entries_have_no_letter() -> None:
    assert letters(list("abc"), comparisons("abc", {"ab"}, untested="c")) == {"a": "A", "b": "A"}
    assert letters(list("ab"), comparisons("ab", set(), untested="b")) == {}


def test_more_groups_than_letters_have_two_letters() -> None:
    names = "".join(chr(ord("a") + i) for i in range(30))
    found = letters(list(names), comparisons(names, {names[25:27], names[26:28]}))
    assert [found[name] for name in names[:2] + names[24:]] == ["A", "B", "Y", "Z", "Z AA", "AA", "AB", "AC"]
    assert letters(list(names[:26]), comparisons(names[:26], set()))["z"] == ABSENT * 25 + "Z"


def test_entries_of_a_large_table_share_a_group_if_and_only_if_their_pair_is_undecided() -> None:
    random = np.random.default_rng(0)
    names = "".join(chr(ord("a") + i) for i in range(40))
    undecided = {a + b for a, b in itertools.combinations(names, 2) if random.random() < 0.1}
    found = letters(list(names), comparisons(names, undecided))
    assert len({letter for text in found.values() for letter in text.split()}) > 52
    for a, b in itertools.combinations(names, 2):
        assert bool(set(found[a].split()) & set(found[b].split())) is (a + b in undecided)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_random_tables(share: float) -> None:
    random = np.random.default_rng(round(10 * share))
    for _ in range(40):
        names = "abcdefg"
        undecided = {a + b for a, b in itertools.combinations(names, 2) if random.random() < share}
        pairs = comparisons(names, undecided)
        found = letters(list(names), pairs)
        for a, b in itertools.combinations(names, 2):
            assert bool(set(found[a]) & set(found[b]) - {ABSENT}) is (a + b in undecided)
        for group in groups(list(names), pairs):  # every group is maximal
            for other in set(names) - set(group):
                assert not all("".join(sorted((other, member))) in undecided for member in group)
