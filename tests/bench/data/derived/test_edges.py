"""Tests of pairs of edges and images."""

from __future__ import annotations

import hashlib

import pytest
import torch

from bench.core.config import DATASETS
from bench.data.derived.canny import CannyPlan, canny
from bench.data.derived.edges import EdgePairs, grey

DIGITS = DATASETS.get("digits")


def test_given_are_the_edges_of_each_image() -> None:
    plan = CannyPlan(sigma=0.5, low=60, high=160)
    pairs = EdgePairs(name="edges", title="Edges", origin=DIGITS, plan=plan)
    assert (pairs.spec.task, pairs.spec.given, pairs.spec.shape, pairs.spec.classes) == ("paired", (1, 8, 8), (1, 8, 8), 10)
    found, origin = pairs.split("test"), DIGITS.split("test")
    assert found.data.equal(origin.data)
    assert found.given is not None
    assert found.given.unique().tolist() == [0, 255]
    for row in range(0, 500, 50):
        assert found.given[row, 0].bool().equal(torch.from_numpy(canny(origin.data[row].numpy(), plan)[0]))


def test_lines_and_background_have_the_grey_levels_of_the_definition() -> None:
    plan = CannyPlan(sigma=0.5, low=60, high=160)
    white = EdgePairs(name="edges", title="Edges", origin=DIGITS, plan=plan)
    black = EdgePairs(name="edges", title="Edges", origin=DIGITS, plan=plan, line=0, background=255)
    first, second = white.split("test").given, black.split("test").given
    assert first is not None
    assert second is not None
    assert (255 - first).equal(second)
    assert white.digest() != black.digest()


def test_grey_is_the_rounded_luma_of_colour_and_the_channel_of_grey() -> None:
    images = torch.randint(0, 256, (4, 3, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = grey(images)
    for n in range(4):
        red, green, blue = (images[n, channel, 2, 3].item() for channel in range(3))
        assert found[n, 2, 3] == (299 * red + 587 * green + 114 * blue + 500) // 1000
    assert grey(images[:, :1]).equal(images[:, 0])
    assert grey(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).unique().tolist() == [255]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("digits-edges", "255a89d6daf8a258a45faea25787213fd7dceb8d4df347ced48bd12cd49faaa4"),
        ("fashion-edges", "f82cbfdbc8dbdeb8dd06bc60f73791791d6ae2f14708610e0e23cb52e9297235"),
    ],
)
def test_the_digest_never_changes(name: str, digest: str) -> None:
    assert DATASETS.get(name).digest() == digest


def test_the_edges_of_digits_never_change() -> None:
    given = DATASETS.get("digits-edges").split("test").given
    assert given is not None
    assert hashlib.sha256(given.numpy().tobytes()).hexdigest() == "e55c2cb6f809e3dac8d697a554e90d0d06d99084edcad7c8eb3b4ace6f8209ba"
