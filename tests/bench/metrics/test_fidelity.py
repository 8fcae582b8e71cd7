"""Fréchet distance, KID and classifier score, compared with torch-fidelity and with closed forms."""

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
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from bench.core.config import DATASETS
from bench.metrics import fidelity
from bench.metrics.extractors import Extractor, load_extractor
from bench.metrics.fidelity import (
    Gaussian,
    classifier_score,
    fit_gaussian,
    frechet_distance,
    frechet_infinity,
    kernel_distance,
    kernel_distances,
    kernel_pairs,
    kid_subset_size,
)
from bench.metrics.neighbours import K, find_neighbours, overlap

RELATIVE = 1e-6


class Registered(FeatureExtractorBase):
    """Adapter of this project's extractor to torch-fidelity, with named feature layers."""

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
        features = self.extractor(images)
        layers = {"features": features.features.double(), "logits": features.logits.double()}
        return tuple(layers[name] for name in self.features_list)


class Images(Dataset[Tensor]):
    """Adapter of images to a dataset for torch-fidelity."""

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
    """Return generated and real digits, where blurred training images replace samples of a generator."""
    dataset = DATASETS.get("digits")
    real = dataset.split("train").data[:500]
    return (0.8 * real.float() + 0.2 * real.roll(1, 3).float()).round().to(torch.uint8), dataset.split("test").data


def test_equals_torch_fidelity_from_images(registered: str, pair: tuple[Tensor, Tensor]) -> None:
    generated, real = pair
    expected = torch_fidelity.calculate_metrics(
        input1=Images(generated), input2=Images(real), feature_extractor=registered, isc=True, fid=True, kid=True, kid_subset_size=250,
        prc=True, prc_neighborhood=K,
        batch_size=100, cuda=False, save_cpu_ram=True, cache=False, verbose=False,
    )  # fmt: skip
    ours, theirs = load_extractor("digits")(generated), load_extractor("digits")(real)
    distance = frechet_distance(fit_gaussian(ours.features), fit_gaussian(theirs.features))
    assert distance == pytest.approx(expected["frechet_inception_distance"], rel=RELATIVE)
    assert kernel_distance(ours.features, theirs.features) == pytest.approx(expected["kernel_inception_distance_mean"], rel=RELATIVE)
    assert classifier_score(ours.logits) == pytest.approx(expected["inception_score_mean"], rel=RELATIVE)
    none = torch.zeros(0, len(generated))
    found = overlap(find_neighbours(theirs.features.double()), find_neighbours(ours.features.double()), none.bool(), none)
    assert found.inside.double().mean().item() == pytest.approx(expected["precision"], rel=RELATIVE)
    assert found.reached[0].double().mean().item() == pytest.approx(expected["recall"], rel=RELATIVE)


def test_frechet_distance_of_known_gaussians() -> None:
    # Diagonal covariances commute, so the distance is |m1 - m2|^2 + sum of (s1 - s2)^2.
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


def test_singular_covariances_have_the_distance_of_what_they_span() -> None:
    # With fewer images than features, the trace of the root is the sum of the singular values of X'Y / n.
    noise = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 100, generator=noise).double(), torch.randn(60, 100, generator=noise).double() + 0.3
    centred = (x - x.mean(0)) / math.sqrt(39), (y - y.mean(0)) / math.sqrt(59)
    root_trace = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + sum(side.square().sum() for side in centred) - 2 * root_trace
    assert frechet_distance(fit_gaussian(x), fit_gaussian(y)) == pytest.approx(expected.item(), rel=1e-9)
    assert frechet_distance(fit_gaussian(x), fit_gaussian(x)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("d", [2, 64, 300])
def test_frechet_distance_equals_torch_fidelity(d: int) -> None:
    noise = torch.Generator().manual_seed(d)
    x, y = (torch.randn(500, d, generator=noise) * torch.linspace(0.1, 2.0, d) + shift for shift in (0.0, 0.2))
    statistics = [fid_features_to_statistics(part.double()) for part in (x, y)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]
    assert frechet_distance(fit_gaussian(x), fit_gaussian(y)) == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.slow
def test_a_known_distance_is_found_without_the_bias_of_few_images() -> None:
    # The distance of N(0, 1) and N(0.1, 1) in 64 dimensions is 64 x 0.01 = 0.64. The bias of 5,000 images adds a third.
    noise = torch.Generator().manual_seed(0)
    real = Gaussian(mean=np.full(64, 0.1), covariance=np.eye(64))
    sets = [torch.randn(5000, 64, generator=noise) for _ in range(4)]
    plain = np.mean([frechet_distance(fit_gaussian(images), real) for images in sets])
    extrapolated = np.mean([frechet_infinity(images, real) for images in sets])
    assert plain > 1.3 * 0.64
    assert extrapolated == pytest.approx(0.64, rel=0.05)


@pytest.mark.slow
def test_an_extrapolation_is_repeatable_and_may_be_negative() -> None:
    noise = torch.Generator().manual_seed(0)
    real = Gaussian(mean=np.zeros(64), covariance=np.eye(64))
    values = [frechet_infinity(torch.randn(2000, 64, generator=noise), real) for _ in range(6)]
    assert -0.05 < min(values) < 0 < max(values) + 0.05  # the distance without extrapolation is near 0.56
    again = torch.randn(1000, 64, generator=noise)
    assert frechet_infinity(again, real) == frechet_infinity(again.clone(), real)


def test_gaussians_in_chunks_equal_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.randn(1001, 7, generator=torch.Generator().manual_seed(0)) + 50
    monkeypatch.setattr(fidelity, "CHUNK", 64)
    gaussian = fit_gaussian(features)
    np.testing.assert_allclose(gaussian.mean, features.double().mean(0).numpy(), rtol=1e-13)
    np.testing.assert_allclose(gaussian.covariance, np.cov(features.double().numpy(), rowvar=False), rtol=1e-10, atol=1e-13)


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
    expected = (1 - real.mean(0)).square().sum() + real.var(0).sum()  # constant images have no covariance, so there is no cross term
    assert distance == pytest.approx(expected.item())


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    # Every subset contains all images, so the mean over subsets is the estimate itself.
    noise = torch.Generator().manual_seed(0)
    x, y = (torch.randn(250, 5, generator=noise, dtype=torch.float64) + shift for shift in (0.5, 0.0))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 5 + 1) ** 3

    within = sum((kernel(a, a).sum() - kernel(a, a).trace()) / (250 * 249) for a in (x, y))
    assert kernel_distance(x, y) == pytest.approx(float(within - 2 * kernel(x, y).mean()), rel=1e-9)


def test_sums_over_real_pairs_that_are_computed_before_change_no_bit() -> None:
    noise = torch.Generator().manual_seed(0)
    x, y, other = (torch.randn(n, 5, generator=noise) + shift for n, shift in ((400, 0.4), (300, 0.0), (300, 1.0)))
    assert kernel_distance(x, y, kernel_pairs(len(x), y)) == kernel_distance(x, y)
    assert kernel_distance(x, y, kernel_pairs(len(x), other)) != kernel_distance(x, y)


def test_kernel_distance_of_halves_is_that_of_all_their_pairs() -> None:
    # With 250 images on each side, a subset of kernel_distance contains all images, so both are the unbiased estimate.
    noise = torch.Generator().manual_seed(0)
    generated = torch.randn(500, 5, generator=noise, dtype=torch.float64) + 0.4
    real = torch.randn(250, 5, generator=noise, dtype=torch.float64)
    half_samples = torch.stack([torch.randperm(500, generator=noise) < 250 for _ in range(3)])
    expected = [kernel_distance(generated[half], real) for half in half_samples]
    assert kernel_distances(generated, real, half_samples).tolist() == pytest.approx(expected, rel=1e-9)
    assert kernel_distances(generated.float(), real.float(), half_samples).tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("strip", [7, 1000])
def test_strips_change_nothing(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 5, generator=noise) + 0.4, torch.randn(70, 5, generator=noise)
    before = kernel_distance(x, y), kernel_distances(x, y, torch.ones(1, 60).bool()).item()
    monkeypatch.setattr(fidelity, "STRIP", strip)
    assert kernel_distance(x, y) == pytest.approx(before[0], rel=1e-9)
    assert kernel_distances(x, y, torch.ones(1, 60).bool()).item() == pytest.approx(before[1], rel=1e-3)


def test_impossible_input_raises() -> None:
    features = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    broken = features.clone()
    broken[3, 2] = torch.nan
    real = fit_gaussian(features)
    for bad in (lambda: fit_gaussian(broken), lambda: kernel_distance(broken, features), lambda: classifier_score(broken)):
        with pytest.raises(ValueError, match="not finite"):
            bad()
    with pytest.raises(ValueError, match="at least 2 rows"):
        fit_gaussian(features[:1])
    with pytest.raises(ValueError, match="of 4 and of 3 dimensions"):
        frechet_distance(real, fit_gaussian(features[:, :3]))
    with pytest.raises(ValueError, match="of 4 features needs at least 12 images, not 11"):
        frechet_infinity(features[:11], real)
    with pytest.raises(ValueError, match="at least 2 images on either side, not 1"):
        kernel_distance(features[:1], features)
    with pytest.raises(ValueError, match=r"4 classes .*40 images.*not 39"):
        classifier_score(features[:39])
    with pytest.raises(ValueError, match=r"1008 classes .*1000 images.*not 999"):
        classifier_score(torch.zeros(999, 1008))


@pytest.mark.parametrize(("generated", "real", "size"), [(10_000, 10_000, 1000), (1000, 10_000, 1000), (500, 500, 250), (10, 500, 10)])
def test_subset_size_fits_the_data(generated: int, real: int, size: int) -> None:
    assert kid_subset_size(generated, real) == size


def test_score_goes_from_one_to_the_number_of_classes() -> None:
    sure = 50.0 * torch.eye(10).repeat(5000, 1)
    assert classifier_score(sure) == pytest.approx(10.0, rel=1e-2)  # each of the ten parts has nearly equal class shares
    assert classifier_score(sure[:1].repeat(100, 1)) == pytest.approx(1.0)
    assert classifier_score(torch.zeros(100, 10)) == pytest.approx(1.0)


def test_score_of_two_classes_by_hand() -> None:
    # If p(y|x) is (0.9, 0.1) for all images, the score is 1. If it is (0.1, 0.9) for half of them, the score is exp(log 2 - H(0.1)).
    logit = math.log(9.0)
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    logits = torch.tensor([[logit, 0.0], [0.0, logit]]).repeat(50_000, 1)
    assert classifier_score(logits) == pytest.approx(2 * math.exp(-entropy), rel=1e-3)


def test_wide_features_have_the_same_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.Generator().manual_seed(0)
    mixing = torch.randn(40, 40, generator=noise) * torch.linspace(0.01, 1, 40)
    for n in (30, 400):  # covariances of lower rank, and of full rank
        a, b = (fit_gaussian(torch.randn(n, 40, generator=noise) @ mixing * scale + shift) for scale, shift in ((1.0, 0.0), (1.1, 0.1)))
        exact = frechet_distance(a, b)
        monkeypatch.setattr(fidelity, "WIDE", 10)
        assert frechet_distance(a, b) == pytest.approx(exact, rel=1e-6)
        monkeypatch.undo()
