"""Metrics of translation, compared with public implementations and with closed forms."""

from __future__ import annotations

import math

import pytest
import pytorch_msssim
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error
from torch import Tensor

from bench.metrics import translation
from bench.metrics.diversity import vendi_score
from bench.metrics.spectrum import ROUNDING
from bench.metrics.translation import distances, effective_share, input_features, l1, mse, psnr, ssim

LIMIT = 10 * math.log10(255**2 * 12)  # dB: of equal images


def images(n: int, *shape: int, seed: int = 0) -> Tensor:
    """Return smooth uint8 images."""
    noise = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1) * 255).to(torch.uint8)


def near(of: Tensor, sd: float = 20.0) -> Tensor:
    """Return images with noise."""
    noise = sd * torch.randn(of.shape, generator=torch.Generator().manual_seed(1))
    return (of.float() + noise).round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 21)])
def test_l1_and_mse_equal_a_public_implementation(shape: tuple[int, int, int]) -> None:
    x, y = images(7, *shape), near(images(7, *shape))
    rows = [(a.flatten().double().numpy(), b.flatten().double().numpy()) for a, b in zip(x, y, strict=True)]
    assert l1(x, y).tolist() == pytest.approx([mean_absolute_error(a, b) for a, b in rows], rel=1e-12)
    assert mse(x, y).tolist() == pytest.approx([mean_squared_error(a, b) for a, b in rows], rel=1e-12)
    expected = [10 * math.log10(255**2 / mean_squared_error(a, b)) for a, b in rows]
    assert psnr(x, y).tolist() == pytest.approx(expected, rel=1e-12)


def test_the_largest_difference_is_exact() -> None:
    black, white = torch.zeros(2, 3, 40, 40, dtype=torch.uint8), torch.full((2, 3, 40, 40), 255, dtype=torch.uint8)
    assert l1(black, white).tolist() == l1(white, black).tolist() == [255.0, 255.0]
    assert mse(black, white).tolist() == [255.0**2] * 2
    assert psnr(black, white).tolist() == [0.0, 0.0]


def test_psnr_of_equal_images_is_the_rounding_error_of_bytes() -> None:
    x = images(2, 1, 6, 6)
    assert psnr(x, x).tolist() == pytest.approx([LIMIT, LIMIT])
    assert pytest.approx(58.92, abs=0.01) == LIMIT
    y = x.clone()
    y[0, 0, 0, :3] ^= 1  # one level in 3 of 36 pixels: an MSE of 1/12
    y[1, 0, 0, :4] ^= 1
    assert psnr(y, x).tolist() == pytest.approx([LIMIT, 10 * math.log10(255**2 * 9)])


def test_psnr_is_a_mean_over_images_not_over_pixels() -> None:
    x = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    y = torch.stack([x[0] + 1, x[1] + 100])
    assert float(psnr(x, y).mean()) == pytest.approx((10 * math.log10(255**2) + 10 * math.log10(2.55**2)) / 2)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 11, 30)])
def test_ssim_equals_a_public_implementation(shape: tuple[int, int, int]) -> None:
    x = images(6, *shape)
    y = near(x)
    expected = pytorch_msssim.ssim(x.double(), y.double(), data_range=255, size_average=False)
    assert 0.1 < expected.min() < expected.max() < 0.99
    torch.testing.assert_close(ssim(x, y), expected, rtol=2e-6, atol=0)  # the public implementation has a float32 window
    assert ssim(x, x).tolist() == pytest.approx([1.0] * 6, abs=1e-12)


def test_ssim_of_flat_images_is_their_luminance() -> None:
    x, y = torch.full((1, 1, 12, 12), 100, dtype=torch.uint8), torch.full((1, 1, 12, 12), 50, dtype=torch.uint8)
    assert ssim(x, y).item() == pytest.approx((2 * 100 * 50 + 2.55**2) / (100**2 + 50**2 + 2.55**2))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = images(9, 2, 15, 13)
    y = near(x)
    before = [function(x, y) for function in (l1, psnr, ssim)]
    monkeypatch.setattr(translation, "CHUNK", 800)
    for function, expected in zip((l1, psnr, ssim), before, strict=True):
        torch.testing.assert_close(function(x, y), expected, rtol=1e-14, atol=0)


def test_distances_are_euclidean() -> None:
    assert distances(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])).tolist() == [5.0, 0.0]


def test_equal_outputs_have_the_share_of_one() -> None:
    inputs = torch.eye(5).repeat(20, 1)
    assert effective_share(inputs, inputs) == pytest.approx(1.0)
    assert effective_share(torch.ones(100, 3), inputs) == pytest.approx(1 / 5)
    merged = torch.eye(5)[[0, 0, 1, 1, 2]].repeat(20, 1)  # two inputs to one, two to another
    entropy = -(2 * 0.4 * math.log(0.4) + 0.2 * math.log(0.2))
    assert effective_share(merged, inputs) == pytest.approx(math.exp(entropy) / 5)


def test_features_of_inputs_do_not_depend_on_brightness_or_sign() -> None:
    x = images(60, 1, 9, 7)
    value = vendi_score(input_features(x, 16))
    assert vendi_score(input_features(255 - x, 16)) == pytest.approx(value, rel=1e-4)
    assert input_features(x, 16).shape == (60, 16)
    assert input_features(x, 100).shape == (60, 59)
    assert input_features(images(60, 1, 3, 2), 100).shape == (60, 6)
    assert vendi_score(input_features(x[:1].expand(60, -1, -1, -1), 16)) == pytest.approx(1.0)


def test_impossible_input_raises() -> None:
    x = images(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"11 pixels a side, not of the shape \[1, 8, 8\]"):
        ssim(x, x)
    for function in (l1, mse, psnr, ssim):
        with pytest.raises(ValueError, match=r"equal shapes, not \[2, 1, 8, 8\] and \[1, 1, 8, 8\]"):
            function(x, x[:1])
        with pytest.raises(ValueError, match=r"are uint8, not torch.float32 and torch.uint8"):
            function(x.float(), x)
        with pytest.raises(ValueError, match="at least one image"):
            function(x[:0], x[:0])


def test_the_limit_is_the_rounding_error_of_the_spectrum() -> None:
    assert ROUNDING == 1 / 12  # the variance of a uniform error of one level
