"""Sampling. Examples do not depend on the batch size, and the networks keep their state."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from bench.core.spec import Latent, Networks
from bench.evaluation.sampling import WALK_PAIRS, WALK_STEPS, sample, sample_walks, slerp

CPU = torch.device("cpu")


class Tiny(Networks):
    """A generator with dropout and batch norm, which detect a wrong mode. It can use labels and return NaN."""

    def __init__(self, *, broken: int = -1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(4, 64), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Tanh())
        self.layers[2].eval()  # one module is in evaluation mode already
        self.broken = broken
        self.autocast = False

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=torch.randn(n, 4, generator=noise), labels=labels)

    def sample(self, latent: Latent) -> Tensor:
        self.autocast = torch.is_autocast_enabled("cpu")
        images = self.layers(latent.z).view(-1, 1, 8, 8)
        if latent.labels is not None:
            images = torch.ones_like(images) * latent.labels.view(-1, 1, 1, 1) / 10
        if self.broken >= 0:
            images[self.broken % len(images), 0, 0, 0] = torch.nan
        return images


def draw(networks: Networks, *, n: int = 100, seed: int = 0, batch_size: int = 100, labels: Tensor | None = None) -> Tensor:
    return sample(networks, n=n, seed=seed, batch_size=batch_size, device=CPU, labels=labels)


def test_samples_depend_on_the_seed_alone() -> None:
    networks = Tiny()
    images = draw(networks)
    assert images.dtype == torch.uint8
    assert images.shape == (100, 1, 8, 8)
    assert images.float().std() > 10
    assert torch.equal(draw(networks, batch_size=7), images)
    assert not torch.equal(draw(networks, seed=1), images)


def test_sampling_leaves_the_networks_as_they_were() -> None:
    networks = Tiny()
    before = {name: module.training for name, module in networks.named_modules()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = draw(networks)
    assert not networks.autocast
    assert not images.requires_grad
    assert {name: module.training for name, module in networks.named_modules()} == before
    assert set(before.values()) == {True, False}
    with pytest.raises(RuntimeError):
        draw(networks, labels=torch.zeros(3))  # too few labels raise an error during sampling
    assert {name: module.training for name, module in networks.named_modules()} == before


def test_labels_reach_the_networks_in_order() -> None:
    labels = torch.arange(10).repeat(10)
    images = draw(Tiny(), labels=labels, batch_size=30)
    assert images.unique().numel() == 10
    assert torch.equal(images[:10], images[10:20])


def test_values_that_are_not_finite_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        draw(Tiny())
        assert not caplog.text
        draw(Tiny(broken=3), batch_size=50)
    assert "2 of 100 generated examples" in caplog.text


def test_points_come_as_they_are() -> None:
    class Line(Tiny):
        def sample(self, latent: Latent) -> Tensor:
            return 10 * latent.z[:, :2]

    points = sample(Line(), n=50, seed=0, batch_size=7, device=CPU, points=True)
    assert points.dtype == torch.float32
    assert points.shape == (50, 2)
    assert float(points.abs().max()) > 5
    assert torch.equal(points, sample(Line(), n=50, seed=0, batch_size=50, device=CPU, points=True))


def test_walks_lead_from_latent_to_latent() -> None:
    walks = sample_walks(Tiny(), seed=0, batch_size=100, device=CPU)
    assert walks.shape == (WALK_PAIRS, WALK_STEPS + 1, 1, 8, 8)
    assert torch.equal(walks, sample_walks(Tiny(), seed=0, batch_size=33, device=CPU))
    step = (walks[:, 1:].float() - walks[:, :-1].float()).flatten(2).norm(dim=2)
    whole = (walks[:, -1].float() - walks[:, 0].float()).flatten(1).norm(dim=1)
    assert float((step.amax(dim=1) / whole).median()) < 0.5  # small steps
    assert (step.sum(dim=1) >= whole - 1e-3).all()


def test_walks_keep_the_labels_of_their_start() -> None:
    class Labelled(Tiny):
        def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
            return Latent(z=torch.randn(n, 4, generator=noise), labels=torch.arange(n) % 10)

    walks = sample_walks(Labelled(), seed=0, batch_size=100, device=CPU)
    assert torch.equal(walks[3, 0], walks[3, WALK_STEPS])
    assert not torch.equal(walks[3, 0], walks[4, 0])


def test_slerp_stays_on_the_sphere() -> None:
    start, end = torch.randn(2, 5, 30, generator=torch.Generator().manual_seed(0)).unbind()
    start, end = start / start.norm(dim=1, keepdim=True), end / end.norm(dim=1, keepdim=True)
    for share in (0.0, 0.3, 1.0):
        torch.testing.assert_close(slerp(start, end, share).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(slerp(start, end, 0.0), start)
    torch.testing.assert_close(slerp(start, end, 1.0), end)
