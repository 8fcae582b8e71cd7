"""Tests of what all derived datasets have in common. The origin must be fetched, and it is the judge."""

from __future__ import annotations

import pytest

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Judged, Stacked
from bench.data.derived.downscaled import Downscaled


def test_an_origin_that_must_be_fetched_is_asked(idx_files, source, cache_folder) -> None:
    origin = idx_files.build(source("shop", idx_files.contents))
    derived = Downscaled(name="made-small", title="Made", origin=origin, factor=1)
    digest = derived.digest()
    assert "ganbench data fetch made" in str(derived.missing())
    assert (derived.sources, derived.files) == (origin.sources, origin.files)
    assert derived.fetch() == "shop"
    assert derived.missing() is None
    assert derived.digest() == digest, "the digest depends on the files in the cache"
    assert derived.split("test").data.shape == (5, 1, 4, 3)


def test_an_embedded_origin_is_always_here() -> None:
    derived = Downscaled(name="small", title="Small", origin=DATASETS.get("digits"), factor=2)
    assert derived.missing() is None
    assert "nothing to fetch" in derived.fetch()
    assert not derived.claims
    with pytest.raises(UserError, match="'val'"):
        derived.split("val")  # type: ignore[arg-type]


def test_the_digest_depends_on_the_origin_and_the_definition() -> None:
    origins = DATASETS.get("digits"), DATASETS.get("mnist")
    digests = {Downscaled(name="x", title="x", origin=origin, factor=factor).digest() for origin in origins for factor in (2, 4)}
    assert len(digests) == 4
    names = {Downscaled(name=name, title=name, origin=origins[0], factor=2).digest() for name in "ab"}
    assert len(names) == 1, "the digest depends on the name"


def test_the_origin_is_the_judge() -> None:
    derived = DATASETS.get("digits-x2")
    assert isinstance(derived, Judged)
    assert not isinstance(derived, Stacked), "a derived dataset looks like stacked images"
    assert (derived.judge, derived.judge_classes) == (DATASETS.get("digits"), tuple(range(10)))
