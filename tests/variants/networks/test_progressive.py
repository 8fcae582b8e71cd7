"""Progressive growing: its schedule, its continuity, and the active layers of each stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from bench.core import serialization
from bench.core.config import config_for
from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Step
from bench.runs.preparation import check
from bench.training.build import assemble
from bench.training.ema import Ema
from bench.training.loop import Trainer, train
from variants.gan import GanNetworks, build_gan
from variants.networks.growth import WHOLE, Position, enlarge, place, shrink
from variants.recipe import GanRecipe

FASHION = DataShape(kind="image", shape=(1, 28, 28), classes=10)  # stages of 7, 14 and 28 pixels
IMAGES = Examples(data=torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))
ROUNDS = 8


def grown(stage: int, fade: float = 1.0, **numbers: object) -> GanNetworks:
    recipe = GanRecipe.model_validate({"width": 4, "z_dim": 6, "norm_d": "none", "minibatch_std": True, **numbers})
    torch.manual_seed(0)
    networks = build_gan("progressive", recipe, FASHION)
    put(networks, stage, fade)
    return networks


def put(networks: GanNetworks, stage: int, fade: float) -> None:
    for part in (networks.generator, networks.discriminator):
        position = part.position
        assert isinstance(position, Position)
        position.put(stage, fade)


def trainer(**settings: object) -> Trainer:
    config = config_for("progan", {"recipe.width": 4, "recipe.batch_size": 4, "recipe.z_dim": 6, "recipe.grow": 0.75, **settings})
    networks, objective = assemble(config, FASHION)
    return Trainer(
        networks=networks, objective=objective, recipe=config.recipe, data=IMAGES, seed=0, budget_images=4 * ROUNDS,
        device=torch.device("cpu"), precision="fp32",
    )  # fmt: skip


def step(images: int, budget: int | None = 100) -> Step:
    return Step(images=images, budget_images=budget, index=0, noise=torch.Generator())


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        (0.0, (0, 1.0)), (0.2, (0, 1.0)), (0.25, (1, 0.0)), (0.375, (1, 0.5)), (0.5, (1, 1.0)), (0.7, (1, 1.0)), (0.75, (2, 0.0)),
        (0.875, (2, 0.5)), (1.0, (2, 1.0)), (7.0, (2, 1.0)),
    ],
)  # fmt: skip
def test_each_part_stands_and_then_fades_in(share: float, wanted: tuple[int, float]) -> None:
    assert place(share, 2) == pytest.approx(wanted)


def test_networks_of_one_size_are_whole_at_once() -> None:
    assert place(0.0, 0) == (0, 1.0)


def test_the_schedule_is_in_shares_of_the_budget() -> None:
    position = Position(3, 0.5)
    assert position.now() == (2, 1.0)  # before training
    positions = []
    for images in (0, 12, 13, 25, 38, 50, 100):
        position.follow(step(images))
        positions.append(position.now())
    assert positions == [
        (0, 1.0),
        (0, 1.0),
        (1, pytest.approx(0.04, abs=1e-4)),
        (1, 1.0),
        (2, pytest.approx(0.04, abs=1e-4)),
        (2, 1.0),
        (2, 1.0),
    ]
    still = Position(3, 0.0)
    still.follow(step(0, None))
    assert still.now() == (2, 1.0)


def test_where_it_stands_is_in_whole_numbers_that_averages_copy() -> None:
    live = grown(2)
    average = Ema(live, half_life_images=10)
    put(live, 1, 0.5)
    average.update(live, 100, 4)
    for networks in (live, average.networks):
        state = networks.state_dict()
        for name in ("generator.position.at_stage", "discriminator.features.position.at_stage"):
            assert state[name].tolist() == [1, WHOLE // 2]
            assert state[name].dtype == torch.int64


@pytest.mark.parametrize("stage", [1, 2])
def test_the_generator_goes_on_where_it_was_when_a_stage_begins(stage: int) -> None:
    before, after = grown(stage - 1), grown(stage, 0.0)
    latent = before.draw(5, torch.Generator().manual_seed(0))
    small, large = before.generate(latent), after.generate(latent)
    assert (small.shape[-1], large.shape[-1]) == (7 * 2 ** (stage - 1), 7 * 2**stage)
    torch.testing.assert_close(large, enlarge(small))
    torch.testing.assert_close(before.sample(latent), after.sample(latent))  # samples of both stages have the full size


@pytest.mark.parametrize("stage", [1, 2])
def test_the_discriminator_goes_on_where_it_was_when_a_stage_begins(stage: int) -> None:
    images = torch.randn(5, 1, 28, 28)
    before, after = grown(stage - 1), grown(stage, 0.0)
    small, large = before.prepare(images), after.prepare(images)
    torch.testing.assert_close(large, enlarge(small))
    torch.testing.assert_close(after.discriminate(large), before.discriminate(small))


@pytest.mark.parametrize("stage", [1, 2])
def test_layers_to_and_from_images_of_the_last_stage_matter_only_while_one_fades_in(stage: int) -> None:
    for fade, matters in ((0.5, True), (1.0, False)):
        networks = grown(stage, fade)
        latent = networks.draw(5, torch.Generator().manual_seed(0))
        images = networks.generate(latent)
        logits = networks.discriminate(images)
        for layers in (networks.generator.get_submodule("to_image"), networks.discriminator.get_submodule("features.from_image")):
            for parameter in layers.get_submodule(str(stage - 1)).parameters():
                parameter.data.add_(1.0)
        assert torch.equal(networks.generate(latent), images) != matters
        assert torch.equal(networks.discriminate(images), logits) != matters


def test_a_fade_in_is_linear() -> None:
    latent = grown(2).draw(5, torch.Generator().manual_seed(0))
    start, half, end = (grown(2, fade).generate(latent) for fade in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (start + end) / 2)


def test_real_data_are_as_large_as_the_stage_and_fade_in_as_it_does() -> None:
    images = torch.randn(3, 1, 28, 28)
    assert torch.equal(grown(2).prepare(images), images)
    assert torch.equal(grown(1).prepare(images), avg_pool2d(images, 2))
    assert torch.equal(grown(0).prepare(images), avg_pool2d(images, 4))
    torch.testing.assert_close(grown(2, 0.25).prepare(images), 0.75 * enlarge(shrink(images)) + 0.25 * images)
    assert torch.equal(enlarge(torch.tensor([[[[1.0, 2.0]]]])), torch.tensor([[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]))


def test_layers_take_part_one_stage_after_the_other_and_all_have_moved_at_the_end() -> None:
    trained = trainer()
    first = {name: value.detach().clone() for name, value in trained.networks.named_parameters()}
    taking: list[set[str]] = []
    for _ in train(trained, [4 * index for index in range(1, ROUNDS)]):
        taking.append({name for name, value in trained.networks.named_parameters() if value.grad is not None})
    assert not any("blocks" in name for name in taking[0])
    assert not any("blocks.1" in name for name in taking[2])
    assert any("generator.blocks.1" in name for name in taking[-1])
    assert not any("generator.to_image.0" in name for name in taking[-1])
    still = [name for name, value in trained.networks.named_parameters() if torch.equal(value, first[name])]
    assert still == []


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_run_that_stops_while_it_grows_goes_on_bit_for_bit(stop: int, tmp_path: Path) -> None:
    whole, stopped, resumed = trainer(), trainer(), trainer()
    list(train(whole, []))
    for _ in train(stopped, [], pause=lambda: stopped.images >= 4 * stop):
        break
    serialization.save(stopped.state_dict(), tmp_path / "state")
    resumed.load_state_dict(serialization.load(tmp_path / "state"))
    list(train(resumed, []))
    for mine, theirs in zip(resumed.eval_networks.state_dict().values(), whole.eval_networks.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    "settings",
    [
        {"recipe.pack": 2}, {"recipe.loss": "relativistic", "recipe.gp": 0.0, "recipe.r1": 1.0, "recipe.penalty_every": 2},
        {"recipe.norm_d": "spectral", "recipe.loss": "hinge", "recipe.gp": 0.0}, {"recipe.norm_d": "batch", "recipe.gp": 0.0},
        {"recipe.optimiser": "rmsprop"}, {"recipe.augment": "translation,cutout", "recipe.consistency": 1.0},
    ],
)  # fmt: skip
def test_it_grows_under_any_objective(settings: dict[str, object]) -> None:
    last = list(train(trainer(**settings), []))[-1]
    assert last.diverged is None


def test_drift_holds_real_logits_near_0() -> None:
    nets = grown(2)
    config = config_for("progan", {"recipe.gp": 0.0, "recipe.grow": 0.0, "recipe.drift": 0.0, "recipe.z_dim": 6})
    batch = trainer().batches.next()
    losses = []
    for drift in (0.0, 0.5):
        recipe = config.recipe.model_copy(update={"drift": drift})
        objective = assemble(config.model_copy(update={"recipe": recipe}), FASHION)[1]
        noise = torch.Generator().manual_seed(0)
        terms = objective.players[0].loss(nets, batch, Step(images=0, budget_images=100, index=0, noise=noise))
        losses.append(terms.loss.mean())
    torch.testing.assert_close(losses[1] - losses[0], 0.5 * terms.log["logit_real"].square().mean(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("networks", ["dcgan", "mlp", "style"])
def test_networks_that_cannot_grow_say_which_can(networks: str) -> None:
    with pytest.raises(UserError) as error:
        assemble(config_for("progan", {"networks": networks, "recipe.width": 4}), FASHION)
    assert str(error.value) == f"recipe.grow: the networks '{networks}' do not grow; set recipe.grow=0 or networks=progressive"


def test_growth_needs_a_budget_that_is_counted() -> None:
    settings = {"dataset": "digits", "recipe.width": 4, "budget.train_seconds": 10.0, "budget.images": None}
    with pytest.raises(UserError, match=r"recipe\.grow depends on the length of the run"):
        check(config_for("progan", settings))
    check(config_for("progan", {**settings, "recipe.grow": 0.0}))
    with pytest.raises(ValueError, match="budget in images"):
        Position(2, 0.5).follow(step(0, None))


def test_whole_from_the_start_where_the_recipe_grows_nothing() -> None:
    trained = trainer(**{"recipe.grow": 0.0})
    for _ in train(trained, [4]):
        assert trained.networks.prepare(torch.zeros(1, 1, 28, 28)).shape[-1] == 28


def test_no_reference_to_the_live_networks_is_kept_by_an_average() -> None:
    live = grown(2)
    average = Ema(live, half_life_images=10).networks
    own = {id(module) for module in average.modules()}
    modules = [value for module in average.modules() for value in vars(module).values() if isinstance(value, nn.Module)]
    assert all(id(value) in own for value in modules)
