"""Tests of stacked images. Each channel is an image of the base dataset, and the label encodes the three classes."""

from __future__ import annotations

import hashlib

import pytest
import torch

from bench.core.errors import UserError
from bench.core.spec import Split, Stacked
from bench.data.digits import Digits
from bench.data.stacked import StackedImages, draw_triples

STACKED = StackedImages(name="stacked-digits", title="Stacked digits", base=Digits())
SPLITS = pytest.mark.parametrize(("split", "size", "base_size"), [("train", 128_000, 1297), ("test", 26_000, 500)])


def test_the_shape_and_names() -> None:
    assert isinstance(STACKED, Stacked)
    assert (STACKED.spec.shape, STACKED.spec.classes) == ((3, 8, 8), 1000)
    assert len(STACKED.class_names) == 1000
    assert STACKED.class_names[123] == "1 | 2 | 3"
    assert not STACKED.claims, "`claims` differs from that of the base"


@SPLITS
def test_channels_are_images_of_the_base_with_these_labels(split: Split, size: int, base_size: int) -> None:
    examples, base, triples = STACKED.split(split), Digits().split(split), torch.from_numpy(draw_triples(split, base_size))
    assert (examples.data.shape, examples.data.dtype, examples.data.is_contiguous()) == ((size, 3, 8, 8), torch.uint8, True)
    assert examples.labels is not None
    assert base.labels is not None
    for channel in range(3):
        assert examples.data[:, channel].equal(base.data[triples[:, channel], 0])
    digits = [examples.labels // 100, examples.labels // 10 % 10, examples.labels % 10]
    for channel, digit in enumerate(digits):
        assert digit.equal(base.labels[triples[:, channel]])
    assert STACKED.split(split) is examples, "the split is stacked a second time"


def test_test_triples_are_of_test_images_alone() -> None:
    test = {bytes(image.flatten().tolist()) for image in Digits().split("test").data}
    stacked = {bytes(image.flatten().tolist()) for image in STACKED.split("test").data[:, 1].unique(dim=0)}
    assert stacked == test, "26,000 draws do not give exactly the 500 test images"


def test_every_mode_is_there_and_the_floor_of_the_divergence_is_small() -> None:
    labels = STACKED.split("test").labels
    assert labels is not None
    shares = labels.bincount(minlength=1000).double() / len(labels)
    assert (shares > 0).all()
    divergence = (shares * (shares * 1000).log()).sum().item()
    assert divergence == pytest.approx(999 / (2 * 26_000), rel=0.15), (
        "the divergence is not that of sampling, which is (modes - 1) / 2n to the first order"
    )


@SPLITS
def test_draws_are_independent_of_each_other(split: Split, size: int, base_size: int) -> None:
    triples = torch.from_numpy(draw_triples(split, base_size)).double()
    assert triples.T.corrcoef().fill_diagonal_(0).abs().max() < 4 / size**0.5
    assert triples.min() == 0
    assert triples.max() == base_size - 1


def test_the_triples_never_change() -> None:
    content = hashlib.sha256()
    for split, images in (("train", 60_000), ("test", 10_000)):
        content.update(draw_triples(split, images).tobytes())  # type: ignore[arg-type]
    assert content.hexdigest() == "f4117c9e3e8d4b0a6c49bc5e1e809c3712d80fff02b37e747524fbba25a1b999"
    assert STACKED.digest() == "56d61a85aa782394bd9b2d5ec788fe7638ad609ec6edc29de96ac80ad3f9cddd"


def test_a_base_that_must_be_fetched_is_asked(idx_files, source, cache_folder) -> None:
    base = idx_files.build(source("shop", idx_files.contents))
    stacked = StackedImages(name="stacked-made", title="Stacked made", base=base)
    assert "ganbench data fetch made" in str(stacked.missing())
    assert (stacked.sources, stacked.files) == (base.sources, base.files)
    assert stacked.digest() != STACKED.digest(), "two stacked datasets of different bases have the same digest"
    assert stacked.fetch() == "shop"
    assert stacked.missing() is None
    assert stacked.split("test").data.shape == (26_000, 3, 4, 3)


def test_an_embedded_base_is_always_here() -> None:
    assert STACKED.missing() is None
    assert "nothing to fetch" in STACKED.fetch()
    assert not STACKED.sources


def test_only_grey_images_can_be_stacked_and_there_is_no_third_split() -> None:
    with pytest.raises(UserError, match=r"only labelled grey images can be stacked, not \[26000, 3, 8, 8\] of stacked-digits"):
        StackedImages(name="twice", title="Twice", base=STACKED).split("test")
    with pytest.raises(UserError, match="'val'"):
        STACKED.split("val")  # type: ignore[arg-type]
