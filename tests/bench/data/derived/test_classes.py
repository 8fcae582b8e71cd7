"""Tests of tasks between classes: two sides without pairs, and domains."""

from __future__ import annotations

from typing import get_args

import pytest

from bench.core.config import DATASETS
from bench.core.spec import Split
from bench.data.derived.classes import Domains, TwoSides

DIGITS = DATASETS.get("digits")
SPLITS = pytest.mark.parametrize("split", get_args(Split))
SIDES = TwoSides(name="sides", title="Sides", origin=DIGITS, given_classes=(8, 3), made_classes=(5, 1, 9))
DOMAINS = Domains(name="domains", title="Domains", origin=DIGITS, classes=(7, 2))


@SPLITS
def test_each_side_has_the_images_of_its_classes_with_labels_from_0(split: Split) -> None:
    found = SIDES.split(split)
    assert not found.aligned
    assert found.labels is not None
    assert found.given is not None
    assert found.given_labels is not None
    for label, digit in enumerate((5, 1, 9)):
        assert found.data[found.labels == label].equal(DIGITS.split(split).data[DIGITS.split(split).labels == digit])
    for label, digit in enumerate((8, 3)):
        assert found.given[found.given_labels == label].equal(DIGITS.split(split).data[DIGITS.split(split).labels == digit])
    assert len(found.data) == len(found.labels) != len(found.given) == len(found.given_labels)


@SPLITS
def test_domains_are_classes_with_labels_from_0_and_nothing_is_given(split: Split) -> None:
    found = DOMAINS.split(split)
    assert (found.given, found.given_labels) == (None, None)
    assert found.labels is not None
    for label, digit in enumerate((7, 2)):
        assert found.data[found.labels == label].equal(DIGITS.split(split).data[DIGITS.split(split).labels == digit])
    assert found.labels.bincount().sum() == len(found.data)
    order = found.labels[:20].unique()
    assert len(order) == 2, "the rows are in the order of the origin, not sorted by domain"


def test_names_and_classes_of_the_judge_are_those_of_the_images_to_make() -> None:
    assert (SIDES.class_names, SIDES.judge_classes, SIDES.spec.classes) == (("5", "1", "9"), (5, 1, 9), 3)
    assert (SIDES.spec.task, SIDES.spec.given) == ("unpaired", (1, 8, 8))
    assert (DOMAINS.class_names, DOMAINS.judge_classes, DOMAINS.spec.classes) == (("7", "2"), (7, 2), 2)
    assert (DOMAINS.spec.task, DOMAINS.spec.given) == ("domains", (1, 8, 8))


def test_fashion_tasks_have_the_classes_of_their_names() -> None:
    assert DATASETS.get("fashion-bags2shoes").class_names == ("Sneaker", "Ankle boot")
    assert DATASETS.get("fashion-tops").class_names == ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("digits-unpaired", "1d12d223cf6fa860e569d2a952bd9808a0d20f50c7125eeb642235c89270fd28"),
        ("digits-domains", "501f56d39162586545bf92fc11f341505f69ad77cb8fc827ce997d0078399205"),
        ("fashion-bags2shoes", "4de14db49d19345792a2373541c1f11d9f1399b4fed6af6736907300ba7db2ba"),
        ("fashion-tops", "20029ccf8a502e37527282e0afe25c961c5923d7f2aabfe542c5c6a1257ab1ee"),
    ],
)
def test_the_digest_never_changes(name: str, digest: str) -> None:
    assert DATASETS.get(name).digest() == digest
