"""Tests of super-resolution pairs, against means computed image by image."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from bench.core.config import DATASETS
from bench.data.derived.downscaled import Downscaled, area_average

X2 = Downscaled(name="small", title="Small", origin=DATASETS.get("digits"), factor=2)


def test_each_small_pixel_is_the_rounded_mean_of_a_square() -> None:
    images = torch.randint(0, 256, (3, 2, 8, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    small = area_average(images, 4)
    assert (small.shape, small.dtype) == ((3, 2, 2, 3), torch.uint8)
    for n in range(3):
        for channel in range(2):
            for row in range(2):
                for column in range(3):
                    square = images[n, channel, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                    mean = Fraction(sum(square.flatten().tolist()), 16)
                    assert small[n, channel, row, column] == int(mean + Fraction(1, 2)), "halves are rounded up"


def test_the_average_loses_no_light() -> None:
    images = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    assert area_average(images, 4).unique().tolist() == [255]
    assert area_average(images // 255, 2).unique().tolist() == [1]


def test_pairs_are_the_images_of_the_origin_and_small_copies_of_them() -> None:
    assert X2.spec == DATASETS.get("digits-x2").spec
    assert (X2.spec.task, X2.spec.given, X2.spec.shape) == ("paired", (1, 4, 4), (1, 8, 8))
    for split in ("train", "test"):
        origin, pairs = X2.origin.split(split), X2.split(split)  # type: ignore[arg-type]
        assert pairs.aligned
        assert pairs.data.equal(origin.data)
        assert pairs.labels is not None
        assert pairs.labels.equal(origin.labels)
        assert pairs.given is not None
        assert pairs.given.equal(area_average(origin.data, 2))


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("digits-x2", "8fa32b8f8380146d7ec5667dcc1e9899aac2457367428e16993e558e75ad6dd0"),
        ("fashion-x2", "5ccde29b24484792bd45056452bb12db595c50d20e84a4e46480333552ce68bb"),
        ("fashion-x4", "7dcce2fe975a82538ead884795413db400e498892d52cfa4cd8981124b7baa38"),
    ],
)
def test_the_digest_never_changes(name: str, digest: str) -> None:
    assert DATASETS.get(name).digest() == digest
