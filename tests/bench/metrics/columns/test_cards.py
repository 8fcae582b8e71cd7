"""Metric cards."""

from __future__ import annotations

from typing import Any

import pytest

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.registry import load_catalogs
from bench.core.spec import DataShape, Examples, Split
from bench.data.catalog import available
from bench.evaluation.evaluator import CAS, LABELS_REQUESTED, Evaluator, capabilities
from bench.metrics.columns import (
    BUILT_IN,
    CARDS,
    FID_CLASSIFIER,
    FID_DISTILLED,
    HEADLINES,
    PIXELS,
    Card,
    card,
    headline_among,
    is_metric,
    measured,
    register_card,
)
from bench.metrics.columns.definition import NEEDS, TRANSLATION_NEEDS
from bench.metrics.columns.translation import TRANSLATION
from bench.metrics.extractors import INCEPTION, PHOTO

LOGGED = {"log-odds"}  # training metrics need these, whatever the data


@pytest.mark.parametrize("key", CARDS)
def test_a_card_is_complete(key: str) -> None:
    found = card(key)
    assert found.key == key
    assert found.group in {"train", "quality", "diversity", "modes", "memorisation", "fidelity", "cycle", "identity", "perf"}
    assert found.meaning.endswith(".")
    assert found.arrow == {"lower": "↓", "higher": "↑", "none": ""}[found.direction]
    if key in measured():
        assert found.citation


def test_fid_is_never_called_fid_alone() -> None:
    assert all(found.title != "FID" for found in CARDS.values())


def test_unknown_key() -> None:
    for key in ("quality/fid_clasifier", "best/quality/fid_clasifier", "quality/fid_clasifier_se"):
        with pytest.raises(UserError, match=f"unknown metric '{key}'; did you mean 'quality/fid_classifier'"):
            card(key)


@pytest.mark.parametrize(
    ("key", "title", "direction"),
    [
        (FID_CLASSIFIER, "classifier-FID", "lower"),
        (f"{FID_CLASSIFIER}_se", "classifier-FID, standard error", "none"),
        (f"best/{FID_CLASSIFIER}", "classifier-FID, best checkpoint", "lower"),
        (f"best/{FID_CLASSIFIER}_se", "classifier-FID, standard error, best checkpoint", "none"),
    ],
)
def test_the_best_checkpoint_and_standard_errors_have_cards(key: str, title: str, direction: str) -> None:
    found, plain = card(key), card(FID_CLASSIFIER)
    assert (found.key, found.title, found.direction) == (key, title, direction)
    assert (found.unit, found.meaning, found.citation) == (plain.unit, plain.meaning, plain.citation)
    assert is_metric(key)


@pytest.mark.parametrize(
    "key", ["quality/fid", "quality/fid_se", "best/", "_se", "best/_se", f"{FID_CLASSIFIER}_se_se", "param:quality", ""]
)
def test_an_unknown_key_is_not_a_metric(key: str) -> None:
    assert not is_metric(key)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"key": "quality/mean_se"}, "'quality/mean_se' ends in _se"),
        ({"needs": ("classifer",)}, "not 'classifer'; did you mean 'classifier'"),
        ({"needs": "classifier"}, "a tuple of known words, not 'classifier'"),
        ({"needs": ["classifier"]}, r"a tuple of known words, not \['classifier'\]"),
    ],
)
def test_cards_that_would_be_taken_for_something_else(changed: dict[str, Any], message: str, tables: None) -> None:
    fields: dict[str, Any] = {"key": "quality/mean", "title": "mean", "direction": "lower", "meaning": "Its own.", **changed}
    with pytest.raises(UserError, match=message):
        register_card(Card(**fields))


def test_the_headline_is_the_first_there_is() -> None:
    assert headline_among(measured()) == HEADLINES[0]
    assert headline_among({PIXELS, FID_CLASSIFIER, FID_DISTILLED}) == FID_DISTILLED
    assert headline_among({PIXELS, FID_CLASSIFIER, f"{FID_DISTILLED}_se"}) == FID_CLASSIFIER
    assert headline_among([PIXELS]) == PIXELS
    assert headline_among(["diversity/vendi_score"]) is None
    assert all(card(key).direction == "lower" for key in HEADLINES), "the best checkpoint needs headlines with direction lower"


class Unlabelled:
    """Large grey images without classes."""

    name = title = "unlabelled"
    class_names = ()
    spec = DataShape(kind="image", shape=(1, 24, 24))
    claims = False

    def digest(self) -> str:
        raise NotImplementedError

    def split(self, name: Split) -> Examples:
        raise NotImplementedError


def test_every_need_is_given_by_some_data_and_every_metric_has_data() -> None:
    load_catalogs()
    here = [DATASETS.get(name) for name in DATASETS.names() if available(name) is None]
    given = [capabilities(dataset, inception=True, photo=True, cas=True) for dataset in (*here, Unlabelled())]
    for key in BUILT_IN:
        needs = set(card(key).needs)
        if key not in measured():
            assert needs <= LOGGED, key
        else:
            assert needs <= set(NEEDS), key
            others = {LABELS_REQUESTED, *TRANSLATION_NEEDS}  # conditional models and translations provide these
            assert any(needs <= provided | others for provided in given), key


def test_no_data_of_generation_has_a_metric_of_translation() -> None:
    load_catalogs()
    here = [DATASETS.get(name) for name in DATASETS.names() if available(name) is None]
    generation = [dataset for dataset in (*here, Unlabelled()) if dataset.spec.task == "generation"]
    assert generation
    for dataset in generation:
        assert not capabilities(dataset, inception=True, photo=True, cas=True) & TRANSLATION_NEEDS, dataset.name
    keys = {found.key for found in TRANSLATION}
    assert keys == {key for key in measured() if set(card(key).needs) & TRANSLATION_NEEDS}
    assert all("image" in found.needs for found in TRANSLATION), "the units are those of images"
    assert keys <= BUILT_IN


def test_metrics_of_translation_change_no_protocol_of_generation(tables: None) -> None:
    load_catalogs()
    names = [name for name in ("digits", "fashion-mnist", "ring8", "stacked-digits") if available(name) is None]

    def protocols() -> list[tuple[str, str, dict[str, str]]]:
        found = [Evaluator(DATASETS.get(name)) for name in names]
        return [(each.protocol_hash, each.curve_protocol, each.protocol({"asked"})) for each in found]

    before = protocols()
    for found in TRANSLATION:
        del CARDS[found.key]
    assert protocols() == before


def test_only_metrics_of_two_extractors_and_cas_are_optional() -> None:
    optional = {key for key in measured() if {INCEPTION, PHOTO, CAS} & set(card(key).needs)}
    assert optional == {
        "quality/fid_inception", "quality/kid_inception", "quality/inception_score", "quality/fid_photo", "quality/kid_photo", "quality/cas",
    }  # fmt: skip
    digits = DATASETS.get("digits")
    assert capabilities(digits, inception=True) - capabilities(digits) == {INCEPTION}
    assert capabilities(digits, photo=True) - capabilities(digits) == {PHOTO}
    assert capabilities(digits, cas=True) - capabilities(digits) == {CAS}
    assert capabilities(Unlabelled()) == {"image", "features", "latents", "pixels", "neighbours", "training", "11px", "22px"}
