"""Tests of idx files and of the splits that are read from them."""

from __future__ import annotations

import mmap
import struct

import numpy as np
import pytest
import torch

from bench.core.errors import UserError
from bench.data.idx import parse_idx


@pytest.mark.parametrize("name", ["train-images", "test-labels"])
def test_parse_gives_back_the_array(idx_files, name):
    np.testing.assert_array_equal(parse_idx(idx_files.contents[name]), idx_files.arrays[name])


def test_parse_reads_sizes_as_big_endian():
    assert parse_idx(bytes([0, 0, 8, 1, 0, 0, 1, 0]) + bytes(range(256))).tolist() == list(range(256))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\x89PNG....", "not an idx file"),
        (struct.pack(">4BI", 0, 0, 0x0D, 1, 1) + b"1234", "type 0x0d"),
        (struct.pack(">4BI", 0, 0, 8, 1, 4) + b"123", "too short or too long"),
        (struct.pack(">4BI", 0, 0, 8, 1, 4) + b"12345", "too short or too long"),
        (struct.pack(">4BI", 0, 0, 8, 3, 4), "too short or too long"),
    ],
)
def test_parse_refuses_in_one_line(content, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_idx(content, name="some-file")
    assert str(caught.value).startswith("some-file ")
    assert "\n" not in str(caught.value)


def test_split_is_uint8_contiguous_with_int64_labels(idx_files, source, cache_folder):
    dataset = idx_files.build(source("shop", idx_files.contents))
    for split in ("train", "test"):
        examples = dataset.split(split)
        assert examples.data.dtype == torch.uint8
        assert examples.data.is_contiguous()
        assert examples.labels.dtype == torch.int64
        np.testing.assert_array_equal(examples.data[:, 0].numpy(), idx_files.arrays[f"{split}-images"])
        np.testing.assert_array_equal(examples.labels.numpy(), idx_files.arrays[f"{split}-labels"])
    assert dataset.split("test") is dataset.split("test"), "the split is loaded a second time"


def test_unknown_split_is_refused(idx_files, source, cache_folder):
    with pytest.raises(UserError, match="not 'val'"):
        idx_files.build(source("shop", idx_files.contents)).split("val")


def test_images_are_mapped_from_their_file_which_nothing_changes(idx_files, source, cache_folder):
    dataset = idx_files.build(source("shop", idx_files.contents))
    images = dataset.split("train").data
    content = (dataset.folder / dataset.train.images.name).read_bytes()
    assert images.numpy().tobytes() == content[16:]
    assert isinstance(dataset.contents([dataset.train.images])[0], mmap.mmap)
    resident = images.clone()
    images[0] = 7  # changes only the memory of this process
    assert (dataset.folder / dataset.train.images.name).read_bytes() == content
    assert dataset.contents([dataset.train.images])[0][:] == content
    images[0] = resident[0]
    rows = torch.randperm(len(images))
    assert torch.equal(images.index_select(0, rows), resident.index_select(0, rows))
