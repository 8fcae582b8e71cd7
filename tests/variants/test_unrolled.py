"""Unrolled GAN on a linear game, against unrolled steps computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.core.errors import UserError
from bench.core.spec import Batch, Step
from variants.gan import GanNetworks
from variants.recipe import GanRecipe
from variants.unrolled import UnrolledObjective, UnrolledRecipe


class Slope(nn.Module):
    """Discriminator with D(x) = w x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.5))

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        return self.w * data


class Scale(nn.Module):
    """Generator with G(z) = a z."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(2.0))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.a * z


@pytest.mark.parametrize("steps", [1, 3])
def test_gradients_go_through_the_steps_of_d(steps: int) -> None:
    """A step with the Wasserstein loss changes w by lr (m - a s). After n steps, the loss of G is (w + n lr (m - a s)) (m - a s)."""
    recipe = UnrolledRecipe(loss="wasserstein", unroll=steps, unroll_lr=0.1, z_dim=1)
    nets = GanNetworks(Scale(), Slope(), recipe, "points")
    nets.discriminator.requires_grad_(False)  # as the trainer does for the update of G
    real = torch.tensor([[1.0], [3.0], [5.0], [-1.0]])
    at = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(0))
    s = nets.draw(4, torch.Generator().manual_seed(0)).z.mean()
    loss = UnrolledObjective(recipe).generator_loss(nets, Batch(data=real), at).loss.mean()
    m, a, w, n = real.mean(), 2.0, 0.5, steps * 0.1
    torch.testing.assert_close(loss, (w + n * (m - a * s)) * (m - a * s))
    loss.backward()
    generator = nets.generator
    assert isinstance(generator, Scale)
    torch.testing.assert_close(generator.a.grad, -(w * s + 2 * n * s * (m - a * s)))
    assert nets.discriminator.w.item() == 0.5
    assert nets.discriminator.w.grad is None


def test_at_the_optimum_of_d_looking_ahead_changes_nothing() -> None:
    """By the envelope theorem, G's gradient at the optimum of D does not depend on the number of unrolled steps."""
    real = torch.randn(64, 1, generator=torch.Generator().manual_seed(1)) + 0.5
    gradients = []
    for steps in (1, 20):
        recipe = UnrolledRecipe(loss="minimax", unroll=steps, unroll_lr=0.5, z_dim=1)
        nets = GanNetworks(Scale(), Slope(), recipe, "points")
        fake = nets.generate(nets.draw(64, torch.Generator().manual_seed(0))).detach()
        discriminator = nets.discriminator
        assert isinstance(discriminator, Slope)
        for _ in range(2000):
            w = discriminator.w.detach()
            discriminator.w.data -= 0.2 * (fake * (w * fake).sigmoid() - real * (-w * real).sigmoid()).mean()
        at = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(0))
        UnrolledObjective(recipe).generator_loss(nets, Batch(data=real), at).loss.mean().backward()
        gradients.append(nets.generator.get_parameter("a").grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beside", ["r1", "gp", "lecam", "drift", "clip", "label_noise"])
def test_what_the_steps_ahead_would_leave_out_is_refused(beside: str) -> None:
    with pytest.raises(UserError, match=rf"recipe.{beside}=\S+ .*; set recipe.{beside}=0"):
        UnrolledObjective(UnrolledRecipe.model_validate({beside: 0.1}))


def test_it_needs_its_own_numbers() -> None:
    with pytest.raises(UserError, match="an unrolled GAN needs an UnrolledRecipe, not a GanRecipe"):
        UnrolledObjective(GanRecipe())
