"""Training of extractors. It augments the images, and the same command gives the same bytes."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.data.catalog import EMBEDDED
from bench.metrics.extractors import load_extractor, read_extractor, training_plan
from bench.metrics.extractors.classifier_training import augment, make_outliers, one_thread, train_extractor
from bench.metrics.extractors.local import trained_folders
from bench.metrics.extractors.train import main
from bench.metrics.extractors.training_plan import PLANS
from tests.support import photos

PLAN = PLANS["digits"]


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(n: int = 64) -> Tensor:
    return DATASETS.get("digits").split("train").data[:n]


def test_augmented_images_are_moved_over_an_edge_of_zeros() -> None:
    images = torch.full((4, 1, 8, 8), 9, dtype=torch.uint8)
    shifts = {tuple(augment(images, PLAN, noise(seed))[0, 0].eq(0).any(dim=1).nonzero().flatten().tolist()) for seed in range(40)}
    assert len(shifts) > 1
    assert augment(images, PLAN, noise()).dtype == torch.uint8
    assert torch.equal(augment(images, replace(PLAN, shift=0), noise()), images)


def test_half_of_the_images_are_mirrored_where_the_plan_says_so() -> None:
    images = torch.arange(8, dtype=torch.uint8).expand(1000, 1, 8, 8)
    augmented = augment(images, replace(PLAN, shift=0, flip=True), noise())
    mirrored = augmented[:, 0, 0, 0] == 7
    assert 0.4 < mirrored.float().mean() < 0.6
    assert torch.equal(augmented[mirrored][0], images[0].flip(2))
    assert torch.equal(augmented[~mirrored][0], images[0])


def test_outliers_are_as_many_bytes_and_unlike_the_images() -> None:
    images = digits(64)
    outliers = make_outliers(images, noise())
    assert outliers.shape == images.shape
    assert outliers.dtype == torch.uint8
    assert not (outliers == images).flatten(1).all(dim=1).any()
    assert torch.equal(outliers[48:], images[48:].roll((4, 4), dims=(2, 3)))


def test_the_same_plan_gives_the_same_bytes_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    (card, weights), (_, again) = (train_extractor(DATASETS.get("digits"), replace(PLAN, epochs=2), command="a test") for _ in range(2))
    assert weights == again
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert card.accuracy > 0.5
    assert torch.equal(torch.random.get_rng_state(), state)


def test_command_writes_an_extractor_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, EMBEDDED, replace(PLAN, epochs=1))
    monkeypatch.setattr(sys, "argv", ["train_extractor", EMBEDDED, "--out", str(tmp_path / "new")])
    main()
    extractor = read_extractor(tmp_path / "new" / "digits.json", tmp_path / "new" / "digits.safetensors")
    assert extractor.card.epochs == 1
    assert extractor.weights_hash != load_extractor("digits").weights_hash


def test_command_trains_that_of_a_users_data_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training_plan, "MOST_EPOCHS", 2)
    monkeypatch.setattr(training_plan, "FEWEST_STEPS", 4)
    folder = photos.fill(tmp_path / "photos", 40, classes=("bird", "cat"))
    monkeypatch.setattr(sys, "argv", ["train_extractor", f"folder:{folder}"])
    with caplog.at_level("INFO"):
        main()
    assert "on the test split" in caplog.text
    assert len(list(trained_folders())) == 1


REFUSALS = {"digit": r"unknown dataset 'digit'; did you mean", "ring8": "no classifier can be trained on ring8: it has no labelled images"}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_nothing_can_be_trained_on_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_extractor", name])
    with pytest.raises(SystemExit, match=REFUSALS[name]):
        main()


def test_a_training_that_diverges_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^the training of a classifier diverged: its features are not finite$"):
        train_extractor(DATASETS.get("digits"), replace(PLAN, epochs=1, lr=1e30), command="a test")


def test_threads_are_afterwards_as_they_were() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_the_shipped_digits_extractor_follows_from_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_extractor", EMBEDDED, "--out", str(tmp_path)])
    main()
    extractor, shipped = read_extractor(tmp_path / "digits.json", tmp_path / "digits.safetensors"), load_extractor("digits")
    # Other processors round differently, so the bytes may differ, but not the accuracy.
    assert extractor.card.accuracy == pytest.approx(shipped.card.accuracy, abs=0.01)
    assert extractor.card.model_dump(exclude={"accuracy", "torch", "weights_sha256"}) == shipped.card.model_dump(
        exclude={"accuracy", "torch", "weights_sha256"}
    )
