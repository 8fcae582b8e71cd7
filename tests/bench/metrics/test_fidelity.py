"""Fréchet distance, KID and score: against torch-fidelity run from images to numbers, and against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch_fidelity
from torch import Tensor
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from bench.config import DATASETS
from bench.evaluate import reference_images
from bench.metrics.extractors import Extractor, load_extractor
from bench.metrics.fidelity import Gaussian, classifier_score, fit_gaussian, frechet_distance, kernel_distance, kid_subset_size

RELATIVE = 1e-6


class Registered(FeatureExtractorBase):
    """Our extractor as torch-fidelity knows one: a torch module that gives named feature layers."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        self.extractor: Extractor = load_extractor(name.removeprefix("ours-"))

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("features", "logits")

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "features"

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        seen = self.extractor(images)
        layers = {"features": seen.features.double(), "logits": seen.logits.double()}
        return tuple(layers[name] for name in self.features_list)


class Images(Dataset[Tensor]):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


@pytest.fixture(scope="module")
def registered() -> str:
    torch_fidelity.register_feature_extractor("ours-digits", Registered)
    return "ours-digits"


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """Generated and real digits: blurred training images stand for a generator."""
    dataset = DATASETS.get("digits")
    real = reference_images(dataset)
    return (0.8 * real.float() + 0.2 * real.roll(1, 3).float()).round().to(torch.uint8), dataset.split("test").data


def test_equals_torch_fidelity_from_images(registered: str, pair: tuple[Tensor, Tensor]) -> None:
    generated, real = pair
    expected = torch_fidelity.calculate_metrics(
        input1=Images(generated), input2=Images(real), feature_extractor=registered, isc=True, fid=True, kid=True, kid_subset_size=250,
        batch_size=100, cuda=False, save_cpu_ram=True, cache=False, verbose=False,
    )  # fmt: skip
    ours, theirs = load_extractor("digits")(generated), load_extractor("digits")(real)
    distance = frechet_distance(fit_gaussian(ours.features), fit_gaussian(theirs.features))
    assert distance == pytest.approx(expected["frechet_inception_distance"], rel=RELATIVE)
    assert kernel_distance(ours.features, theirs.features) == pytest.approx(expected["kernel_inception_distance_mean"], rel=RELATIVE)
    assert classifier_score(ours.logits) == pytest.approx(expected["inception_score_mean"], rel=RELATIVE)


def test_frechet_distance_of_known_gaussians() -> None:
    # Diagonal covariances commute: |m1 - m2|^2 + sum of (s1 - s2)^2.
    means, scales = np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 0.0]]), np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 0.5]])
    first, second = (Gaussian(mean=mean, covariance=np.diag(scale**2)) for mean, scale in zip(means, scales, strict=True))
    assert frechet_distance(first, second) == pytest.approx(5.0 + 1.0 + 0.0 + 6.25)
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-12)


def test_frechet_distance_does_not_depend_on_the_basis() -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    scales = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 0.5]])
    first, second = (Gaussian(mean=np.zeros(3), covariance=rotation @ np.diag(scale**2) @ rotation.T) for scale in scales)
    assert frechet_distance(first, second) == pytest.approx(7.25)


def test_frechet_distance_of_samples_nears_that_of_their_gaussians() -> None:
    noise = torch.Generator().manual_seed(0)
    standard = torch.randn(50_000, 4, generator=noise)
    moved = 2.0 * torch.randn(50_000, 4, generator=noise) + 1.0
    assert frechet_distance(fit_gaussian(moved), fit_gaussian(standard)) == pytest.approx(4 * (1.0 + 1.0), rel=0.02)


def test_gaussian_is_mean_and_unbiased_covariance_in_any_order() -> None:
    features = torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    gaussian = fit_gaussian(features)
    assert gaussian.mean.tolist() == [1.0, 2.0]
    assert gaussian.covariance.tolist() == [[2.0, 4.0], [4.0, 8.0]]
    many = torch.randn(5000, 8, generator=torch.Generator().manual_seed(0)) + 100.0
    np.testing.assert_allclose(fit_gaussian(many.flip(0)).covariance, fit_gaussian(many).covariance, rtol=1e-10)


def test_constant_images_have_a_distance() -> None:
    real = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)).double()
    distance = frechet_distance(fit_gaussian(torch.ones(500, 6)), fit_gaussian(real))
    expected = (1 - real.mean(0)).square().sum() + real.var(0).sum()  # no covariance of its own, so no cross term
    assert distance == pytest.approx(expected.item())


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    # As many images as a subset holds, so every subset is the whole and the mean over subsets is the estimate itself.
    noise = torch.Generator().manual_seed(0)
    x, y = (torch.randn(250, 5, generator=noise, dtype=torch.float64) + shift for shift in (0.5, 0.0))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 5 + 1) ** 3

    within = sum((kernel(a, a).sum() - kernel(a, a).trace()) / (250 * 249) for a in (x, y))
    assert kernel_distance(x, y) == pytest.approx(float(within - 2 * kernel(x, y).mean()), rel=1e-9)


@pytest.mark.parametrize(("generated", "real", "size"), [(10_000, 10_000, 1000), (1000, 10_000, 1000), (500, 500, 250), (10, 500, 10)])
def test_subset_size_fits_the_data(generated: int, real: int, size: int) -> None:
    assert kid_subset_size(generated, real) == size


def test_score_goes_from_one_to_the_number_of_classes() -> None:
    sure = 50.0 * torch.eye(10).repeat(5000, 1)
    assert classifier_score(sure) == pytest.approx(10.0, rel=1e-2)  # each of the ten parts has nearly equal shares
    assert classifier_score(sure[:1].repeat(100, 1)) == pytest.approx(1.0)
    assert classifier_score(torch.zeros(100, 10)) == pytest.approx(1.0)


def test_score_of_two_classes_by_hand() -> None:
    # p(y|x) = (0.9, 0.1) for all: no information, score 1; half (0.9, 0.1) and half (0.1, 0.9): exp(log 2 - H(0.1)).
    logit = math.log(9.0)
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    logits = torch.tensor([[logit, 0.0], [0.0, logit]]).repeat(50_000, 1)
    assert classifier_score(logits) == pytest.approx(2 * math.exp(-entropy), rel=1e-3)
