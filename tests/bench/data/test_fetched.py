"""Tests of files with a known hash: the order of sources, corrupted caches and embedded data."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from bench.core.errors import UserError
from bench.data import fetched
from bench.data.digits import Digits


def test_what_is_embedded_is_always_here(idx_files, source, cache_folder):
    assert fetched.missing(Digits()) is None
    assert fetched.fetch(Digits()) == fetched.NOTHING_TO_FETCH
    dataset = idx_files.build(source("shop", idx_files.contents))
    assert fetched.missing(dataset) == dataset.missing() is not None
    assert fetched.fetch(dataset) == "shop"
    assert fetched.missing(dataset) is None


def test_what_is_missing_is_named_unless_it_is_all(idx_files, source, cache_folder):
    dataset = idx_files.build(source("shop", idx_files.contents))
    assert dataset.missing() == f"its files are not in {dataset.folder}: run `ganbench data fetch made`"
    dataset.fetch()
    (dataset.folder / "test-labels").unlink()
    assert dataset.missing() == f"test-labels not in {dataset.folder}: run `ganbench data fetch made`"


def test_sources_are_tried_in_order_and_the_first_good_one_wins(idx_files, source, cache_folder):
    used: list[str] = []
    dataset = idx_files.build(
        source("shut", None, used), source("first", idx_files.contents, used), source("second", idx_files.contents, used)
    )
    assert dataset.missing() is not None
    assert dataset.fetch() == "first"
    assert used == ["shut", "first"]
    assert dataset.missing() is None
    assert dataset.fetch().startswith("the cache"), "the second fetch does not use the cache"
    assert used == ["shut", "first"]


@pytest.mark.parametrize("name", ["train-images", "train-labels", "test-images", "test-labels"])
def test_a_source_with_one_wrong_byte_is_skipped_with_a_warning(idx_files, source, cache_folder, caplog, name):
    flipped = bytearray(idx_files.contents[name])
    flipped[-1] ^= 1
    dataset = idx_files.build(source("bad-mirror", {**idx_files.contents, name: bytes(flipped)}), source("good", idx_files.contents))
    with caplog.at_level(logging.WARNING):
        assert dataset.fetch() == "good"
    assert [name in record.message and "bad-mirror" in record.message for record in caplog.records] == [True]
    assert dataset.split("test").data[0, 0, 0, 0] == idx_files.arrays["test-images"][0, 0, 0]


def test_where_all_sources_fail_one_line_lists_them_and_says_what_to_do(idx_files, source, cache_folder):
    dataset = idx_files.build(source("shut", None), source("bad", {name: content[:-1] for name, content in idx_files.contents.items()}))
    with pytest.raises(UserError) as caught:
        dataset.split("train")
    message = str(caught.value)
    assert "\n" not in message
    assert "shut (it is closed)" in message
    assert "bad (train-images is corrupted)" in message
    assert str(cache_folder) in message
    assert "--dataset digits" in message
    assert not [path for path in cache_folder.rglob("*") if path.is_file() and path.name != ".lock"], (
        "files of failed sources remain in the cache"
    )


def test_a_corrupted_cached_file_is_fetched_again_with_a_warning(idx_files, source, cache_folder, caplog):
    dataset = idx_files.build(source("shop", idx_files.contents))
    dataset.fetch()
    path = dataset.folder / "test-images"
    path.write_bytes(idx_files.contents["test-images"][:-1] + b"\0")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(dataset.split("test").data[:, 0].numpy(), idx_files.arrays["test-images"])
    assert any(str(path) in record.message and "corrupted" in record.message for record in caplog.records)
    assert path.read_bytes() == idx_files.contents["test-images"]


def test_a_corrupted_cached_file_that_cannot_be_fetched_again_is_one_clear_line(idx_files, source, cache_folder):
    idx_files.build(source("shop", idx_files.contents)).fetch()
    dataset = idx_files.build(source("shut", None))
    (dataset.folder / "train-labels").write_bytes(b"nonsense")
    assert "train-labels" in str(dataset.missing())
    with pytest.raises(UserError, match=r"shut \(it is closed\)"):
        dataset.split("train")
    assert len(dataset.split("test")) == 5, "the undamaged split cannot be loaded"


def test_a_complete_cache_needs_no_write(idx_files, source, cache_folder):
    idx_files.build(source("shop", idx_files.contents)).fetch()
    dataset = idx_files.build(source("shut", None))
    (dataset.folder / ".lock").unlink(missing_ok=True)
    (dataset.folder / ".lock").mkdir()  # prevents locking, as a read-only folder does
    assert dataset.fetch().startswith("the cache")


def test_a_cache_under_a_file_is_one_clear_line(idx_files, source, tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="GANBENCH_CACHE"):
        idx_files.build(source("shop", idx_files.contents)).fetch()


def test_digest_follows_the_content_and_not_the_source(idx_files, source, cache_folder):
    one, other = idx_files.build(source("a", idx_files.contents)), idx_files.build(source("b", None))
    assert one.digest() == other.digest()
    assert len(one.digest()) == 64
