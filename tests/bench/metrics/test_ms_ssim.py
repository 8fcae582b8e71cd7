"""MS-SSIM of two scales, compared with a public implementation and with closed forms."""

from __future__ import annotations

import pytest
import pytorch_msssim
import torch
from torch import Tensor

from bench.metrics import ms_ssim
from bench.metrics.ms_ssim import WEIGHTS, ms_ssim_2


def pairs(n: int, *shape: int, own: float = 0.3, seed: int = 0) -> Tensor:
    """Return n pairs of smooth uint8 images [2 n, ...]. A share `own` of the second image does not depend on the first."""
    noise = torch.Generator().manual_seed(seed)
    smooth = torch.nn.functional.avg_pool2d(torch.rand(2 * n, *shape, generator=noise), 5, stride=1, padding=2)
    images = (smooth - 0.3).clamp(0) * 600
    images[1::2] = own * images[1::2] + (1 - own) * images[::2]
    return images.clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("shape", [(1, 164, 164), (3, 170, 164)])  # the public implementation needs images for five scales
def test_equals_a_public_implementation(shape: tuple[int, int, int]) -> None:
    images = pairs(3, *shape)
    x, y = images.double().unflatten(0, (3, 2)).unbind(1)
    expected = pytorch_msssim.ms_ssim(x, y, data_range=255, size_average=False, weights=list(WEIGHTS))
    assert 0.1 < expected.min() < expected.max() < 0.99
    torch.testing.assert_close(ms_ssim_2(images), expected, rtol=1e-6, atol=0)  # the public implementation has a float32 window


def test_weights_are_those_of_the_first_two_scales() -> None:
    assert sum(WEIGHTS) == pytest.approx(1.0)
    assert WEIGHTS[0] / WEIGHTS[1] == pytest.approx(0.0448 / 0.2856)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 22, 37)])
def test_an_image_with_itself_is_one(shape: tuple[int, int, int]) -> None:
    images = pairs(20, *shape, own=0.0)
    torch.testing.assert_close(ms_ssim_2(images), torch.ones(20, dtype=torch.float64), rtol=0, atol=1e-12)
    assert ms_ssim_2(torch.full((4, *shape), 255, dtype=torch.uint8)).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_flat_images_differ_by_luminance_alone() -> None:
    images = torch.full((2, 1, 28, 28), 100, dtype=torch.uint8)
    images[1] = 50
    luminance = (2 * 100 * 50 + 2.55**2) / (100**2 + 50**2 + 2.55**2)
    assert ms_ssim_2(images).item() == pytest.approx(luminance ** WEIGHTS[1], rel=1e-9)


def test_falls_as_images_differ_and_is_zero_for_an_inverse() -> None:
    means = [float(ms_ssim_2(pairs(40, 1, 28, 28, own=own)).mean()) for own in (0.0, 0.1, 0.3, 0.6, 1.0)]
    assert means == sorted(means, reverse=True)
    images = pairs(10, 1, 28, 28)
    images[1::2] = 255 - images[::2]
    assert ms_ssim_2(images).eq(0).all()


def test_order_of_a_pair_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pairs(9, 2, 25, 28)
    before = ms_ssim_2(images)
    swapped = images.view(9, 2, 2, 25, 28).flip(1).flatten(0, 1)
    torch.testing.assert_close(ms_ssim_2(swapped), before)
    monkeypatch.setattr(ms_ssim, "CHUNK", 3000)
    torch.testing.assert_close(ms_ssim_2(images), before)


def test_impossible_input_raises() -> None:
    with pytest.raises(ValueError, match=r"22 pixels a side, not of the shape \[1, 8, 8\]"):
        ms_ssim_2(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="a pair needs two images, not 1"):
        ms_ssim_2(torch.zeros(1, 1, 28, 28, dtype=torch.uint8))
