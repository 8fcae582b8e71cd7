"""The shipped extractors. They are deterministic and as accurate as their cards say, and damaged files raise an error."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data.catalog import available
from bench.metrics.extractors import ClassifierExtractor, ExtractorCard, assets, extractor_names, load_extractor, read_extractor
from bench.metrics.extractors.bundled import distilled_assets

FEWEST_RIGHT = {"digits": 0.97, "fashion-mnist": 0.91}
WIDTH = {"digits": 32, "fashion-mnist": 64}


@pytest.fixture(params=sorted(WIDTH))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    """Return each dataset with an extractor, or skip the test if this machine lacks the data."""
    why_not = available(request.param)
    if why_not:
        pytest.skip(why_not)
    return DATASETS.get(request.param)


def some_images(n: int = 130) -> Tensor:
    return DATASETS.get("digits").split("test").data[:n]


def test_there_is_one_for_each_of() -> None:
    assert extractor_names() == sorted(WIDTH)


def test_accuracy_is_what_the_card_says(dataset: Dataset) -> None:
    extractor, test = load_extractor(dataset.name), dataset.split("test")
    assert test.labels is not None
    accuracy = extractor(test.data).predictions.eq(test.labels).double().mean().item()
    assert accuracy == pytest.approx(extractor.card.accuracy, abs=2.5 / len(test))  # other processors may decide near-ties differently
    assert accuracy >= FEWEST_RIGHT[dataset.name]


def test_card_belongs_to_the_data_and_the_network(dataset: Dataset) -> None:
    card = load_extractor(dataset.name).card
    assert (card.dataset, card.data_digest) == (dataset.name, dataset.digest())
    assert (card.shape, card.classes) == (dataset.spec.shape, dataset.spec.classes)
    assert card.dims == WIDTH[dataset.name]
    assert card.command == f"python -m bench.metrics.extractors.train {dataset.name}"


def test_features_are_centred_and_scaled_over_the_training_images(dataset: Dataset) -> None:
    features = load_extractor(dataset.name)(dataset.split("train").data[:5000]).features.double()
    assert features.mean(dim=0).abs().max() < 0.1  # exactly 0 over all training images
    assert features.var(dim=0).mean() == pytest.approx(1.0, rel=0.05)


def test_assets_are_small() -> None:
    assert sum(len(item.read_bytes()) for item in assets().iterdir() if item.is_file()) < 3_000_000
    # A distilled network imitates a network of ImageNet, so it is larger than a classifier of the data: 0.8 million weights are 3.3 MB.
    assert max(len(item.read_bytes()) for item in distilled_assets().iterdir()) < 4_000_000
    assert {item.name for item in assets().iterdir() if item.is_dir()} == {distilled_assets().name}


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_changes_only_rounding(batch_size: int) -> None:
    extractor = load_extractor("digits")
    whole, split = extractor(some_images()), extractor(some_images(), batch_size=batch_size)
    torch.testing.assert_close(split.features, whole.features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(split.logits, whole.logits, rtol=1e-4, atol=1e-4)


def test_every_image_is_seen_alone() -> None:
    extractor = load_extractor("digits")
    forward, backward = extractor(some_images()), extractor(some_images().flip(0))
    torch.testing.assert_close(backward.features.flip(0), forward.features, rtol=1e-4, atol=1e-5)


def test_same_images_same_bits() -> None:
    extractor = load_extractor("digits")
    assert torch.equal(extractor(some_images()).features, extractor(some_images()).features)


def test_float32_without_gradients_whatever_surrounds_it() -> None:
    extractor = load_extractor("digits")
    plain = extractor(some_images())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = extractor(some_images())
    assert inside.features.dtype == inside.logits.dtype == torch.float32
    assert torch.equal(inside.features, plain.features)
    assert not inside.features.requires_grad


def test_memory_layout_of_the_images_does_not_matter() -> None:
    extractor = load_extractor("digits")
    strided = some_images().transpose(2, 3).contiguous().transpose(2, 3)
    assert not strided.is_contiguous()
    torch.testing.assert_close(extractor(strided).features, extractor(some_images()).features)


def test_unknown_dataset_is_one_line_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"^no feature extractor for 'digit'; did you mean 'digits'\?$"):
        load_extractor("digit")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return the paths (card, weights) of a copy of the digits extractor, which tests may damage."""
    for name in ("digits.json", "digits.safetensors"):
        (tmp_path / name).write_bytes((assets() / name).read_bytes())
    return tmp_path / "digits.json", tmp_path / "digits.safetensors"


def test_a_copy_loads(files: tuple[Path, Path]) -> None:
    copy: ClassifierExtractor = read_extractor(*files)
    assert copy.weights_hash == load_extractor("digits").weights_hash
    assert torch.equal(copy(some_images()).features, load_extractor("digits")(some_images()).features)


def test_one_wrong_bit_in_the_weights_is_refused(files: tuple[Path, Path]) -> None:
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)
    with pytest.raises(UserError, match=r"digits\.safetensors are damaged: sha256") as error:
        read_extractor(*files)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["not json", "{}", "missing"])
def test_a_bad_card_is_refused_in_one_line(files: tuple[Path, Path], damage: str) -> None:
    if damage == "missing":
        files[0].unlink()
    else:
        files[0].write_text(damage)
    with pytest.raises(UserError, match=r"digits\.json cannot be read") as error:
        read_extractor(*files)
    assert "\n" not in str(error.value)


def test_cards_are_plain_json() -> None:
    for name in extractor_names():
        text = (assets() / f"{name}.json").read_text()
        assert ExtractorCard.model_validate(json.loads(text)).dataset == name


@pytest.mark.slow
def test_ten_thousand_fashion_images_take_two_seconds_of_one_core() -> None:
    extractor = load_extractor("fashion-mnist")
    images = torch.randint(0, 256, (10_000, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        extractor(images[:200])
        started = time.process_time()
        extractor(images)
        assert time.process_time() - started <= 2.0
    finally:
        torch.set_num_threads(threads)
