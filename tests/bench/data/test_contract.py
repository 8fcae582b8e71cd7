"""Tests of the contract of registered datasets. Tests that read data skip datasets that are not available on this machine."""

from __future__ import annotations

import pytest
import torch

from bench.core.config import DATASETS
from bench.core.spec import Dataset, Judged, Licensed, Mixture, Split, Stacked
from bench.data.catalog import available

NAMES = DATASETS.names()
SPLITS: tuple[Split, ...] = ("train", "test")


def here(name: str) -> Dataset:
    """Return the dataset, or skip the test if it is not available."""
    reason = available(name)
    if reason is not None:
        pytest.skip(reason)
    return DATASETS.get(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_asked_without_the_bytes(name: str, cache_folder) -> None:
    dataset = DATASETS.get(name)
    assert isinstance(dataset, Dataset)
    assert dataset.name == name
    assert dataset.title
    assert len(dataset.class_names) == len(set(dataset.class_names)) == dataset.spec.classes
    assert isinstance(dataset.claims, bool)
    digest = dataset.digest()
    assert (len(digest), digest) == (64, dataset.digest())
    assert not cache_folder.exists(), "the properties of the dataset fetch its files"


def test_no_two_datasets_have_the_same_content() -> None:
    assert len({DATASETS.get(name).digest() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_as_the_spec_says(name: str) -> None:
    dataset = here(name)
    for split in SPLITS:
        examples = dataset.split(split)
        assert tuple(examples.data.shape[1:]) == dataset.spec.shape
        assert examples.data.dtype == (torch.uint8 if dataset.spec.kind == "image" else torch.float32)
        assert examples.data.is_contiguous()
        assert examples.labels is not None
        assert (examples.labels.dtype, len(examples.labels)) == (torch.int64, len(examples))
        present = examples.labels.unique()
        assert present.tolist() == list(range(dataset.spec.classes)), "a class is missing from the split"
        assert dataset.split(split).data.data_ptr() == examples.data.data_ptr(), "the split is loaded a second time"
    assert len(dataset.split("train")) > len(dataset.split("test")) >= (500 if dataset.claims else 100)


@pytest.mark.parametrize("name", NAMES)
def test_given_examples_are_as_the_task_says(name: str) -> None:
    dataset = here(name)
    spec = dataset.spec
    assert bool(spec.given) == (spec.task != "generation")
    for split in SPLITS:
        examples = dataset.split(split)
        assert examples.aligned == (spec.task != "unpaired")
        if spec.task in ("generation", "domains"):
            assert examples.given is None
            assert examples.given_labels is None
            continue
        assert examples.given is not None
        assert (tuple(examples.given.shape[1:]), examples.given.dtype) == (spec.given, torch.uint8)
        assert examples.given.is_contiguous()
        if spec.task == "paired":
            assert len(examples.given) == len(examples)
    if spec.task == "domains":
        assert spec.given == spec.shape
        assert spec.classes >= 2


@pytest.mark.parametrize("name", NAMES)
def test_images_to_make_are_of_the_same_split_of_the_judge(name: str) -> None:
    dataset = here(name)
    if not isinstance(dataset, Judged):
        pytest.skip("it has its own extractors")
    for split in SPLITS:
        own, theirs = ({bytes(row) for row in data.split(split).data.flatten(1).numpy()} for data in (dataset, dataset.judge))
        assert own <= theirs


@pytest.mark.parametrize("name", NAMES)
def test_what_the_judge_knows(name: str) -> None:
    dataset = DATASETS.get(name)
    if not isinstance(dataset, Judged):
        pytest.skip("it has its own extractors")
    assert dataset.judge.spec.shape == dataset.spec.shape
    assert dataset.judge.spec.task == "generation"
    assert dataset.class_names == tuple(dataset.judge.class_names[label] for label in dataset.judge_classes)
    assert dataset.claims == dataset.judge.claims


@pytest.mark.parametrize("name", NAMES)
def test_licence_and_attribution_are_texts(name: str) -> None:
    dataset = DATASETS.get(name)
    if isinstance(dataset, Licensed):
        assert all(isinstance(text, str) and "\n" not in text for text in (dataset.licence, dataset.attribution))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_of_the_modes(name: str) -> None:
    dataset = DATASETS.get(name)
    assert isinstance(dataset, Mixture) == (dataset.spec.kind == "points")
    if isinstance(dataset, Mixture):
        assert (dataset.centres.shape, dataset.centres.dtype) == ((dataset.spec.classes, 2), torch.float32)
        assert dataset.sd > 0
    if isinstance(dataset, Stacked):
        assert dataset.spec.shape == (3, *dataset.base.spec.shape[1:])
        assert dataset.spec.classes == dataset.base.spec.classes**3
        assert dataset.claims == dataset.base.claims
