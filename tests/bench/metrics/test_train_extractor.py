"""Training of extractors: what it shows the network, and that the same command gives the same bytes."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.config import DATASETS
from bench.data.catalog import EMBEDDED
from bench.metrics.extractors import load_extractor, read_extractor
from bench.metrics.train_extractor import PLANS, augment, main, make_outliers, train_extractor

PLAN = PLANS["digits"]


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(n: int = 64) -> Tensor:
    return DATASETS.get("digits").split("train").data[:n]


def test_augmented_images_are_moved_over_an_edge_of_zeros() -> None:
    images = torch.full((4, 1, 8, 8), 9, dtype=torch.uint8)
    seen = {tuple(augment(images, PLAN, noise(seed))[0, 0].eq(0).any(dim=1).nonzero().flatten().tolist()) for seed in range(40)}
    assert len(seen) > 1
    assert augment(images, PLAN, noise()).dtype == torch.uint8
    assert torch.equal(augment(images, replace(PLAN, shift=0), noise()), images)


def test_half_of_the_images_are_mirrored_where_the_plan_says_so() -> None:
    images = torch.arange(8, dtype=torch.uint8).expand(1000, 1, 8, 8)
    seen = augment(images, replace(PLAN, shift=0, flip=True), noise())
    mirrored = seen[:, 0, 0, 0] == 7
    assert 0.4 < mirrored.float().mean() < 0.6
    assert torch.equal(seen[mirrored][0], images[0].flip(2))
    assert torch.equal(seen[~mirrored][0], images[0])


def test_outliers_are_as_many_bytes_and_unlike_the_images() -> None:
    images = digits(64)
    made = make_outliers(images, noise())
    assert made.shape == images.shape
    assert made.dtype == torch.uint8
    assert not (made == images).flatten(1).all(dim=1).any()
    assert torch.equal(made[48:], images[48:].roll((4, 4), dims=(2, 3)))


def test_the_same_plan_gives_the_same_bytes_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        (card, weights), (_, again) = (train_extractor(DATASETS.get("digits"), replace(PLAN, epochs=2), command="a test") for _ in range(2))
    finally:
        torch.set_num_threads(threads)
    assert weights == again
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert card.accuracy > 0.5
    assert torch.equal(torch.random.get_rng_state(), state)


def test_command_writes_an_extractor_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, EMBEDDED, replace(PLAN, epochs=1))
    monkeypatch.setattr(sys, "argv", ["train_extractor", EMBEDDED, "--out", str(tmp_path / "new")])
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    main()
    made = read_extractor(tmp_path / "new" / "digits.json", tmp_path / "new" / "digits.safetensors")
    assert made.card.epochs == 1
    assert made.weights_hash != load_extractor("digits").weights_hash


@pytest.mark.parametrize("name", ["digit", "ring8"])
def test_a_dataset_without_a_plan_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_extractor", name])
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    with pytest.raises(SystemExit, match=f"no plan to train an extractor for '{name}'"):
        main()


@pytest.mark.slow
def test_the_shipped_digits_extractor_follows_from_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_extractor", EMBEDDED, "--out", str(tmp_path)])
    threads = torch.get_num_threads()
    try:
        main()
    finally:
        torch.set_num_threads(threads)
    made, shipped = read_extractor(tmp_path / "digits.json", tmp_path / "digits.safetensors"), load_extractor("digits")
    # Other processors round otherwise, so the bytes may differ; the quality may not.
    assert made.card.accuracy == pytest.approx(shipped.card.accuracy, abs=0.01)
    assert made.card.model_dump(exclude={"accuracy", "torch", "weights_sha256"}) == shipped.card.model_dump(
        exclude={"accuracy", "torch", "weights_sha256"}
    )
