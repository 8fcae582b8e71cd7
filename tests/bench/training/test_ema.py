"""The exponential moving average of weights, compared with its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.core.spec import Networks
from bench.training.ema import Ema


class Nets(Networks):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("running", torch.zeros(2))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


def test_half_of_the_way_in_a_half_life() -> None:
    nets = Nets()
    ema = Ema(nets, half_life_images=1000)
    nets.weight.data.fill_(1.0)
    nets.running.fill_(4.0)
    nets.count.fill_(7)
    for images in range(100_000, 101_000, 10):
        ema.update(nets, images, 10)
    torch.testing.assert_close(ema.networks.weight.data, torch.full((3,), 0.5))
    torch.testing.assert_close(ema.networks.running, torch.full((2,), 2.0))  # float buffers are averaged
    assert ema.networks.count == 7  # integer buffers are copied
    assert not ema.networks.weight.requires_grad


def test_warm_up_takes_five_percent_of_the_images_so_far() -> None:
    ema = Ema(Nets(), half_life_images=1000)
    assert ema.decay(images=100, images_since=5) == pytest.approx(0.5)
    assert ema.decay(images=20_000, images_since=1000) == pytest.approx(0.5)
    assert ema.decay(images=10**6, images_since=1000) == pytest.approx(0.5)


def test_a_rebound_buffer_is_followed() -> None:
    nets = Nets()
    ema = Ema(nets, half_life_images=1)
    nets.running = torch.full((2,), 8.0)
    ema.update(nets, 10**6, 10**4)
    torch.testing.assert_close(ema.networks.running, torch.full((2,), 8.0))
