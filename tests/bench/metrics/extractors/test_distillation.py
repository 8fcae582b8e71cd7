"""Distillation: a small network learns the features of a teacher, here of a fixed random network."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.metrics.extractors.card import read_weights
from bench.metrics.extractors.distillation import PLANS, DistillationPlan, distil, principal_components
from bench.metrics.extractors.distilled import DistilledCard, DistilledExtractor

PLAN = DistillationPlan(layers=((8, 1, 3), (16, 2, 3)), hidden=32, dims=8, images=500, corrupted_images=1500, epochs=6)
TEACHER = "a" * 64


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def teacher(images: Tensor) -> Tensor:
    """Return 20 features of an image: random sums of pixels, and their absolute values."""
    weights = torch.randn(64, 10, generator=noise()) / 8
    sums = (images.flatten(1).float() / 127.5 - 1) @ weights
    return torch.cat([sums, sums.abs()], dim=1)


def distilled(plan: DistillationPlan = PLAN) -> tuple[DistilledCard, bytes]:
    generated = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
    return distil(DATASETS.get("digits"), plan, teacher, generated, teacher_sha256=TEACHER, command="a test", advance=lambda count: None)


@cache
def shared() -> tuple[DistilledCard, bytes]:
    return distilled()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    card, weights = shared()
    (tmp_path / "digits.json").write_text(card.model_dump_json())
    (tmp_path / "digits.safetensors").write_bytes(weights)
    return tmp_path / "digits.json", tmp_path / "digits.safetensors"


def test_the_network_learns_the_teachers_components() -> None:
    card, weights = shared()
    assert 0 < card.unexplained < 0.3
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert (card.images, card.corrupted_images, card.generated_images, card.teacher_sha256) == (500, 1500, 100, TEACHER)


def test_the_same_plan_gives_the_same_bytes() -> None:
    state = torch.random.get_rng_state()
    short = replace(PLAN, epochs=1)
    assert distilled(short)[1] == distilled(short)[1]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_features_are_centred_scaled_and_independent_of_the_batch(files: tuple[Path, Path]) -> None:
    extractor = DistilledExtractor(*read_weights(DistilledCard, *files))
    images = DATASETS.get("digits").split("train").data
    found = extractor(images)
    assert found.features.shape == (len(images), PLAN.dims)
    assert found.features.mean(dim=0).abs().max() < 1e-4
    assert found.features.var(dim=0).mean() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(extractor(images, batch_size=7).features, found.features, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="no classes"):
        _ = found.predictions


@pytest.mark.parametrize("images", [torch.zeros(3, 1, 8, 8), torch.zeros(3, 1, 9, 8, dtype=torch.uint8)])
def test_wrong_images_are_one_line(files: tuple[Path, Path], images: Tensor) -> None:
    extractor = DistilledExtractor(*read_weights(DistilledCard, *files))
    with pytest.raises(UserError, match=r"^images"):
        extractor(images)


def test_damaged_weights_are_refused(files: tuple[Path, Path]) -> None:
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)
    with pytest.raises(UserError, match=r"digits\.safetensors are damaged: sha256"):
        read_weights(DistilledCard, *files)


def test_a_training_that_diverges_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^the training of the distilled network diverged: its features are not finite; lower `lr`"):
        distilled(replace(PLAN, epochs=1, lr=1e30))


def test_principal_components_are_those_of_the_singular_value_decomposition() -> None:
    features = torch.randn(200, 12, generator=noise()) @ torch.randn(12, 12, generator=noise()) + 3
    found = principal_components(features, 4).double().numpy()
    centred = features.double().numpy() - features.double().numpy().mean(axis=0)
    _, _, rows = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ rows[:4].T
    expected /= np.sqrt(expected.var(axis=0, ddof=1).mean())
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-4, atol=1e-5)


def test_plans_have_features_that_few_images_determine() -> None:
    for name, plan in PLANS.items():
        assert plan.dims <= len(DATASETS.get(name).split("test")) // 2
