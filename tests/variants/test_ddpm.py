"""Diffusion: schedule, loss and sampling against values computed by hand and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS, VARIANTS, config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, Step
from bench.evaluation.sampling import sample
from bench.training.build import assemble
from variants.ddpm import DdpmRecipe, DiffusionNetworks, DiffusionObjective, build_ddpm, noise_schedule, sampling_times
from variants.networks.denoiser import Denoiser, build_denoiser
from variants.recipe import GanRecipe

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
PLANE = DataShape(kind="points", shape=(2,), classes=8)
CPU = torch.device("cpu")


class Fixed(nn.Module):
    """Denoiser that calls a function of (noisy, times) and records the times."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.times: list[int] = []

    def forward(self, noisy: Tensor, times: Tensor) -> Tensor:
        self.times.append(int(times[0]))
        return self.function(noisy, times)


def zero(noisy: Tensor, times: Tensor) -> Tensor:
    return torch.zeros_like(noisy)


def points(function: Callable[[Tensor, Tensor], Tensor] = zero, **numbers: Any) -> DiffusionNetworks:
    return DiffusionNetworks(Fixed(function), DdpmRecipe(**numbers), PLANE)


def test_the_schedule_by_hand() -> None:
    """With β = 0.1, 0.2, 0.3, the schedule is ᾱ = 1, 0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7."""
    torch.testing.assert_close(noise_schedule(3, 0.1, 0.3), torch.tensor([1.0, 0.9, 0.72, 0.504]))


def test_the_published_schedule() -> None:
    alpha_bar = noise_schedule(1000, 1e-4, 0.02)
    assert len(alpha_bar) == 1001
    assert alpha_bar[1].item() == pytest.approx(0.9999)
    product = 1.0
    for t in range(1000):
        product *= 1.0 - (1e-4 + (0.02 - 1e-4) * t / 999)
    assert alpha_bar[1000].item() == pytest.approx(product, rel=1e-5)
    assert alpha_bar[1000].item() == pytest.approx(4.0e-5, rel=0.02)
    assert bool((alpha_bar[1:] < alpha_bar[:-1]).all())


@pytest.mark.parametrize(
    ("times", "steps", "expected"),
    [(1000, 4, (1000, 750, 500, 250)), (10, 3, (10, 6, 3)), (5, 5, (5, 4, 3, 2, 1)), (1000, 1, (1000,)), (7, 2, (7, 3))],
)
def test_times_of_sampling(times: int, steps: int, expected: tuple[int, ...]) -> None:
    assert sampling_times(times, steps) == expected


def test_sampling_goes_through_these_times_down_to_the_data() -> None:
    nets = points(sampling_steps=4)
    nets.sample(nets.draw(3, torch.Generator().manual_seed(0)))
    assert isinstance(nets.denoiser, Fixed)
    assert nets.denoiser.times == [1000, 750, 500, 250]


@pytest.mark.parametrize("time", [1, 300, 1000])
def test_noisy_data_has_the_mean_and_the_variance_of_equation_4(time: int) -> None:
    nets = points()
    alpha_bar = float(nets.alpha_bar[time])
    noise = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    noisy = nets.add_noise(torch.tensor([[3.0, -1.0]]).expand(200_000, 2), noise, torch.full((200_000,), time))
    torch.testing.assert_close(noisy.mean(dim=0), math.sqrt(alpha_bar) * torch.tensor([3.0, -1.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(noisy.var(dim=0), torch.full((2,), 1 - alpha_bar), atol=0.01, rtol=0)


def test_every_example_has_its_own_time() -> None:
    nets = points()
    data, noise = torch.ones(2, 2), torch.zeros(2, 2)
    noisy = nets.add_noise(data, noise, torch.tensor([1, 1000]))
    torch.testing.assert_close(noisy[:, 0], nets.alpha_bar[torch.tensor([1, 1000])].sqrt())


def test_the_clean_data_is_found_again() -> None:
    nets = points()
    data, noise = torch.tensor([[2.0, -3.0]]), torch.tensor([[0.5, 1.5]])
    for time in (1, 500):
        torch.testing.assert_close(nets.clean(nets.add_noise(data, noise, torch.tensor([time])), noise, time), data, rtol=1e-4, atol=1e-4)


def test_one_step_by_hand() -> None:
    """With ᾱ_2 = 0.5, ᾱ_1 = 0.8, x = 2 and ε = 1, the step gives √0.8 x_0 + √0.2 for x_0 = (2 - √0.5) / √0.5."""
    nets = points(times=2, sampling_steps=2)
    nets.alpha_bar.copy_(torch.tensor([1.0, 0.8, 0.5]))
    clean = (2 - math.sqrt(0.5)) / math.sqrt(0.5)
    samples = nets.back(torch.full((1, 2), 2.0), torch.ones(1, 2), 2, 1)
    torch.testing.assert_close(samples, torch.full((1, 2), math.sqrt(0.8) * clean + math.sqrt(0.2)))


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_a_perfect_denoiser_of_one_point_finds_it(steps: int) -> None:
    point = torch.tensor([1.5, -2.5])
    alpha_bar = noise_schedule(1000, 1e-4, 0.02)

    def perfect(noisy: Tensor, times: Tensor) -> Tensor:
        at = alpha_bar[times][:, None]
        return (noisy - at.sqrt() * point) / (1 - at).sqrt()

    nets = points(perfect, sampling_steps=steps)
    samples = nets.sample(nets.draw(6, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(samples, point.expand(6, 2), atol=1e-2 if steps == 1 else 1e-4, rtol=0)


def test_a_perfect_denoiser_of_a_gaussian_gives_its_spread() -> None:
    """For data N(m, s²), the expected noise is √(1 - ᾱ) (x - √ᾱ m) / (ᾱ s² + 1 - ᾱ). DDIM with many steps maps N(0, 1) to N(m, s²)."""
    mean, sd, alpha_bar = 2.0, 0.5, noise_schedule(1000, 1e-4, 0.02)

    def perfect(noisy: Tensor, times: Tensor) -> Tensor:
        at = alpha_bar[times][:, None]
        return (1 - at).sqrt() * (noisy - at.sqrt() * mean) / (at * sd**2 + 1 - at)

    nets = points(perfect, sampling_steps=1000)
    z = torch.linspace(-2, 2, 9)[:, None].expand(9, 2)
    torch.testing.assert_close(nets.sample(Latent(z=z)), mean + sd * z, atol=0.03, rtol=0)


def test_images_are_cut_to_their_range_on_the_way() -> None:
    nets = DiffusionNetworks(Fixed(zero), DdpmRecipe(sampling_steps=10), DIGITS)
    samples = nets.sample(Latent(z=torch.full((1, 1, 8, 8), 3.0)))
    torch.testing.assert_close(samples, torch.ones(1, 1, 8, 8), atol=1e-5, rtol=0)
    assert points(sampling_steps=10).sample(Latent(z=torch.full((1, 2), 3.0))).min() > 100  # points are not clipped


def test_the_loss_by_hand() -> None:
    """A denoiser with the output 0 has the squared noise as its loss. One that knows the data has no loss."""
    noise = torch.Generator().manual_seed(5)
    torch.randint(1, 1001, (4,), generator=noise)
    expected = torch.randn(4, 2, generator=noise).square().mean(dim=1)
    objective = DiffusionObjective(DdpmRecipe())
    at = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(5))
    torch.testing.assert_close(objective.loss(points(), Batch(data=torch.ones(4, 2)), at).loss, expected)
    alpha_bar = noise_schedule(1000, 1e-4, 0.02)
    knows = points(lambda noisy, times: (noisy - alpha_bar[times][:, None].sqrt()) / (1 - alpha_bar[times][:, None]).sqrt())
    at = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(5))
    assert objective.loss(knows, Batch(data=torch.ones(4, 2)), at).loss.max() < 1e-6


def test_all_times_are_drawn_and_no_other() -> None:
    drawn_times: list[Tensor] = []

    def remember(noisy: Tensor, times: Tensor) -> Tensor:
        drawn_times.append(times)
        return noisy

    at = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(0))
    DiffusionObjective(DdpmRecipe(times=5, sampling_steps=2)).loss(
        points(remember, times=5, sampling_steps=2), Batch(data=torch.ones(500, 2)), at
    )
    assert set(drawn_times[0].tolist()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("networks", "data"), [("unet", DIGITS), ("mlp-denoiser", DIGITS), ("mlp-denoiser", PLANE)])
def test_samples_do_not_depend_on_the_batch(networks: str, data: DataShape) -> None:
    nets, _ = assemble(config_for("ddpm", {"networks": networks, "recipe.width": 8, "recipe.sampling_steps": 3}), data)
    for weight in nets.parameters():
        nn.init.normal_(weight, std=0.1)
    whole, parts = (sample(nets, n=12, seed=0, batch_size=size, device=CPU, points=True) for size in (12, 5))
    assert whole.shape == (12, *data.shape)
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-5)
    assert nets.draw(3, torch.Generator().manual_seed(0)).z.shape == (3, *data.shape)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 64), (3, 12, 20)])
@pytest.mark.parametrize("width", [1, 6, 16])
@pytest.mark.parametrize("name", [name for name, found in NETWORKS if isinstance(found, Denoiser)])
def test_denoisers_give_noise_of_the_datas_shape(name: str, width: int, shape: tuple[int, ...]) -> None:
    network = build_denoiser(name, DataShape(kind="image", shape=shape), width)
    assert network(torch.randn(2, *shape), torch.tensor([1, 1000])).shape == (2, *shape)


@pytest.mark.parametrize("name", [name for name, found in NETWORKS if isinstance(found, Denoiser)])
def test_denoisers_are_told_the_time_of_each_example(name: str) -> None:
    network = build_denoiser(name, DIGITS, 8)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.3)
    data = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(2, 1, 8, 8)
    one, other = network(data, torch.tensor([1, 900]))
    assert not torch.allclose(one, other, atol=1e-3)
    torch.testing.assert_close(network(data[:1], torch.tensor([900]))[0], other, atol=1e-5, rtol=1e-4)


def test_other_networks_are_refused_with_those_that_fit() -> None:
    with pytest.raises(UserError) as error:
        assemble(config_for("ddpm", {"networks": "dcgan"}), DIGITS)
    assert str(error.value) == "the networks 'dcgan' predict no noise, which diffusion needs; set networks=mlp-denoiser or unet"
    with pytest.raises(UserError) as error:
        assemble(config_for("ddpm"), PLANE)
    assert str(error.value) == "the networks 'unet' generate image data, not points; set networks=mlp-denoiser"
    with pytest.raises(UserError, match="the networks 'unet' are not a generator and a discriminator"):
        assemble(config_for("dcgan", {"networks": "unet"}), DIGITS)


def test_the_u_net_refuses_sides_that_it_cannot_halve_twice() -> None:
    with pytest.raises(UserError, match="multiples of 4, not 8x30"):
        build_denoiser("unet", DataShape(kind="image", shape=(1, 8, 30)), 4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"recipe.z_dim": 50}, "recipe.z_dim: Input should be 0, not 50"),
        ({"recipe.z_distribution": "uniform"}, "recipe.z_distribution: Input should be 'normal', not 'uniform'"),
        ({"recipe.sampling_steps": 1001}, "^recipe.sampling_steps=1001 is more than recipe.times=1000; set it to at most recipe.times$"),
        (
            {"recipe.beta_last": 0.5},
            "recipe.beta_last=0.5 leaves .* of the data's variance after 1000 steps, too little to restore the data",
        ),
        ({"recipe.lr_d": 1e-3}, "unknown path 'recipe.lr_d' for ddpm"),
    ],
)
def test_numbers_without_meaning_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        config_for("ddpm", setting)


def test_it_needs_its_own_numbers() -> None:
    with pytest.raises(UserError, match="diffusion needs a DdpmRecipe, not a GanRecipe"):
        DiffusionObjective(GanRecipe())
    with pytest.raises(UserError, match="diffusion needs a DdpmRecipe, not a GanRecipe"):
        build_ddpm("unet", GanRecipe(), DIGITS)


def test_the_recipe_is_as_published() -> None:
    recipe = VARIANTS.get("ddpm").recipe
    assert isinstance(recipe, DdpmRecipe)
    assert (recipe.times, recipe.beta_first, recipe.beta_last) == (1000, 1e-4, 0.02)
    assert (recipe.batch_size, recipe.lr_g, recipe.betas) == (128, 2e-4, (0.9, 0.999))
    assert recipe.ema_half_life_images == pytest.approx(128 * math.log(0.5) / math.log(0.9999), rel=1e-3)  # a decay of 0.9999 per batch
