"""Regularisers of the adversarial objective: the inputs and labels of D, the interval of penalties, and errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from bench.core.config import config_for, parse_setting
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Step
from bench.training.build import assemble
from variants.gan import LECAM_DECAY, AdversarialObjective, GanNetworks
from variants.networks.backbone import minibatch_std
from variants.recipe import GanRecipe

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
PLANE = DataShape(kind="points", shape=(2,))


class Linear(nn.Module):
    """Discriminator with the logit w x. It records its inputs."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))
        self.inputs: list[torch.Tensor] = []

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        self.inputs.append(data.detach())
        return (data * self.weights).sum(dim=1, keepdim=True)


def nets(*weights: float) -> GanNetworks:
    return GanNetworks(nn.Identity(), Linear(*weights), GanRecipe(z_dim=len(weights)), "points")


def step(index: int = 0, images: int = 0) -> Step:
    return Step(images=images, budget_images=None, index=index, noise=torch.Generator().manual_seed(0))


def objective(**numbers: object) -> AdversarialObjective:
    return AdversarialObjective(GanRecipe(z_dim=2, **numbers))  # type: ignore[arg-type]


REAL = Batch(data=torch.randn(400, 2, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(("name", "value"), [("gp", 16.0), ("dragan", 16.0), ("r1", 12.5), ("r2", 12.5)])
def test_each_penalty_is_of_its_function_and_weighs_what_the_recipe_says(name: str, value: float) -> None:
    """Each penalty has the value of its formula for a gradient of norm 5, times the weight in the recipe."""
    plain = objective().discriminator_loss(nets(3.0, 4.0), REAL, step()).loss.mean()
    terms = objective(**{name: 2.0}).discriminator_loss(nets(3.0, 4.0), REAL, step())
    torch.testing.assert_close(terms.loss.mean() - plain, torch.tensor(2.0 * value))
    assert terms.log["gradient_penalty" if name in ("gp", "dragan") else name].mean().item() == pytest.approx(value)


def test_lazy_penalties_come_now_and_then_and_weigh_as_much_more() -> None:
    lazy = objective(r1=2.0, penalty_every=4)
    losses = [lazy.discriminator_loss(nets(3.0, 4.0), REAL, step(index)).loss.mean().item() for index in range(5)]
    plain = objective().discriminator_loss(nets(3.0, 4.0), REAL, step()).loss.mean().item()
    assert [loss - plain for loss in losses] == pytest.approx([100.0, 0.0, 0.0, 0.0, 100.0], abs=1e-4)


def test_r1_is_taken_at_real_and_r2_at_generated_data() -> None:
    for name, wanted in (("r1", REAL.data), ("r2", nets(0.0, 0.0).draw(400, step().noise).z)):
        networks = nets(3.0, 4.0)
        objective(**{name: 1.0}).discriminator_loss(networks, REAL, step())
        discriminator = networks.discriminator
        assert isinstance(discriminator, Linear)
        assert torch.equal(discriminator.inputs[-1], wanted)


def test_label_noise_exchanges_some_pairs() -> None:
    networks = nets(1.0, 0.0)
    fake = networks.draw(400, step().noise).z[:, :1]
    right, wrong = softplus(-REAL.data[:, :1]) + softplus(fake), softplus(-fake) + softplus(REAL.data[:, :1])
    loss = objective(label_noise=0.2).discriminator_loss(networks, REAL, step()).loss
    exchanged = torch.isclose(loss, wrong) & ~torch.isclose(loss, right)
    assert 0.1 < exchanged.float().mean() < 0.3
    torch.testing.assert_close(torch.where(exchanged, wrong, right), loss)


@pytest.mark.parametrize(("images", "sd"), [(0, 0.5), (500, 0.25), (1000, 0.0), (2000, 0.0)])
def test_instance_noise_fades(images: int, sd: float) -> None:
    fading = objective(instance_noise=0.5, instance_noise_images=1000).discriminator_input(torch.zeros(5000, 2), step(images=images))
    assert fading.std().item() == pytest.approx(sd, rel=0.05)
    stays = objective(instance_noise=0.5).discriminator_input(torch.zeros(5000, 2), step(images=images))
    assert stays.std().item() == pytest.approx(0.5, rel=0.05)


def test_lecam_keeps_running_means_that_are_state() -> None:
    one = objective(lecam=0.5, loss="wasserstein")
    networks = nets(1.0, 0.0)
    before = one.discriminator_loss(networks, REAL, step())
    on_real, on_fake = before.log["logit_real"], before.log["logit_fake"]
    torch.testing.assert_close(before.loss.mean(), (on_fake - on_real + 0.5 * (on_real**2 + on_fake**2)).mean())
    one.after_discriminator(networks, before, step())
    torch.testing.assert_close(one.mean_real, (1 - LECAM_DECAY) * on_real.mean())
    torch.testing.assert_close(one.mean_fake, (1 - LECAM_DECAY) * on_fake.mean())
    assert set(one.state_dict()) == {"mean_real", "mean_fake"}
    assert not objective().state_dict()


def test_a_relativistic_generator_sees_the_real_batch() -> None:
    networks = nets(1.0, 0.0)
    loss = objective(loss="relativistic").generator_loss(networks, REAL, step()).loss
    fake = networks.draw(400, step().noise).z[:, :1]
    torch.testing.assert_close(loss, softplus(REAL.data[:, :1] - fake))


def test_the_spread_of_a_batch_is_the_mean_deviation_of_its_features() -> None:
    features = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    torch.testing.assert_close(minibatch_std(features), torch.full((2, 1), (1.0 + 1e-4) / 2), atol=1e-4, rtol=0)


def test_a_discriminator_that_is_told_the_spread_couples_its_batch() -> None:
    config = config_for("minibatch-std", {"recipe.width": 4, "recipe.norm_d": "none"})
    networks, _ = assemble(config, DIGITS)
    assert isinstance(networks, GanNetworks)
    assert networks.batch_coupled
    images = torch.randn(6, 1, 8, 8)
    alone, together = networks.discriminate(images[:2]), networks.discriminate(images)[:2]
    assert not torch.allclose(alone, together)


def test_spectral_norm_holds_every_matrix_of_the_discriminator_near_one() -> None:
    networks, _ = assemble(config_for("sngan", {"recipe.width": 4}), DIGITS)
    assert isinstance(networks, GanNetworks)
    for _ in range(50):
        networks.discriminate(torch.randn(4, 1, 8, 8))
    layers = [layer for layer in networks.discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.02)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in networks.discriminator.modules())


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"gp": 1.0, "dragan": 1.0}, "recipe.gp and recipe.dragan .*; set .* to 0"),
        ({"clip": 0.1, "dragan": 1.0}, "recipe.dragan and recipe.clip .*; set .* to 0"),
        (
            {"loss": "hinge", "label_noise": 0.1},
            "recipe.label_noise .*'hinge'.*; choose .* minimax, ",
        ),
        ({"loss": "wasserstein", "fake_label": 0.1}, "recipe.fake_label .*'wasserstein'"),
        ({"real_label": 0.5, "fake_label": 0.5}, "recipe.fake_label=0.5 must be below recipe.real_label=0.5"),
        ({"instance_noise_images": 5}, "recipe.instance_noise_images=5 .*; set recipe.instance_noise"),
        ({"penalty_every": 4}, "recipe.penalty_every=4 .*; set it to 1, .*recipe.gp"),
    ],
)
def test_numbers_without_a_meaning_together_are_refused(numbers: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        objective(**numbers)


@pytest.mark.parametrize("name", ["gp", "dragan", "r1", "r2"])
def test_a_penalty_needs_a_discriminator_without_batch_norm(name: str) -> None:
    settings = {"recipe.width": 4, f"recipe.{name}": 1.0}
    with pytest.raises(UserError, match=f"recipe.{name} .*batch norm.*; set recipe.norm_d=none"):
        assemble(config_for("dcgan", settings), DIGITS)
    assemble(config_for("dcgan", {**settings, "recipe.norm_d": "none", "recipe.minibatch_std": True}), DIGITS)  # ProGAN uses both


@pytest.mark.parametrize("settings", [{"recipe.augment": "color"}, {"recipe.consistency": 1.0}])
def test_augmentations_of_images_are_refused_for_points(settings: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"recipe\.(augment|consistency) .*images, and this data is points"):
        assemble(config_for("gan-2d", settings), PLANE)


@pytest.mark.parametrize("policy", ["colour", "color,", "cutout,flip", "color, cutout", "cutout,cutout", ["cutout", "cutout"], 3])
def test_a_policy_that_is_none_is_refused(policy: object) -> None:
    with pytest.raises(UserError, match=r"recipe\.augment: "):
        config_for("dcgan", {"recipe.augment": policy})


def test_a_policy_may_be_a_list_and_a_wrong_part_is_named() -> None:
    path, value = parse_setting("recipe.augment=translation,cutout")  # as on the command line
    recipe = config_for("dcgan", {path: value}).recipe
    assert isinstance(recipe, GanRecipe)
    assert recipe.augment == "translation,cutout"
    with pytest.raises(UserError, match=r"^recipe.augment: 'colour' is not an augmentation; did you mean 'color' or 'cutout'\?$"):
        config_for("dcgan", {"recipe.augment": "cutout,colour"})


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"real_label": 0.9}, "D's label of real data is 0.9: 0.9 (-log σ(·)) + 0.1 (-log(1 - σ(·)))"),
        ({"fake_label": 0.1}, "D's label of generated data is 0.1: 0.1 (-log σ(·)) + 0.9 (-log(1 - σ(·)))"),
        ({"label_noise": 0.05}, "D's r and f are exchanged in 0.05 of pairs"),
        ({"instance_noise": 0.2}, "D gets x + N(0, 0.2²) for all data"),
        ({"instance_noise": 0.2, "instance_noise_images": 50_000}, "N(0, 0.2²) for all data, falling to 0 over 50,000 images"),
        ({"augment": "color,cutout"}, "D gets T(x) for all data, with T drawn from color, cutout"),
        ({"r1": 1.0, "penalty_every": 16}, "D: + 1/2 |∇D(x)|² at one update in 16, times 16"),
        ({"drift": 0.001, "r1": 2.0, "penalty_every": 4}, "D: + 2/2 |∇D(x)|² at one update in 4, times 4; D: + 0.001 r²"),
    ],
)
def test_the_formula_says_what_the_recipe_changes(numbers: dict[str, object], text: str) -> None:
    plain = AdversarialObjective(GanRecipe()).formula
    formula = AdversarialObjective(GanRecipe.model_validate(numbers)).formula
    assert formula.startswith(plain + "; ")
    assert formula.endswith(text)
