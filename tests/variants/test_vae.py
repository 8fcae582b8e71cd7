"""The VAE: its ELBO against values computed by hand, torch.distributions, and a known optimum."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from bench.core.config import NETWORKS, VARIANTS, config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Examples, Recipe, Step
from bench.training.build import assemble
from bench.training.loop import Trainer, train
from variants.networks.backbone import Backbone
from variants.recipe import GanRecipe
from variants.vae import VaeNetworks, VaeObjective, VaeRecipe, bernoulli, build_vae, gaussian, rate_of

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
PLANE = DataShape(kind="points", shape=(2,), classes=8)
BACKBONES = [name for name, found in NETWORKS if isinstance(found, Backbone) and found.decodes]


def step(seed: int = 0) -> Step:
    return Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(seed))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_rate_is_the_divergence_of_two_gaussians() -> None:
    mean, log_variance = random(5, 3), random(5, 3, seed=1)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(rate_of(mean, log_variance), expected)
    assert rate_of(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0.0


def test_likelihoods_against_torch() -> None:
    data, decoded = random(4, 1, 3, 3).tanh(), random(4, 1, 3, 3, seed=1).tanh()
    torch.testing.assert_close(gaussian(data, decoded, 0.3), Normal(decoded, 0.3).log_prob(data).flatten(1).sum(dim=1))
    whole = data.sign()  # pixels of 0 and 1
    torch.testing.assert_close(bernoulli(whole, decoded), Bernoulli((decoded + 1) / 2).log_prob((whole + 1) / 2).flatten(1).sum(dim=1))


def test_a_sure_decoder_has_a_finite_likelihood() -> None:
    decoded = torch.tensor([[1.0, -1.0]], requires_grad=True)
    value = bernoulli(torch.tensor([[-1.0, -1.0]]), decoded)
    assert value.isfinite().all()
    assert value.item() == pytest.approx(math.log(1e-6), rel=1e-2)


class Affine(nn.Module):
    """Encoder of 1-D data with the mean `slope` x and a constant log-variance."""

    def __init__(self, slope: float, log_variance: float) -> None:
        super().__init__()
        self.slope, self.log_variance = nn.Parameter(torch.tensor(slope)), nn.Parameter(torch.tensor(log_variance))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.slope * x, self.log_variance.expand_as(x)], dim=1)


class Scale(nn.Module):
    """Decoder with the output w z."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, z: Tensor) -> Tensor:
        return self.w * z


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_bound_by_hand(beta: float) -> None:
    """The terms equal those computed by hand for z = 0.5 x + e^-0.2 ε, the decoder 2 z and sd 0.7."""
    objective = VaeObjective(VaeRecipe(z_dim=1, likelihood="gaussian", sd=0.7, beta=beta))
    nets = VaeNetworks(Affine(0.5, -0.4), Scale(2.0), 1, "points")
    x, noise = random(6, 1), random(6, 1, seed=3)
    z = 0.5 * x + math.exp(-0.2) * noise
    distortion = (0.5 * ((x - 2 * z) / 0.7) ** 2 + math.log(0.7) + 0.5 * math.log(2 * math.pi))[:, 0]
    rate = 0.5 * ((0.5 * x) ** 2 + math.exp(-0.4) - 1 + 0.4)[:, 0]
    terms = objective.loss(nets, Batch(data=x), step(3))
    torch.testing.assert_close(terms.loss, distortion + beta * rate)
    torch.testing.assert_close(terms.log["rate"], rate)
    torch.testing.assert_close(terms.log["distortion"], distortion)
    torch.testing.assert_close(terms.log["elbo"], -distortion - rate)


W, SD = 1.5, 0.6
EVIDENCE = W**2 + SD**2  # the variance of x = W z + SD ε with z from the prior
BEST = (W / EVIDENCE, math.log(SD**2 / EVIDENCE))  # the slope and the log-variance of the true posterior


def bound(slope: float, log_variance: float) -> float:
    """Return the mean ELBO over x from -2 to 2 and many z."""
    objective = VaeObjective(VaeRecipe(z_dim=1, likelihood="gaussian", sd=SD))
    nets = VaeNetworks(Affine(slope, log_variance), Scale(W), 1, "points")
    x = torch.linspace(-2, 2, 9)[:, None].repeat(20_000, 1)
    with torch.no_grad():
        return float(objective.loss(nets, Batch(data=x), step()).log["elbo"].mean())


def test_the_bound_meets_the_evidence_at_the_true_posterior_alone() -> None:
    evidence = float(Normal(0.0, math.sqrt(EVIDENCE)).log_prob(torch.linspace(-2, 2, 9)).mean())
    assert bound(*BEST) == pytest.approx(evidence, abs=0.01)
    for slope, spread in ((0.2, 0.0), (-0.2, 0.0), (0.0, 0.7), (0.0, -0.7)):
        assert bound(BEST[0] + slope, BEST[1] + spread) < evidence - 0.02


def test_training_the_encoder_finds_the_true_posterior() -> None:
    objective = VaeObjective(VaeRecipe(z_dim=1, likelihood="gaussian", sd=SD))
    encoder = Affine(0.0, 0.0)
    nets, noise = VaeNetworks(encoder, Scale(W), 1, "points"), step()
    data = math.sqrt(EVIDENCE) * random(512, 1)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        objective.loss(nets, Batch(data=data), noise).loss.mean().backward()
        optimiser.step()
    assert encoder.slope.item() == pytest.approx(BEST[0], abs=0.05)
    assert encoder.log_variance.item() == pytest.approx(BEST[1], abs=0.15)


@pytest.mark.parametrize("networks", BACKBONES)
def test_any_backbone_and_every_parameter_has_a_gradient(networks: str) -> None:
    recipe = VaeRecipe(width=4, z_dim=3)
    nets = build_vae(networks, recipe, DIGITS)
    mean, log_variance = nets.posterior(torch.zeros(4, 1, 8, 8))
    assert mean.shape == log_variance.shape == (4, 3)
    VaeObjective(recipe).loss(nets, Batch(data=random(16, 1, 8, 8).tanh()), step()).loss.mean().backward()
    assert all(weight.grad is not None for weight in nets.parameters())


def test_points_by_a_gaussian() -> None:
    with pytest.raises(UserError, match=r"bernoulli .*this data is points; set recipe\.likelihood=gaussian"):
        assemble(config_for("vae", {"networks": "mlp-2d"}), PLANE)
    config = config_for("vae", {"networks": "mlp-2d", "recipe.likelihood": "gaussian", "recipe.width": 4})
    nets, _ = assemble(config, PLANE)
    assert nets.sample(nets.draw(5, torch.Generator().manual_seed(0))).shape == (5, 2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"recipe.lr_d": 1e-3}, "unknown path 'recipe.lr_d' for vae"),
        ({"recipe.loss": "hinge"}, "unknown path 'recipe.loss' for vae"),
        ({"recipe.z_distribution": "uniform"}, "recipe.z_distribution: Input should be 'normal', not 'uniform'"),
    ],
)
def test_numbers_without_meaning_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        config_for("vae", setting)


@pytest.mark.parametrize("recipe", [GanRecipe(), Recipe()])
def test_it_needs_its_own_numbers(recipe: Recipe) -> None:
    with pytest.raises(UserError, match="a VAE needs a VaeRecipe"):
        VaeObjective(recipe)
    with pytest.raises(UserError, match="a VAE needs a VaeRecipe"):
        build_vae("mlp", recipe, DIGITS)


def test_a_spread_without_the_gaussian_likelihood_is_refused() -> None:
    with pytest.raises(UserError, match=r"recipe\.sd=0\.5 .*; set recipe\.likelihood=gaussian"):
        assemble(config_for("vae", {"recipe.sd": 0.5}), DataShape(kind="image", shape=(1, 8, 8)))


def test_networks_of_diffusion_are_refused() -> None:
    with pytest.raises(UserError, match="the networks 'unet' are not a generator and a discriminator"):
        assemble(config_for("vae", {"networks": "unet"}), DIGITS)


def test_scalars_of_a_mark() -> None:
    config = config_for("vae", {"recipe.width": 4})
    networks, objective = assemble(config, DIGITS)
    data = Examples(data=torch.randint(0, 256, (256, 1, 8, 8), dtype=torch.uint8))
    trainer = Trainer(
        networks=networks, objective=objective, recipe=config.recipe, data=data, seed=0, budget_images=300, device=torch.device("cpu"),
        precision="fp32",
    )  # fmt: skip
    last = list(train(trainer, []))[-1]
    assert last.scalars["elbo"] == pytest.approx(-(last.scalars["rate"] + last.scalars["distortion"]), rel=1e-5)
    assert last.scalars["loss_g"] == pytest.approx(-last.scalars["elbo"], rel=1e-5)
    assert set(last.updates) == {"g"}


def test_the_entry() -> None:
    recipe = VARIANTS.get("vae").recipe
    assert isinstance(recipe, VaeRecipe)
    assert (recipe.likelihood, recipe.beta, recipe.batch_size) == ("bernoulli", 1.0, 100)
