"""Tests of datasets by name, and of the dataset that `auto` selects."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.data import catalog
from bench.data.fashion_mnist import FASHION_MNIST


@pytest.fixture
def fashion_from(monkeypatch: pytest.MonkeyPatch, cache_folder) -> Iterator[object]:
    """Yield a function that replaces the sources of `fashion-mnist` during the test."""
    catalog.resolve_auto.cache_clear()
    yield lambda *sources: monkeypatch.setitem(DATASETS._items, "fashion-mnist", replace(FASHION_MNIST, sources=sources))
    catalog.resolve_auto.cache_clear()


def test_digits_are_always_here():
    assert catalog.available("digits") is None
    assert "nothing to fetch" in catalog.fetch("digits")


def test_a_dataset_that_is_not_here_says_how_to_have_it(fashion_from, source):
    used: list[str] = []
    fashion_from(source("net", None, used))
    assert "ganbench data fetch fashion-mnist" in str(catalog.available("fashion-mnist"))
    assert used == [], "`available` reads from a source, but it must use no network"


def test_unknown_names_are_refused_with_the_nearest():
    for ask in (catalog.available, catalog.fetch):
        with pytest.raises(UserError, match="did you mean 'fashion-mnist'"):
            ask("fashion-mnst")


def test_auto_falls_back_to_digits_loudly(fashion_from, source, caplog):
    fashion_from(source("net", None))
    with caplog.at_level(logging.WARNING):
        assert catalog.resolve_auto() == "digits"
    (message,) = [record.message for record in caplog.records]
    assert "net (it is closed)" in message
    assert "SUPPORT NO CLAIM" in message
    assert "\n" not in message


def test_auto_takes_fashion_mnist_where_it_can_be_had(idx_files, source, fashion_from, monkeypatch, caplog):
    monkeypatch.setitem(DATASETS._items, "fashion-mnist", idx_files.build(source("shop", idx_files.contents)))
    with caplog.at_level(logging.WARNING):
        assert catalog.resolve_auto() == "fashion-mnist"
    assert not caplog.records
    assert catalog.available("fashion-mnist") is None
