"""Principal components of pixels. They equal a public implementation, and depend on the data only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.data.catalog import EMBEDDED
from bench.metrics.extractors import extractor_for, kinds_of
from bench.metrics.extractors.pixels import (
    PixelExtractor,
    dimensions,
    exact_components,
    principal_components,
    randomised_components,
)
from tests.support import photos
from tests.support.labelled import Labelled

RGB = Labelled(shape=(3, 10, 12), train=200, test=130)


def test_equal_to_scikit_learn_up_to_sign_and_one_scale() -> None:
    train, test = (RGB.split(name).data for name in ("train", "test"))
    theirs = PCA(64, svd_solver="full").fit(train.flatten(1).double().numpy() / 255)
    expected = np.abs(theirs.transform(test.flatten(1).double().numpy() / 255)) / np.sqrt(theirs.explained_variance_.mean())
    np.testing.assert_allclose(PixelExtractor(RGB)(test).features.abs().numpy(), expected, rtol=0, atol=3e-4)


@pytest.mark.parametrize("name", ["digits", "patterns"])
def test_training_features_have_mean_0_and_mean_variance_1(name: str) -> None:
    dataset = RGB if name == "patterns" else DATASETS.get(EMBEDDED)
    features = PixelExtractor(dataset)(dataset.split("train").data).features
    assert features.dtype == torch.float32
    assert features.shape[1] == 64  # digits have 64 pixels
    assert features.mean(dim=0).abs().max() < 1e-4
    assert features.var(dim=0).mean() == pytest.approx(1.0, rel=1e-4)


def test_randomised_components_are_the_exact_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    low_rank = (
        (torch.rand(80, 6, generator=generator) @ torch.rand(6, 300, generator=generator)).mul(60).to(torch.uint8).view(80, 3, 10, 10)
    )
    mean = low_rank.flatten(1).double().mean(dim=0).div(255).float()
    (variances, exact), (approximate, found) = (find(low_rank, mean, 5) for find in (exact_components, randomised_components))
    torch.testing.assert_close(approximate, variances, rtol=1e-3, atol=0)
    assert (exact.T @ found).diagonal().abs().min() > 0.999


def test_large_images_go_the_randomised_way_with_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.metrics.extractors import pixels

    monkeypatch.setattr(pixels, "EXACT_PIXELS", 50)
    monkeypatch.setattr(pixels, "MOST_VALUES", 64 * 40)  # 40 digits, which are more than the components
    looked = []
    monkeypatch.setattr(pixels, "pixels", lambda images, real=pixels.pixels: looked.append(len(images)) or real(images))
    parts = principal_components(DATASETS.get(EMBEDDED).split("train").data, 8)
    assert max(looked) <= 40
    assert parts["components"].shape == (64, 8)
    torch.testing.assert_close(parts["components"].T @ parts["components"], torch.eye(8), atol=1e-4, rtol=0)


def test_the_largest_entry_of_a_component_is_positive() -> None:
    components = principal_components(RGB.split("train").data, 10)["components"]
    assert (components.gather(0, components.abs().argmax(dim=0, keepdim=True)) > 0).all()


def test_batches_and_order_change_only_rounding() -> None:
    extractor, images = PixelExtractor(RGB), RGB.split("test").data
    whole = extractor(images).features
    torch.testing.assert_close(extractor(images, batch_size=7).features, whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(extractor(images.flip(0)).features.flip(0), whole, rtol=1e-5, atol=1e-5)


def test_made_once_and_then_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.metrics.extractors import pixels

    images = RGB.split("test").data
    first = PixelExtractor(RGB)(images).features
    assert len(list(cache.rglob("*.safetensors"))) == 1
    monkeypatch.setattr(pixels, "principal_components", lambda *_: pytest.fail("the components in the cache were computed again"))
    assert torch.equal(PixelExtractor(RGB)(images).features, first)


def test_a_damaged_file_is_replaced_with_a_warning(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = PixelExtractor(RGB)(RGB.split("test").data).features
    file = next(cache.rglob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-9])
    assert torch.equal(PixelExtractor(RGB)(RGB.split("test").data).features, first)
    assert "damaged" in caplog.text


def test_the_hash_is_of_the_definition_and_the_data(cache: Path) -> None:
    assert PixelExtractor(RGB).weights_hash == PixelExtractor(replace(RGB, name="another name")).weights_hash
    assert PixelExtractor(RGB).weights_hash != PixelExtractor(replace(RGB, train=199)).weights_hash
    assert not cache.exists()  # the hash needs no components


@pytest.mark.parametrize(("images", "dims"), [(1000, 30), (20, 19), (2, 1), (1, 1)])
def test_no_more_components_than_the_images_span_or_half_the_test_images_are(images: int, dims: int) -> None:
    assert dimensions(images, 60, (3, 32, 32)) == dims
    few = replace(RGB, train=images, test=60)
    assert PixelExtractor(few)(few.split("test").data).features.shape == (60, dims)


def test_images_that_are_all_the_same_have_finite_features() -> None:
    constant = torch.full((30, 1, 8, 8), 7, dtype=torch.uint8)
    parts = principal_components(constant, 5)
    assert all(value.isfinite().all() for value in parts.values())
    assert parts["scale"] == 1


def test_a_folder_without_labels_has_pixels_only(tmp_path: Path) -> None:
    dataset = DATASETS.get(f"folder:{photos.fill(tmp_path / 'photos', 21)}")
    assert kinds_of(dataset) == ("pixels",)
    assert extractor_for("pixels", dataset)(dataset.split("test").data).features.shape == (3, 1)


def test_other_images_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^images for 'patterns' must have the shape \[N, 3, 10, 12\], not \[2, 1, 8, 8\]$"):
        PixelExtractor(RGB)(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))


def test_as_many_components_as_defined_where_there_are_images_enough() -> None:
    assert dimensions(1000, 128, (3, 32, 32)) == 64
    assert dimensions(1000, 128, (1, 4, 4)) == 16
    assert dimensions(1000, 10, (1, 28, 28)) == 5
