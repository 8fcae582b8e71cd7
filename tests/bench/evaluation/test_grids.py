"""Sample grids and interpolations."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.spec import Latent, Networks
from bench.evaluation import grids
from bench.evaluation.scatter import scatter_png

CPU = torch.device("cpu")


class Ramp(Networks):
    """Networks whose images are as bright as the first number of z."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=torch.randn(n, 3, generator=noise))

    def sample(self, latent: Latent) -> Tensor:
        assert not self.training
        return latent.z[:, :1, None, None].tanh().expand(-1, self.channels, 5, 5)


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_each_image_where_it_belongs(channels: int) -> None:
    networks = Ramp(channels)
    latents = grids.fixed_latents(networks, CPU)
    grid = opened(grids.generated_png(networks, latents, DATASETS.get("digits")))
    assert grid.shape == ((49, 49) if channels == 1 else (49, 49, 3))
    expected = (latents.z[:, 0].tanh().add(1).mul(127.5)).round().reshape(8, 8).numpy()
    np.testing.assert_array_equal(grid.reshape(49, 49, -1)[3::6, 3::6, 0], expected)
    assert networks.training


def test_every_run_sees_the_same_noise() -> None:
    assert torch.equal(grids.fixed_latents(Ramp(), CPU).z, grids.fixed_latents(Ramp(), CPU).z)


def test_a_walk_goes_from_one_latent_to_the_other() -> None:
    networks = Ramp()
    latents = grids.fixed_latents(networks, CPU)
    strip = opened(grids.interpolation_png(networks, latents))
    assert strip.shape == (4 * 6 + 1, 8 * 6 + 1)
    brightness = latents.z[:, 0].tanh().add(1).mul(127.5).round().numpy()
    np.testing.assert_allclose(strip[3::6, 3], brightness[:4], atol=1)
    np.testing.assert_allclose(strip[3::6, -4], brightness[4:8], atol=1)


def test_walks_of_a_conditional_model_are_in_four_classes() -> None:
    networks = Ramp()
    networks.classes = 10
    latents = replace(grids.fixed_latents(networks, CPU), labels=torch.arange(64) * 10 // 64)
    labels: list[torch.Tensor | None] = []
    plain, networks.sample = networks.sample, lambda latent: (labels.append(latent.labels), plain(latent))[1]  # type: ignore[method-assign]
    strip = opened(grids.interpolation_png(networks, latents))
    assert labels[0] is not None
    assert labels[0].reshape(4, 8).tolist() == [[label] * 8 for label in (0, 2, 5, 7)]
    brightness = latents.z[:, 0].tanh().add(1).mul(127.5).round().numpy()
    np.testing.assert_allclose(strip[3::6, 3], brightness[::16], atol=1)
    np.testing.assert_allclose(strip[3::6, -4], brightness[1::16], atol=1)


def test_marks_are_early_and_at_most_five() -> None:
    assert len(grids.MARK_SHARES) <= 5
    assert list(grids.MARK_SHARES) == sorted(grids.MARK_SHARES)


class Plane(Networks):
    """Networks that return the latents as points."""

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=torch.randn(n, 2, generator=noise))

    def sample(self, latent: Latent) -> Tensor:
        assert not self.training
        return latent.z


def test_a_picture_of_points_has_2500_points() -> None:
    networks, ring = Plane(), DATASETS.get("ring8")
    latents = grids.fixed_latents(networks, CPU, grids.picture_size(ring))
    assert len(latents) == 2500
    assert grids.generated_png(networks, latents, ring) == scatter_png(latents.z, ring)
    assert networks.training


def test_each_kind_of_data_has_its_picture() -> None:
    digits, ring = DATASETS.get("digits"), DATASETS.get("ring8")
    images = digits.split("test").data
    assert grids.picture_size(digits) == 64
    assert grids.picture_of(images, digits) == grids.grid_of(images)
    points = ring.split("train").data
    assert grids.picture_of(points, ring) == scatter_png(points[:2500], ring)
