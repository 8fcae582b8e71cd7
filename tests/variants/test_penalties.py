"""Penalties on functions whose gradient is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.penalties import clip_weights, consistency, dragan_penalty, gradient_penalty, input_gradient, lecam, squared_gradient

NOISE = torch.Generator()


def linear(slope: float) -> nn.Linear:
    layer = nn.Linear(4, 1, bias=False)
    nn.init.constant_(layer.weight, slope)  # the gradient's norm is 2 * slope
    return layer


def test_the_gradient_of_a_linear_function_is_its_weight() -> None:
    layer = linear(0.7)
    torch.testing.assert_close(input_gradient(layer, torch.randn(3, 4)), torch.full((3, 4), 0.7))


@pytest.mark.parametrize(("slope", "expected"), [(0.5, 0.0), (1.0, 1.0), (2.0, 9.0), (0.0, 1.0)])
def test_wgan_gp_is_the_squared_distance_of_the_norm_from_one(slope: float, expected: float) -> None:
    penalty = gradient_penalty(linear(slope), torch.randn(5, 4), torch.randn(5, 4), NOISE)
    torch.testing.assert_close(penalty, torch.full((5,), expected))


def test_penalty_trains_the_discriminator_towards_norm_one() -> None:
    layer = linear(2.0)
    gradient_penalty(layer, torch.randn(5, 4), torch.randn(5, 4), NOISE).mean().backward()
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w| = 2 * 3 * 2 / 4
    torch.testing.assert_close(layer.weight.grad, torch.full((1, 4), 3.0))


def test_penalty_is_taken_between_real_and_fake() -> None:
    inputs: list[torch.Tensor] = []

    def record(data: torch.Tensor) -> torch.Tensor:
        inputs.append(data.detach())
        return data.sum(dim=1)

    real, fake = torch.zeros(64, 2), torch.ones(64, 2)
    gradient_penalty(record, real, fake, torch.Generator().manual_seed(0))
    (points,) = inputs
    assert torch.equal(points[:, 0], points[:, 1])  # one interpolation weight per sample
    assert 0 <= points.min() < 0.1
    assert 0.9 < points.max() <= 1


def test_penalty_is_float32_under_autocast() -> None:
    layer = linear(1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty = gradient_penalty(layer, torch.randn(5, 4), torch.randn(5, 4).bfloat16(), NOISE)
    assert penalty.dtype == torch.float32
    torch.testing.assert_close(penalty, torch.ones(5))


def test_clipping_bounds_every_weight_in_place() -> None:
    layer = nn.Linear(50, 20)
    before = layer.weight.data.clone()
    clip_weights(layer, 0.01)
    assert all(parameter.abs().max() <= 0.01 for parameter in layer.parameters())
    inside = before.abs() <= 0.01
    assert torch.equal(layer.weight[inside], before[inside])


@pytest.mark.parametrize(("slope", "expected"), [(0.5, 0.5), (1.0, 2.0), (0.0, 0.0)])
def test_r1_is_half_the_squared_norm(slope: float, expected: float) -> None:
    torch.testing.assert_close(squared_gradient(linear(slope), torch.randn(5, 4)), torch.full((5,), expected))


def test_dragan_looks_near_real_data() -> None:
    inputs: list[torch.Tensor] = []

    def record(data: torch.Tensor) -> torch.Tensor:
        inputs.append(data.detach())
        return 2.0 * data.sum(dim=1)

    real = torch.randn(1000, 4) * 3
    penalty = dragan_penalty(record, real, torch.Generator().manual_seed(0))
    torch.testing.assert_close(penalty, torch.full((1000,), 9.0))  # the gradient's norm is 4
    away = (inputs[0] - real) / real.std()
    assert 0 <= away.min() < 0.01
    assert 0.45 < away.max() <= 0.5
    assert away.mean() == pytest.approx(0.125, abs=0.01)  # 0.5 times the mean of the product of two U[0, 1]
    assert away[:, 0].unique().numel() == 1000


def test_lecam_holds_each_side_to_the_mean_of_the_other() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -1.0])
    assert lecam(real, fake, torch.tensor(2.0), torch.tensor(-1.0)).tolist() == [8.0, 25.0]


def test_consistency_is_the_squared_change_of_all_outputs() -> None:
    assert consistency(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])).tolist() == [5.0]
