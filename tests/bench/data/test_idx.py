"""idx files: parsing, hashes, the order of sources, and what a corrupted cache does."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.idx import parse_idx
from bench.errors import UserError


@pytest.mark.parametrize("name", ["train-images", "test-labels"])
def test_parse_gives_back_the_array(made, name):
    np.testing.assert_array_equal(parse_idx(made.contents[name]), made.arrays[name])


def test_parse_reads_sizes_as_big_endian():
    assert parse_idx(bytes([0, 0, 8, 1, 0, 0, 1, 0]) + bytes(range(256))).tolist() == list(range(256))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\x89PNG....", "not an idx file"),
        (struct.pack(">4BI", 0, 0, 0x0D, 1, 1) + b"1234", "type 0x0d"),
        (struct.pack(">4BI", 0, 0, 8, 1, 4) + b"123", "cut off or too long"),
        (struct.pack(">4BI", 0, 0, 8, 1, 4) + b"12345", "cut off or too long"),
        (struct.pack(">4BI", 0, 0, 8, 3, 4), "cut off or too long"),
    ],
)
def test_parse_refuses_in_one_line(content, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_idx(content, name="some-file")
    assert str(caught.value).startswith("some-file ")
    assert "\n" not in str(caught.value)


def test_split_is_uint8_contiguous_with_int64_labels(made, source, cache_folder):
    dataset = made.build(source("shop", made.contents))
    for split in ("train", "test"):
        examples = dataset.split(split)
        assert examples.data.dtype == torch.uint8
        assert examples.data.is_contiguous()
        assert examples.labels.dtype == torch.int64
        np.testing.assert_array_equal(examples.data[:, 0].numpy(), made.arrays[f"{split}-images"])
        np.testing.assert_array_equal(examples.labels.numpy(), made.arrays[f"{split}-labels"])
    assert dataset.split("test") is dataset.split("test"), "a split is loaded once a process"


def test_unknown_split_is_refused(made, source, cache_folder):
    with pytest.raises(UserError, match="not 'val'"):
        made.build(source("shop", made.contents)).split("val")


def test_sources_are_tried_in_order_and_the_first_good_one_wins(made, source, cache_folder):
    used: list[str] = []
    dataset = made.build(source("shut", None, used), source("first", made.contents, used), source("second", made.contents, used))
    assert dataset.missing() is not None
    assert dataset.fetch() == "first"
    assert used == ["shut", "first"]
    assert dataset.missing() is None
    assert dataset.fetch().startswith("the cache"), "a second fetch uses no source"
    assert used == ["shut", "first"]


@pytest.mark.parametrize("name", ["train-images", "train-labels", "test-images", "test-labels"])
def test_a_source_with_one_wrong_byte_is_skipped_with_a_warning(made, source, cache_folder, caplog, name):
    flipped = bytearray(made.contents[name])
    flipped[-1] ^= 1
    dataset = made.build(source("bad-mirror", {**made.contents, name: bytes(flipped)}), source("good", made.contents))
    with caplog.at_level(logging.WARNING):
        assert dataset.fetch() == "good"
    assert [name in record.message and "bad-mirror" in record.message for record in caplog.records] == [True]
    assert dataset.split("test").data[0, 0, 0, 0] == made.arrays["test-images"][0, 0, 0]


def test_where_all_sources_fail_one_line_lists_them_and_says_what_to_do(made, source, cache_folder):
    dataset = made.build(source("shut", None), source("bad", {name: content[:-1] for name, content in made.contents.items()}))
    with pytest.raises(UserError) as caught:
        dataset.split("train")
    message = str(caught.value)
    assert "\n" not in message
    assert "shut (it is closed)" in message
    assert "bad (train-images is corrupted)" in message
    assert str(cache_folder) in message
    assert "--dataset digits" in message
    assert not [path for path in cache_folder.rglob("*") if path.is_file() and path.name != ".lock"], "nothing is left in the cache"


def test_a_corrupted_cached_file_is_fetched_again_with_a_warning(made, source, cache_folder, caplog):
    dataset = made.build(source("shop", made.contents))
    dataset.fetch()
    path = dataset.folder / "test-images"
    path.write_bytes(made.contents["test-images"][:-1] + b"\0")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(dataset.split("test").data[:, 0].numpy(), made.arrays["test-images"])
    assert any(str(path) in record.message and "corrupted" in record.message for record in caplog.records)
    assert path.read_bytes() == made.contents["test-images"]


def test_a_corrupted_cached_file_that_cannot_be_fetched_again_is_one_clear_line(made, source, cache_folder):
    made.build(source("shop", made.contents)).fetch()
    dataset = made.build(source("shut", None))
    (dataset.folder / "train-labels").write_bytes(b"nonsense")
    assert "train-labels" in str(dataset.missing())
    with pytest.raises(UserError, match=r"shut \(it is closed\)"):
        dataset.split("train")
    assert len(dataset.split("test")) == 5, "the sound split can still be used"


def test_a_complete_cache_needs_no_write(made, source, cache_folder):
    made.build(source("shop", made.contents)).fetch()
    dataset = made.build(source("shut", None))
    (dataset.folder / ".lock").unlink(missing_ok=True)
    (dataset.folder / ".lock").mkdir()  # in the way, as a read-only folder would be
    assert dataset.fetch().startswith("the cache")


def test_a_cache_under_a_file_is_one_clear_line(made, source, tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="GANBENCH_CACHE"):
        made.build(source("shop", made.contents)).fetch()


def test_digest_follows_the_content_and_not_the_source(made, source, cache_folder):
    one, other = made.build(source("a", made.contents)), made.build(source("b", None))
    assert one.digest() == other.digest()
    assert len(one.digest()) == 64
