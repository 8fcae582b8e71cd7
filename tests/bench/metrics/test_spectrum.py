"""The radial power spectrum, compared with its definition in numpy and with closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.core.config import DATASETS
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.metrics.columns import SE, SPECTRUM
from bench.metrics.spectrum import ROUNDING, highest, log_ratios, nyquist, nyquist_powers, rings, spectra

HIGH = f"{SPECTRUM}_high"


def random_images(n: int, *shape: int, sd: float = 40.0, seed: int = 0) -> Tensor:
    """Return white noise around mid-grey."""
    noise = torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))
    return (127 + sd * noise).round().clamp(0, 255).to(torch.uint8)


def wave(side: int, cycles: int, amplitude: float) -> Tensor:
    """Return one image of a horizontal cosine."""
    x = torch.arange(side) / side
    return (127 + amplitude * torch.cos(2 * math.pi * cycles * x)).round().to(torch.uint8).expand(1, 1, side, side)


def by_definition(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of one image [H, W] in each ring, from the whole plane of frequencies."""
    height, width = image.shape
    power = np.abs(np.fft.fft2(image)) ** 2 / (height * width)
    y, x = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    ring = np.floor(np.hypot(y, x) * min(height, width) + 0.5).astype(int).ravel()
    return np.bincount(ring, power.ravel())[1:] / np.bincount(ring)[1:]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (1, 7, 10), (2, 11, 6), (1, 2, 2)])
def test_equals_the_definition(shape: tuple[int, int, int]) -> None:
    images = random_images(5, *shape)
    expected = [np.mean([by_definition(channel.double().numpy()) for channel in image], axis=0) for image in images]
    torch.testing.assert_close(spectra(images).double(), torch.from_numpy(np.stack(expected)), rtol=1e-4, atol=1e-2)


def test_white_noise_has_its_variance_everywhere() -> None:
    found = spectra(random_images(400, 1, 28, 28, sd=30.0)).double().mean(dim=0)
    assert len(found) == 20  # the corners have 14 √2 cycles
    torch.testing.assert_close(found, torch.full((20,), 900.0 + ROUNDING, dtype=torch.float64), rtol=0.03, atol=0)


def test_a_wave_has_power_in_its_ring_alone() -> None:
    found = spectra(wave(32, 5, 100.0))[0]
    ring = rings(32, 32)[:, 4]  # 5 cycles
    frequencies = round(2 / float(ring.max()))  # in the whole plane, where most columns occur twice
    assert found[4] == pytest.approx(2 * 100.0**2 * 32 * 32 / 4 / frequencies, rel=0.01)
    assert found[[0, 1, 2, 3]].sum() + found[5:].sum() < 0.01 * found[4]


def test_the_log_ratio_of_louder_images_is_known() -> None:
    generated, real = torch.full((9,), 4.0), torch.full((9,), 1.0)
    torch.testing.assert_close(
        log_ratios(generated, real), torch.full((9,), math.log((4 + ROUNDING) / (1 + ROUNDING)), dtype=torch.float64)
    )
    assert log_ratios(torch.zeros(9), torch.zeros(9)).tolist() == [0.0] * 9  # constant images on both sides


def test_the_highest_third_is_rounded_up() -> None:
    assert highest(torch.arange(20)).tolist() == list(range(13, 20))
    assert highest(torch.arange(1)).tolist() == [0]


def test_images_of_one_pixel_have_no_spectrum() -> None:
    with pytest.raises(ValueError, match="no spectrum"):
        spectra(torch.zeros(3, 1, 1, 1, dtype=torch.uint8))


def test_known_noise_gives_the_known_value() -> None:
    """Noise adds its variance to the power, so the value is log((P + σ²) / P) if no pixel is clipped."""
    dataset = DATASETS.get("digits")
    images = reference_images(dataset)
    evaluator = Evaluator(dataset, metrics=[SPECTRUM, HIGH])
    values = evaluator.full(images).values
    assert values[SPECTRUM] < 5 * values[f"{SPECTRUM}{SE}"] < 0.2
    real = spectra(dataset.split("test").data).double().mean(dim=0)
    middling = (images.float() / 2 + 64).round()  # a quarter of the power, without values near black or white
    noise = 12 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    found = evaluator.full((middling + noise).round().to(torch.uint8)).values
    own = spectra(middling.to(torch.uint8)).double().mean(dim=0) + 144
    expected = ((own + ROUNDING) / (real + ROUNDING)).log().abs()
    assert found[SPECTRUM] == pytest.approx(float(expected.mean()), rel=0.05)
    assert found[HIGH] == pytest.approx(float(expected[-2:].mean()), rel=0.05)


def test_a_constant_image_has_a_large_and_finite_value() -> None:
    dataset = DATASETS.get("digits")
    values = Evaluator(dataset, metrics=[SPECTRUM], errors=False).full(torch.full((500, 1, 8, 8), 7, dtype=torch.uint8)).values
    assert values[SPECTRUM] > 5


def nyquist_by_definition(image: NDArray[np.float64]) -> float:
    """Return the mean power of one image [H, W] at the Nyquist rows and columns, from the whole plane of frequencies."""
    height, width = image.shape
    power = np.abs(np.fft.fft2(image)) ** 2 / (height * width)
    y, x = np.meshgrid(np.abs(np.fft.fftfreq(height)), np.abs(np.fft.fftfreq(width)), indexing="ij")
    return float(power[(y == y.max()) | (x == x.max())].mean())


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (1, 7, 10), (2, 11, 6), (1, 9, 9), (1, 2, 2)])
def test_the_nyquist_power_equals_the_definition(shape: tuple[int, int, int]) -> None:
    images = random_images(5, *shape)
    expected = [np.mean([nyquist_by_definition(channel.double().numpy()) for channel in image]) for image in images]
    assert nyquist_powers(images).tolist() == pytest.approx(expected, rel=1e-4)
    assert float(nyquist(*shape[1:]).sum()) == pytest.approx(1.0)


def test_a_checkerboard_has_all_its_power_at_one_nyquist_frequency() -> None:
    rows = torch.arange(28)
    board = (127 + 10 * (1 - 2 * ((rows[:, None] + rows) % 2))).to(torch.uint8).expand(1, 1, 28, 28)
    stripes = (127 + 10 * (1 - 2 * (rows % 2))).to(torch.uint8).expand(1, 1, 28, 28)
    for image in (board, stripes):
        assert nyquist_powers(image).item() == pytest.approx(10**2 * 28 * 28 / 55, rel=1e-4)  # one row and one column share a corner
    assert nyquist_powers(wave(28, 5, 100.0)).item() < 1


def test_white_noise_has_its_variance_at_the_nyquist_frequencies() -> None:
    assert float(nyquist_powers(random_images(400, 1, 28, 28, sd=30.0)).mean()) == pytest.approx(900 + ROUNDING, rel=0.03)


def test_a_side_of_one_pixel_has_no_nyquist_frequency() -> None:
    with pytest.raises(ValueError, match="images of 1 x 4 pixels have no Nyquist frequency"):
        nyquist_powers(torch.zeros(3, 1, 1, 4, dtype=torch.uint8))
